"""What a fake server does in a call: a play says how it is acted out, the same one for servers of every era."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gateway_core.protocol.versions import LEGACY_VERSIONS
from tests.flows.upstreams import Asked, Json, result, text

VERSION, MODERN_VERSION = "2025-11-25", "2026-07-28"
ELICIT: Json = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "How many?",
        "requestedSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    },
}


class Asking(Exception):
    """A modern server has answered with what it needs; the call goes on in a retry."""


@dataclass
class Stage:
    """One request at a server. What is said goes down the stream that it is answered on."""

    asked: Asked
    server: "Server"
    say: Callable[[Any], Awaitable[None]]
    """Sends one message: JSON, or text that is none."""
    cut: Callable[[], Awaitable[None]]
    """Ends the stream."""

    @property
    def params(self) -> Json:
        params: Json = self.asked.message.get("params", {})
        return params

    async def answer(self, said: str = "Sunny.") -> None:
        await self.say(text(self.asked, said))

    async def refuse(self, code: int, status: int) -> None:
        """A JSON-RPC error with an HTTP status of its own, over Streamable HTTP."""
        error = {"code": code, "message": f"Error {code}."}
        await self.asked.respond.json({"jsonrpc": "2.0", "id": self.asked.message["id"], "error": error}, status)

    async def notify(self, method: str, params: Json | None = None) -> None:
        await self.say({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params or {}})

    async def progress(self, done: int) -> None:
        token = self.params.get("_meta", {}).get("progressToken", "none")
        await self.notify("progress", {"progressToken": token, "progress": done})

    async def ask(self, request: Json | None = None, key: str = "q") -> Any:
        """The client's answer: over a stream in legacy eras, in a retry of the call in the modern one."""
        return await self.server.ask(self, request or ELICIT, key)


Play = Callable[[Stage], Awaitable[None]]


async def sunny(stage: Stage) -> None:
    await stage.answer()


async def wondering(stage: Stage) -> None:
    """Asks one thing and says what it heard."""
    await stage.answer(f"Heard {json.dumps(await stage.ask())}.")


@dataclass
class Server:
    """An upstream as a callable. `answers` holds result or error of every other request, by method."""

    play: Play = sunny
    answers: dict[str, Json] = field(default_factory=dict)
    capabilities: Json = field(default_factory=lambda: {"tools": {}})
    said: Json = field(default_factory=dict)
    """What it says of itself instead of what it should."""
    replies: list[Json] = field(default_factory=list)
    """JSON-RPC responses that clients sent."""
    cancelled: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    """Ids of cancelled requests."""
    ears: "asyncio.Queue[Json]" = field(default_factory=asyncio.Queue)
    """What the stream of whoever listens says next."""
    played: int = 0
    """Tool calls that were carried out."""
    setup: ClassVar[Json] = {"transport": "http"}
    """How it is registered when nothing is to be found out."""
    _waiting: dict[str, "asyncio.Future[Json]"] = field(default_factory=dict)

    async def __call__(self, asked: Asked) -> None:
        raise NotImplementedError

    async def ask(self, stage: Stage, request: Json, key: str) -> Any:
        """As a request of our own, under an id that no other has."""
        ask_id = f"{key}-{len(self._waiting)}"
        heard = self._waiting[ask_id] = asyncio.get_running_loop().create_future()
        await stage.say({"jsonrpc": "2.0", "id": ask_id, **request})
        response = await heard
        return response.get("result", response.get("error"))

    def tell(self, method: str, params: Json | None = None) -> None:
        """Notify whoever listens."""
        self.utter({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params or {}})

    def utter(self, message: Json) -> None:
        """Say something of our own accord."""
        self.ears.put_nowait(message)

    def hear(self, message: Json) -> None:
        """A notification or a response of a client."""
        if message.get("method") == "notifications/cancelled":
            self.cancelled.put_nowait(message["params"]["requestId"])
        elif "method" not in message:
            self.replies.append(message)
            waiting = self._waiting.get(message["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def act(self, stage: Stage) -> None:
        if stage.asked.rpc == "tools/call":
            self.played += 1
            await self.play(stage)
        elif stage.asked.rpc == "initialize":
            await stage.say(self.initialized(stage.asked))
        else:
            await stage.say(self.answer_to(stage.asked))

    def answer_to(self, asked: Asked) -> Json:
        answer = self.answers.get(asked.rpc, {})
        if "error" in answer:
            return {"jsonrpc": "2.0", "id": asked.message["id"], **answer}
        return result(asked, answer)

    def initialized(self, asked: Asked) -> Json:
        info = {"name": "fake", "version": "1"}
        wanted = asked.message["params"]["protocolVersion"]
        version = wanted if wanted in LEGACY_VERSIONS else VERSION
        told = {"protocolVersion": version, "capabilities": self.capabilities, "serverInfo": info}
        return result(asked, {**told, **self.said})


@dataclass
class Stream:
    """The stream that answers one request, begun when there is something to say."""

    asked: Asked
    begun: bool = False
    ended: bool = False

    async def say(self, message: Any) -> None:
        if not self.begun:
            self.begun = True
            await self.asked.respond.stream()
        data = message if isinstance(message, str) else json.dumps(message)
        await self.asked.respond.send(
            {"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True}
        )

    async def end(self) -> None:
        if self.begun and not self.ended:
            self.ended = True
            await self.asked.respond.end()


def streamed(asked: Asked, server: Server) -> tuple[Stage, Stream]:
    stream = Stream(asked)
    return Stage(asked, server, stream.say, stream.end), stream
