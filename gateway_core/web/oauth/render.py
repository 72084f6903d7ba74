"""Pages out of templates, each with the headers that keep it from being framed, cached, or taught to run script."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from gateway_core.web.oauth.visible import finalize

_HERE: Final = Path(__file__).parent
_HTTP_ORIGIN: Final = re.compile(r"http://[a-z0-9.-]+(?::[0-9]{1,5})?")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")

STILL_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer to a browser. No Cross-Origin-Opener-Policy: web clients that open us in a window of their own wait
for that window to come back to them."""


class Pages:
    """Renders templates. Every text they show is escaped and made visible; what a form must bring back byte for byte
    goes through the filter `same`, which only escapes."""

    def __init__(self) -> None:
        self._env = _environment()
        self.style = (_HERE / "style.css").read_bytes()
        self.icon = (_HERE / "icon.svg").read_bytes()
        self._env.globals["style"] = f"/oauth/style.css?{hashlib.sha256(self.style).hexdigest()[:12]}"

    def page(self, template: str, *, status: int = 200, form_to: str | None = "", **facts: Any) -> Response:
        """A page.

        Args:
            template: Its name, without `.html`.
            status: HTTP status.
            form_to: CSP sources besides our own origin that its forms may end at; None for anywhere.
            facts: What the template shows.
        """
        text = self._env.get_template(f"{template}.html").render(facts)
        return Response(
            text.encode("utf-8", "replace"), status, _headers(form_to), media_type="text/html; charset=utf-8"
        )


@cache
def _environment() -> Environment:
    """Compiles each template once in a process."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["same"] = escape
    return made


def _headers(form_to: str | None) -> dict[str, str]:
    sources = f"'self' {form_to or ''}".rstrip()
    form_action = "" if form_to is None else f"form-action {sources}; "
    policy = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {form_action}frame-ancestors 'none'; base-uri 'none'"
    )
    # Under no-referrer a browser would say "Origin: null" even to ourselves, and our forms could not be told from
    # those of others (Fetch, "append a request Origin header").
    return {
        **STILL_HEADERS,
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }


def moved(url: str) -> Response:
    """303: the browser goes on with GET, whatever it came with (RFC 9700, 4.12). Bytes of `url` stay as they are."""
    fields = {**STILL_HEADERS, "Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status_code=303, headers=fields)


def form_target(url: str) -> str | None:
    """The CSP sources for a form that ends at a client's `url`, or None where none may be named.

    Chromium holds `form-action` against every redirect that follows a post, those of the client as well. A client on
    the web sends the browser on as it likes, also to a program (claude.ai to claude://…): a list would end in a button
    that does nothing, after the client got its code. A program on this computer goes to a page of its vendor at most.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme == "https":
        return None
    if scheme == "http":
        origin = f"http://{parts.netloc.lower()}"
        # An IPv6 address cannot be written there (CSP 3, host-source).
        return f"{origin if _HTTP_ORIGIN.fullmatch(origin) else 'http:'} https:"
    return f"{scheme}:" if _SCHEME.fullmatch(scheme) else ""
