"""How a program signs in with either Python SDK: a folder to remember in, a port for the browser to come back to.

Imported by the programs of this folder, which run in environments of their own; so never imports from `tests`.
"""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from visit import Order

LIMIT_S = 60


class Refused(Exception):
    """The person, or the gateway, said no; the text is what the client was told."""


class Memory:
    """What the program remembers from one start to the next: one file for each thing (the SDK's TokenStorage)."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    async def get_tokens(self) -> OAuthToken | None:
        return self._read("tokens", OAuthToken)

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._write("tokens", tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._read("client", OAuthClientInformationFull)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._write("client", client_info)

    def _read(self, name: str, kind: Any) -> Any:
        file = self.folder / f"{name}.json"
        return kind.model_validate_json(file.read_text()) if file.exists() else None

    def _write(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(value.model_dump_json(exclude_none=True))


class Callback:
    """Where the browser comes back to."""

    def __init__(self, port: int) -> None:
        self.uri = f"http://127.0.0.1:{port}/callback"
        self.returned: Queue[dict[str, str]] = Queue()

    async def open_browser(self, url: str) -> None:
        await anyio.to_thread.run_sync(subprocess.check_call, [os.environ["BROWSER"], url])

    async def answer(self) -> dict[str, str]:
        """What the browser brought."""
        told = await anyio.to_thread.run_sync(lambda: self.returned.get(timeout=LIMIT_S))
        if "error" in told:
            raise Refused(json.dumps(told))
        return told


@contextlib.contextmanager
def callback() -> Iterator[Callback]:
    """Listen on a free port, another one at each start, as such programs do (RFC 8252, section 7.3)."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"You can close this window.")
            made.returned.put({name: values[0] for name, values in query.items()})

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        made = Callback(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


@contextlib.contextmanager
def signing_in(order: Order, client_name: str) -> Iterator[OAuthClientProvider | None]:
    """The SDK's own sign-in for this order; None when the order comes with a key."""
    if order.sign_in is None:
        yield None
        return
    with callback() as back:

        async def answer() -> Any:
            return code_result(await back.answer())

        yield OAuthClientProvider(
            order.url,
            OAuthClientMetadata(client_name=client_name, redirect_uris=[back.uri]),
            Memory(order.sign_in["folder"]),
            redirect_handler=back.open_browser,
            callback_handler=answer,
            client_metadata_url=order.sign_in.get("document"),
        )


def code_result(told: dict[str, str]) -> Any:
    """What the SDK wants of the answer; 1.x does not look at who sent it (RFC 9207)."""
    try:
        from mcp.shared.auth import AuthorizationCodeResult
    except ImportError:
        return told["code"], told.get("state")
    return AuthorizationCodeResult(code=told["code"], state=told.get("state"), iss=told.get("iss"))
