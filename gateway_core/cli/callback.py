"""Where the browser brings the answer: a page on a free port of this machine, for one login."""

import html
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from gateway_core.cli.failing import CommandFailed

PATH: Final = "/callback"
IDLE_S: Final = 10
"""Browsers open connections ahead and say nothing on them."""
_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Gatehouse</title>'
    '<meta name="color-scheme" content="light dark"><h1>{title}</h1><p>{text}</p></html>'
)


@dataclass(frozen=True, slots=True)
class Callback:
    """A server that waits for one answer."""

    redirect_uri: str
    _answers: "queue.Queue[dict[str, str]]"

    def wait(self, wait_s: float) -> dict[str, str]:
        """The parameters that the browser brought.

        Raises:
            CommandFailed: It brought none in time.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                # In slices, so that Ctrl-C is heard while nothing comes.
                return self._answers.get(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise CommandFailed(
                        f"Nobody allowed the login within {wait_s:g} seconds, so it was given up. "
                        "Run the command again; the browser must be on this machine."
                    ) from None


@contextmanager
def listening(state: str, issuer: str) -> Iterator[Callback]:
    """Wait on a free port of 127.0.0.1 for the answer to the request with `state`, from the issuer that was asked."""
    with _Server(state, issuer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Callback(f"http://127.0.0.1:{server.server_port}{PATH}", server.answers)
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: str, issuer: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.expected = {"state": state, "iss": issuer}
        self.answers: queue.Queue[dict[str, str]] = queue.Queue(maxsize=1)

    def judge(self, path: str) -> tuple[int, str, str]:
        """Status, title and text for whoever asks for `path`; the right answer is kept."""
        parts = urlsplit(path)
        if parts.path != PATH:
            return 404, "Nothing here", "This page belongs to a login of the Gatehouse command line."
        given = parse_qs(parts.query, keep_blank_values=True)
        found = {name: values[0] for name, values in given.items() if len(values) == 1}
        # RFC 6749, section 10.12, and RFC 9207: only the answer to our request, from whom we asked.
        if not self.expected.items() <= found.items() or not found.keys() & {"code", "error"}:
            return 400, "Not this login", "This is no answer to the login that waits here. Go back to the terminal."
        try:
            self.answers.put_nowait(found)
        except queue.Full:
            return 400, "Not this login", "This login has its answer already. Go back to the terminal."
        if "code" in found:
            return 200, "Almost there", "Close this page and go back to the terminal."
        return 200, "Not logged in", found.get("error_description") or "The login was refused."


class _Handler(BaseHTTPRequestHandler):
    """One request of the browser, or of whoever else finds the port."""

    timeout = IDLE_S
    server: _Server

    def do_GET(self) -> None:
        self._answer(*self.server.judge(self.path))

    def refuse(self) -> None:
        """Answer what is no GET: nobody's browser brings an answer so."""
        self._answer(405, "Not like this", "This page is only looked at.")

    # Names that http.server gives.
    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = refuse  # noqa: N815

    def version_string(self) -> str:
        """Name no software: whoever finds the port need not learn it."""
        return "gatehouse"

    def _answer(self, status: int, title: str, text: str) -> None:
        body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
        self.send_response(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the path of a request holds the code."""
