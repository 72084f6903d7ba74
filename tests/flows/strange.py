"""A gateway that is none of ours, for the command line: it answers whatever a test lets it say."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Strange:
    """One that runs. `says` has the body for each path, or pieces of one that may have no end; what it has none for is
    404."""

    url: str
    says: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    in_head: bool = False
    """True where pieces go into a header that has no end."""
    sent: int = 0
    """Bytes of pieces that were taken."""


class _Server(ThreadingHTTPServer):
    strange: Strange


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        strange = self.server.strange
        self.rfile.read(int(self.headers.get("content-length", 0)))
        said = strange.says.get(self.path)
        self.send_response(404 if said is None else strange.status)
        for name, value in strange.headers.items():
            self.send_header(name, value)
        if isinstance(said, Iterator):
            if strange.in_head:
                self.send_header("x-without-end", "")
                self.flush_headers()
            else:
                self.end_headers()
            self._pour(said)
            return
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pour(self, pieces: Iterator[bytes]) -> None:
        # The reader goes away when it has had enough.
        with suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
                self.server.strange.sent += len(piece)

    # Names that http.server gives.
    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def strange_gateway(tls: ssl.SSLContext | None = None) -> Iterator[Strange]:
    """One that runs, with `tls` by https."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.strange = Strange(f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.strange
        finally:
            server.shutdown()
            thread.join()
