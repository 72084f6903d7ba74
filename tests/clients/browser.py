"""A person with a browser, without a screen: signs in, answers the consent page, follows the way back to the client.

A client opens it as it opens any browser: by the program in `BROWSER`, or by `xdg-open` on its path.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

from tests.flows.browsers import Form, Page
from tests.processes import POLL_S, START_S

PASSWORD = "a sentence of a few words"
MOST_PAGES = 12
LINK = f"""\
#!{sys.executable} -I
import sys, urllib.request
urllib.request.urlopen("{{address}}", data=sys.argv[-1].encode(), timeout=10).close()
"""
"""What clients start; it hands the link on and ends, as the real ones do."""


@dataclass
class Visit:
    """One link that was opened, and what came of it."""

    url: str
    seen: list[str] = field(default_factory=list)
    """The words of every page, in turn."""
    returned: dict[str, str] = field(default_factory=dict)
    """What the client was told in the end."""
    trouble: str = ""

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the client's request."""
        return dict(parse_qsl(urlsplit(self.url).query))


class Browser:
    """Keeps its cookies, so its person signs in once."""

    def __init__(self, origin: str, email: str) -> None:
        self.origin, self.email = origin, email
        self.decision: Literal["allow", "deny"] = "allow"
        self.visits: list[Visit] = []
        self._visiting: list[threading.Thread] = []
        self.http = httpx2.Client(timeout=START_S)

    def close(self) -> None:
        """Close its connections."""
        self.http.close()

    def enter(self, link: str, action: str, **fields: str) -> None:
        """Open a set-up or invitation link and fill its form in."""
        page = self._to_page(self.http.get(link), link)
        page = self._submit(page, page.form(action), fields)
        assert "My access" in page.text, page.text

    def visit(self, url: str) -> Visit:
        """Open an authorization request and answer whatever is asked."""
        visit = Visit(url)
        self.visits.append(visit)
        page = self._to_page(self.http.get(url), url)
        for _ in range(MOST_PAGES):
            if not page.url.startswith(f"{self.origin}/"):
                visit.returned = page.parameters
                return visit
            visit.seen.append(page.text)
            forms = {form.action: form for form in page.forms}
            if "/oauth/signin" in forms:
                page = self._submit(page, forms["/oauth/signin"], {"email": self.email, "password": PASSWORD})
            elif "/authorize" in forms:
                page = self._submit(page, forms["/authorize"], self._answer(forms["/authorize"]))
            else:
                break
        visit.trouble = f"came to an end at {page.url}: {page.text}"
        return visit

    def open(self, url: str) -> None:
        """Visit `url` without keeping whoever opened it waiting."""
        thread = threading.Thread(target=self._visit_alone, args=(url,), daemon=True)
        self._visiting.append(thread)
        thread.start()

    def settle(self) -> list[Visit]:
        """Wait until every page has come; gives all visits."""
        for thread in self._visiting:
            thread.join(START_S)
        assert not [visit.trouble for visit in self.visits if visit.trouble], self.visits
        return self.visits

    def _visit_alone(self, url: str) -> None:
        try:
            self.visit(url)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self.visits[-1].trouble = repr(error)

    def _answer(self, form: Form) -> dict[str, str]:
        offered = [value for name, value in form.buttons if name == "decision"]
        decision = self.decision if self.decision in offered else offered[0]
        return {"decision": decision} | ({"workspace": form.choices[0]} if form.choices else {})

    def _submit(self, page: Page, form: Form, fields: Mapping[str, str]) -> Page:
        url = urljoin(page.url, form.action)
        said = {"origin": self.origin, "sec-fetch-site": "same-origin"}
        return self._to_page(self.http.post(url, data={**form.fields, **fields}, headers=said), url)

    def _to_page(self, response: httpx2.Response, url: str) -> Page:
        """Follow redirects until there is a page, be it the client's own."""
        for _ in range(MOST_PAGES):
            if response.status_code not in (302, 303):
                return Page(response, url)
            url = urljoin(url, response.headers["location"])
            response = self.http.get(url) if url.startswith(f"{self.origin}/") else patient_get(url)
        raise AssertionError(f"too many redirects, the last to {url}")


def patient_get(url: str) -> httpx2.Response:
    """What a client answers at its own address; one that has just opened the browser may not listen yet."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            # Not the person's own browser: what a client does there is not under test.
            return httpx2.get(url, timeout=START_S)
        except httpx2.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


class Opens(Protocol):
    """Whoever opens links for programs."""

    def open(self, url: str, /) -> None:
        """The program goes on when this comes back."""


@contextlib.contextmanager
def opened_by_programs(browser: Opens, folder: Path) -> Iterator[Mapping[str, str]]:
    """Let programs open links in `browser`; gives the environment variables that make them do so."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            browser.open(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        programs = folder / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        (programs / "browser").write_text(LINK.format(address=f"http://127.0.0.1:{server.server_port}"))
        (programs / "browser").chmod(0o755)
        (programs / "xdg-open").symlink_to("browser")
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        yield {"BROWSER": str(programs / "browser"), "PATH": path}
        server.shutdown()
