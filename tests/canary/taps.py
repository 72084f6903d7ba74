"""Where the canary listens: around the product's own doors, from the beginning of a test run. What goes through them
stays as it is."""

import json
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from gateway_core.admin.administration import Administration
from gateway_core.sealing import Ring
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.telemetry import JsonLines
from gateway_core.web.mcp import McpApp
from gateway_core.web.oauth.app import OAuthApp
from tests.canary.files import FOLDERS
from tests.canary.watch import WATCH

CLIENTS: Final = ("httpx2", "httpcore2", "mcp")
"""Loggers of what tests call the gateway with: they tell of each request, and would be taken for the gateway."""
SECRET_MEMBERS: Final = frozenset({"access_token", "refresh_token", "id_token", "client_secret", "secret", "verifier"})
_SEALED: Final = re.compile(r"^secret/|^connect-attempt/|^sign-in/|^renamed/|^\[\".*\", \"(connection|client|identity)")
"""Contexts under which secrets are sealed. Letters, stamps and sessions are sealed, too, and are no credentials."""
_SEEN: Final = "tests.canary"


class Listener(logging.Handler):
    """Writes every line as a running gateway would."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Take the line down."""
        WATCH.hear("log", record.name, self.format(record))


LISTENER: Final = Listener()


def put_up() -> None:
    """Put all taps up. Once in a process."""
    apps: tuple[Any, ...] = (McpApp, OAuthApp, FastAPI)
    for app in apps:
        app.__call__ = _answering(app.__call__)
    Ring.seal = _sealing(Ring.seal)  # type: ignore[method-assign]
    Administration.set_secret = _setting(Administration.set_secret)  # type: ignore[method-assign]
    SqliteTable.__init__ = _opening(SqliteTable.__init__)  # type: ignore[method-assign]
    SqliteTable.close = _closing(SqliteTable.close)  # type: ignore[method-assign]
    for name in CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    listen()


def listen() -> None:
    """Hear the log, as running gateways write it; also after somebody has set logging up anew."""
    root = logging.getLogger()
    if LISTENER not in root.handlers:
        root.addHandler(LISTENER)
    if root.level == logging.NOTSET or root.level > logging.INFO:
        root.setLevel(logging.INFO)


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._send = send
        self._status, self._headers = 0, list[tuple[str, str]]()
        self._parts: list[bytes] = []

    async def send(self, message: Any) -> None:
        """ASGI's."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        self._parts.append(message.get("body", b""))
        await self._send(message)

    def heard(self, asked: str) -> None:
        """It has ended, or was cut off."""
        WATCH.hear_answer(asked, self._status, self._headers, b"".join(self._parts))


def _answering(call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(call)
    async def answering(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _SEEN in scope:
            return await call(self, scope, receive, send)
        scope[_SEEN] = True
        WATCH.know_cookies(str(dict(scope["headers"]).get(b"cookie", b""), "latin-1"))
        answer = _Answer(send)
        try:
            await call(self, scope, receive, answer.send)
        finally:
            answer.heard(f"{scope['method']} {scope['path']}")

    return answering


def _sealing(seal: Callable[..., bytes]) -> Callable[..., bytes]:
    @wraps(seal)
    def sealing(self: Ring, plain: bytes, *, context: str, nonce: bytes) -> bytes:
        if context.startswith("data-key/"):
            for spelt in (b64encode(plain), urlsafe_b64encode(plain), plain.hex().encode()):
                WATCH.know("a data key", spelt.rstrip(b"="))
        elif _SEALED.search(context):
            _know_sealed(plain)
        return seal(self, plain, context=context, nonce=nonce)

    return sealing


def _know_sealed(plain: bytes) -> None:
    try:
        told = json.loads(plain)
    except ValueError:
        told = plain.decode("utf-8", "replace")
    match told:
        case dict():
            values = [value for name, value in told.items() if name in SECRET_MEMBERS]
        case list():
            values = told
        case _:
            values = [told]
    for value in values:
        if isinstance(value, str):
            WATCH.know("what was sealed", value)


def _setting(set_secret: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(set_secret)
    async def setting(self: Administration, name: str, value: str, *args: Any, **named: Any) -> Any:
        WATCH.know(f"the secret {name}", value)
        return await set_secret(self, name, value, *args, **named)

    return setting


def _opening(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def opening(self: Any, path: Path, *args: Any, **named: Any) -> None:
        init(self, path, *args, **named)
        vars(self)[_SEEN] = Path(path)

    return opening


def _closing(close: Callable[..., None]) -> Callable[..., None]:
    @wraps(close)
    def closing(self: SqliteTable) -> None:
        close(self)
        if _SEEN in vars(self):
            FOLDERS.read_store(vars(self)[_SEEN])

    return closing
