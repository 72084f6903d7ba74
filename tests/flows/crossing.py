"""Servers of every era for flows; each acts out the plays of tests.flows.stage in its own way."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.flows.stage import MODERN_VERSION, Asking, Server, Stage, Stream, streamed
from tests.flows.upstreams import Asked, Json, result


@dataclass
class Legacy(Server):
    """Streamable HTTP with sessions."""

    setup: ClassVar[Json] = {"transport": "http", "era": "legacy"}
    known: set[str] = field(default_factory=set)
    opened: int = 0
    forgetful: bool = False
    """Forgets every session at once."""

    async def __call__(self, asked: Asked) -> None:
        session = asked.headers.get("mcp-session-id", "")
        if asked.rpc == "initialize":
            self.opened += 1
            session = f"session-{self.opened}"
            if not self.forgetful:
                self.known.add(session)
            return await asked.respond.json(self.initialized(asked), headers={"mcp-session-id": session})
        if asked.rpc == "server/discover":
            return await asked.respond.raw(b"", 400)
        if session not in self.known and asked.rpc != "notifications/initialized":
            error = {"code": -32600, "message": "Bad Request: " + ("unknown" if session else "missing") + " session ID"}
            refusal = {"jsonrpc": "2.0", "id": "server-error", "error": error}
            return await asked.respond.json(refusal, 404 if session else 400)
        if asked.method != "POST":
            return await (self._tell(asked) if asked.method == "GET" else self._end(asked, session))
        if "id" not in asked.message or "method" not in asked.message:
            self.hear(asked.message)
            return await asked.respond.raw(b"", 202)
        return await self._perform(asked)

    async def _end(self, asked: Asked, session: str) -> None:
        self.known.discard(session)
        await asked.respond.raw(b"")

    async def _perform(self, asked: Asked) -> None:
        if asked.rpc != "tools/call":
            return await asked.respond.json(self.answer_to(asked))
        stage, stream = streamed(asked, self)
        await self.act(stage)
        return await stream.end()

    async def _tell(self, asked: Asked) -> None:
        await asked.respond.stream()
        while True:
            await asked.respond.event(await self.ears.get())


@dataclass
class Modern(Server):
    """2026-07-28 alone. `state` is the requestState that it gives when it asks."""

    setup: ClassVar[Json] = {"transport": "http", "era": "modern"}
    state: str | None = "as it was"

    async def __call__(self, asked: Asked) -> None:
        if asked.method != "POST":
            return await asked.respond.raw(b"", 405)
        if asked.headers.get("mcp-protocol-version") != MODERN_VERSION:
            error = {"code": -32022, "message": "No.", "data": {"supported": [MODERN_VERSION], "requested": ""}}
            return await asked.respond.json({"jsonrpc": "2.0", "id": asked.message.get("id"), "error": error}, 400)
        if asked.rpc == "server/discover":
            offered = {"supportedVersions": [MODERN_VERSION], "capabilities": self.capabilities}
            return await asked.respond.json(result(asked, {**offered, "resultType": "complete", **self.said}))
        if asked.rpc == "subscriptions/listen":
            return await self._listened_to(asked)
        if asked.rpc != "tools/call":
            return await asked.respond.json(self.answer_to(asked), 200)
        stage, stream = streamed(asked, self)
        with suppress(Asking):
            await self.act(stage)
        return await stream.end()

    async def ask(self, stage: Stage, request: Json, key: str) -> Any:
        """As `input_required`, until a retry brings the answer."""
        responses = stage.params.get("inputResponses", {})
        if key in responses:
            return responses[key]
        asked = {"resultType": "input_required", "inputRequests": {key: request}}
        state = {} if self.state is None else {"requestState": self.state}
        await stage.say(result(stage.asked, {**asked, **state}))
        raise Asking

    async def _listened_to(self, asked: Asked) -> None:
        await asked.respond.stream()
        params = {"notifications": asked.message["params"]["notifications"]}
        told: Json = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params}
        while True:
            told["params"] = {**told.get("params", {}), "_meta": {}}
            told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = asked.message["id"]
            await asked.respond.event(told)
            told = await self.ears.get()


@dataclass
class HttpSse(Server):
    """HTTP+SSE of 2024-11-05: each stream is a session, and messages are posted to the address it names."""

    setup: ClassVar[Json] = {"transport": "sse"}
    endpoint: str = "/messages?session={}"
    streams: dict[str, "asyncio.Queue[Any]"] = field(default_factory=dict)
    opened: int = 0
    forgetful: bool = False
    """Knows no session when a tool is called in it."""

    def utter(self, message: Json) -> None:
        """On every stream, as servers of this transport do."""
        for stream in self.streams.values():
            stream.put_nowait(message)

    async def __call__(self, asked: Asked) -> None:
        if asked.method == "GET":
            return await self._stream(asked)
        stream = self.streams.get(asked.path.partition("session=")[2])
        if stream is None or (self.forgetful and asked.rpc == "tools/call"):
            return await asked.respond.raw(b"", 404)
        await asked.respond.raw(b"Accepted", 202)
        return stream.put_nowait(asked)

    async def _stream(self, asked: Asked) -> None:
        self.opened += 1
        session, inbox = str(self.opened), asyncio.Queue[Any]()
        self.streams[session] = inbox
        await asked.respond.stream()
        named = f"event: endpoint\ndata: {self.endpoint.format(session)}\n\n".encode()
        await asked.respond.send({"type": "http.response.body", "body": named, "more_body": True})

        async def cut() -> None:
            inbox.put_nowait(None)

        plays: list[asyncio.Task[None]] = []
        try:
            while (message := await inbox.get()) is not None:
                if isinstance(message, dict):
                    await asked.respond.event(message)
                elif "id" in message.message and "method" in message.message:
                    plays.append(
                        asyncio.create_task(self.act(Stage(message, self, Stream(asked, begun=True).say, cut)))
                    )
                else:
                    self.hear(message.message)
            await asked.respond.end()
        finally:
            del self.streams[session]
            for play in plays:
                play.cancel()
            await asyncio.gather(*plays, return_exceptions=True)
