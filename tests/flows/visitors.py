"""Clients of both eras for flows: each calls tools, answers what it is asked, and gives back every message it got."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import MODERN_META, Gateway, gateway
from tests.flows.stage import VERSION, Server
from tests.flows.upstreams import Json, Upstream, unaided

PATH = "/weather/mcp"
ASKABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
ACCEPTED: Json = {"action": "accept", "content": {"n": 3}}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


@dataclass
class Visitor:
    """A client at `PATH` of a gateway."""

    gw: Gateway
    capabilities: Json = field(default_factory=lambda: dict(ASKABLE))
    key: str | None = None
    path: str = PATH

    def request(self, method: str, params: Json, *, id: Any) -> tuple[Json, dict[str, str]]:
        raise NotImplementedError

    @asynccontextmanager
    async def open(
        self, method: str = "tools/call", params: Json | None = None, *, id: Any = 1, **headers: str
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """The messages that answer a request, as they arrive."""
        made = {"name": "forecast", "arguments": {}} if method == "tools/call" and params is None else params or {}
        body, fields = self.request(method, made, id=id)
        sent = self.gw.headers(self.key, **fields, **headers)
        stream = self.gw.http.stream("POST", self.gw.url + self.path, content=json.dumps(body), headers=sent)
        async with stream as response:
            yield messages_of(response)

    async def ask(self, method: str, params: Json | None = None, *, id: Any = 1, **headers: str) -> Json:
        """The answer to a request that is asked nothing in between."""
        async with self.open(method, params, id=id, **headers) as messages:
            return [message async for message in messages][-1]

    async def call(
        self, arguments: Json | None = None, *, id: Any = 1, thought: asyncio.Event | None = None
    ) -> list[Json]:
        """Every message of a tool call whose asks are accepted, once `thought` is set; the result last."""
        raise NotImplementedError


class ModernVisitor(Visitor):
    """2026-07-28."""

    def request(self, method: str, params: Json, *, id: Any) -> tuple[Json, dict[str, str]]:
        meta = {**MODERN_META, CAPABILITIES: self.capabilities, **params.get("_meta", {})}
        body = {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": meta}}
        name = params.get("name") or params.get("uri") or ""
        return body, {"mcp_protocol_version": "2026-07-28", "mcp_method": method, "mcp_name": name}

    async def call(
        self, arguments: Json | None = None, *, id: Any = 1, thought: asyncio.Event | None = None
    ) -> list[Json]:
        params: Json = {"name": "forecast", "arguments": arguments or {}}
        heard: list[Json] = []
        while True:
            async with self.open("tools/call", params, id=id) as messages:
                heard += [message async for message in messages]
            asked = heard[-1].get("result", {})
            if asked.get("resultType") != "input_required":
                return heard
            await _until(thought)
            params = retry(params, asked, ACCEPTED)
            id = f"{id}'"


class LegacyVisitor(Visitor):
    """2025-11-25, in a session once `start` has opened one."""

    token: str = ""

    async def start(self, version: str = VERSION) -> Json:
        """Open a session; the answer to initialize."""
        params = {
            "protocolVersion": version,
            "capabilities": self.capabilities,
            "clientInfo": {"name": "flow", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        opened = await self.gw.post(self.path, body, self.key)
        self.token = opened.headers.get("mcp-session-id", "")
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answer: Json = opened.json()
        return answer

    def request(self, method: str, params: Json, *, id: Any) -> tuple[Json, dict[str, str]]:
        body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        return body, {"mcp_session_id": self.token, "mcp_protocol_version": VERSION}

    async def send(self, message: Json) -> httpx2.Response:
        """A notification or a response."""
        return await self.gw.post(self.path, message, self.key, mcp_session_id=self.token, mcp_protocol_version=VERSION)

    async def cancel(self, id: Any) -> httpx2.Response:
        params = {"requestId": id}
        return await self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    async def call(
        self, arguments: Json | None = None, *, id: Any = 1, thought: asyncio.Event | None = None
    ) -> list[Json]:
        heard: list[Json] = []
        async with self.open("tools/call", {"name": "forecast", "arguments": arguments or {}}, id=id) as messages:
            async for message in messages:
                heard.append(message)
                if "id" in message and "method" in message:
                    await _until(thought)
                    await self.send({"jsonrpc": "2.0", "id": message["id"], "result": ACCEPTED})
        return heard


async def _until(thought: asyncio.Event | None) -> None:
    if thought is not None:
        await asyncio.wait_for(thought.wait(), 5)


def retry(params: Json, asked: Json, answer: Json) -> Json:
    """The parameters of a call once more, with `answer` to everything that was asked."""
    responses = dict.fromkeys(asked.get("inputRequests", {}), answer)
    state = {"requestState": asked["requestState"]} if "requestState" in asked else {}
    return {**params, "inputResponses": responses, **state}


async def messages_of(response: httpx2.Response) -> AsyncIterator[Json]:
    """Whichever form they come in."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        body = await response.aread()
        if body:
            yield json.loads(body)
        return
    async for line in response.aiter_lines():
        if line.startswith("data: ") and line[6:]:
            yield json.loads(line[6:])


@dataclass
class Crossing:
    """A client of one era at a server of another."""

    gw: Gateway
    upstream: Upstream
    server: Any
    client: Any

    def sent(self) -> list[Any]:
        """Tool calls as the server saw them, without the retries that bring answers."""
        calls = self.upstream.calls("tools/call")
        return [asked for asked in calls if "requestState" not in asked.message["params"]]


@dataclass(frozen=True)
class Cell:
    """An era of clients and one of servers."""

    client: type[Visitor]
    server: type[Server]


CELLS: Mapping[str, Cell] = {
    "modern client, legacy server": Cell(ModernVisitor, Legacy),
    "modern client, HTTP+SSE server": Cell(ModernVisitor, HttpSse),
    "legacy client, modern server": Cell(LegacyVisitor, Modern),
    "legacy client, HTTP+SSE server": Cell(LegacyVisitor, HttpSse),
}


def cells(*, having: str = "", lacking: str = "nothing") -> pytest.MarkDecorator:
    """The test in each cell whose name has the one in it, and not the other."""
    chosen = {name: cell for name, cell in CELLS.items() if having in name and lacking not in name}
    return pytest.mark.parametrize("cell", chosen.values(), ids=chosen.keys())


async def told_of(crossing: Crossing) -> None:
    """The server knows that nobody waits for its call any more: by the end of its stream, or by its own id."""
    if isinstance(crossing.server, Modern):
        await asyncio.wait_for(crossing.upstream.gone.wait(), 5)
        return
    (called,) = crossing.upstream.calls("tools/call")
    assert await asyncio.wait_for(crossing.server.cancelled.get(), 5) == called.message["id"]


@asynccontextmanager
async def crossed(
    folder: Path,
    cell: Cell,
    server: Server,
    *,
    timeout_s: float = 10,
    capabilities: Json | None = None,
    **settings: Any,
) -> AsyncIterator[Crossing]:
    """The client of `cell` at `server`, over a gateway that was told what the server speaks."""
    async with unaided(server) as running:
        setup = {"url": running.url, "name": "Weather", "timeout_s": timeout_s, **server.setup}
        async with gateway(folder, {"weather": setup}, **settings) as gw:
            client = cell.client(gw) if capabilities is None else cell.client(gw, capabilities)
            if isinstance(client, LegacyVisitor):
                await client.start()
            yield Crossing(gw, running, server, client)
