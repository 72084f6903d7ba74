"""Upstream MCP servers for flows: a callable answers, and everything that arrived is kept."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from tests.asgi import headers_of, read_body

Json = dict[str, Any]
PROBE = b'"gatehouse-probe"'
"""The id of the gateway's own questions."""


@dataclass
class Asked:
    """One HTTP request as an upstream saw it."""

    method: str
    headers: dict[str, str]
    message: Any
    respond: "Respond"
    connection: Any = None
    """Address and port of the other side: one for each connection."""
    path: str = ""
    """With the query."""

    @property
    def rpc(self) -> str:
        return str(self.message.get("method", "")) if isinstance(self.message, dict) else ""


@dataclass
class Respond:
    """How an upstream answers."""

    send: Callable[[Json], Awaitable[None]]

    async def json(self, value: Any, status: int = 200, headers: Json | None = None) -> None:
        await self.raw(json.dumps(value).encode(), status, {"content-type": "application/json", **(headers or {})})

    async def raw(self, body: bytes, status: int = 200, headers: Json | None = None) -> None:
        await self.start(status, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, status: int = 200, headers: Json | None = None) -> None:
        fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": fields})

    async def stream(self, headers: Json | None = None) -> None:
        await self.start(200, {"content-type": "text/event-stream", **(headers or {})})

    async def event(self, value: Any = None, *, id: str | None = None, retry: int | None = None) -> None:
        lines = [f"id: {id}"] if id is not None else []
        lines += [f"retry: {retry}"] if retry is not None else []
        lines += [f"data: {'' if value is None else json.dumps(value)}"]
        await self.send({"type": "http.response.body", "body": ("\n".join(lines) + "\n\n").encode(), "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b""})


Answer = Callable[[Asked], Coroutine[Any, Any, None]]


@dataclass
class Upstream:
    """A running upstream. `seen` holds every request in order; `gone` is set when a client left an open answer."""

    answer: Answer
    speaks: tuple[str, ...] = ("legacy", "modern")
    """How it answers when the gateway finds out what it speaks; those requests are not among `seen`. Where this is
    empty, `answer` gets them like any other."""
    url: str = ""
    seen: list[Asked] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def calls(self, rpc: str) -> list[Asked]:
        return [asked for asked in self.seen if asked.rpc == rpc]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, headers = await read_body(receive), headers_of(scope)
        path = f"{scope['path']}?{scope['query_string'].decode()}"
        message = json.loads(body) if body else None
        asked = Asked(scope["method"], headers, message, Respond(send), scope["client"], path)
        if self.speaks and PROBE in body:
            await self._answer_probe(asked)
            return
        self.seen.append(asked)
        answering = asyncio.create_task(self.answer(asked))
        leaving = asyncio.create_task(receive())
        done, pending = await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if leaving in done and not answering.done():
            self.gone.set()
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if answering in done:
            answering.result()

    async def _answer_probe(self, asked: Asked) -> None:
        if asked.rpc == "server/discover" and "modern" in self.speaks:
            offered = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}
            await asked.respond.json(result(asked, offered))
        elif asked.rpc == "initialize" and "legacy" in self.speaks:
            await asked.respond.json(result(asked, {"protocolVersion": "2025-11-25", "capabilities": {}}))
        else:
            await asked.respond.raw(b"", 404)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """Serve an ASGI application on a free port of 127.0.0.1, in this event loop."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, lifespan="off", log_level="error", timeout_graceful_shutdown=1, proxy_headers=False
    )  # fmt: skip
    server = uvicorn.Server(config)
    # Not `serve`, which would take over the signals of the test run.
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        await _shut(server)
        listener.close()


async def _shut(server: uvicorn.Server) -> None:
    """As `Server.shutdown` does it, which looks every tenth of a second whether it is done: thousands of tests do."""
    for each in server.servers:
        each.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110 - nobody says when
                await asyncio.sleep(0.002)
    for task in server.server_state.tasks:
        task.cancel()


@asynccontextmanager
async def upstream(answer: Answer, *speaks: str) -> AsyncIterator[Upstream]:
    async with _running(Upstream(answer, speaks or ("legacy", "modern"))) as made:
        yield made


@asynccontextmanager
async def unaided(answer: Answer) -> AsyncIterator[Upstream]:
    """An upstream that answers the gateway's own questions itself."""
    async with _running(Upstream(answer, ())) as made:
        yield made


@asynccontextmanager
async def _running(made: Upstream) -> AsyncIterator[Upstream]:
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}/mcp"
        yield made


def result(asked: Asked, value: Json) -> Json:
    return {"jsonrpc": "2.0", "id": asked.message["id"], "result": value}


def text(asked: Asked, said: str) -> Json:
    return result(asked, {"content": [{"type": "text", "text": said}]})


async def weather(asked: Asked) -> None:
    """Answers a forecast to any call, in either era, and takes any notification."""
    if isinstance(asked.message, dict) and "id" in asked.message and "method" in asked.message:
        await asked.respond.json(text(asked, "Sunny."))
    else:
        await asked.respond.raw(b"", 202)
