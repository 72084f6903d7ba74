"""Clients of both eras, bare, so that a test says which process gets which request."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import httpx2

from tests.apart.worlds import World

Json = dict[str, Any]
ASKABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
FORM = {"name": "Ana", "color": "blue", "ok": True, "username": "ana", "email": "ana@example.com"}
MODEL = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "fake"}


def answer_to(request: Json) -> Json:
    """What a person, a model or a client's settings say to what a server asks."""
    match request["method"]:
        case "elicitation/create" if request["params"].get("mode") == "url":
            return {"action": "accept"}
        case "elicitation/create":
            wanted = request["params"]["requestedSchema"]["properties"]
            return {"action": "accept", "content": {name: FORM[name] for name in wanted}}
        case "sampling/createMessage":
            return MODEL
        case _:
            return {"roots": [{"uri": "file:///home"}]}


def words(message: Json) -> str:
    """The text of a tool's result."""
    text: str = message["result"]["content"][0]["text"]
    return text


def messages_of(response: httpx2.Response) -> list[Json]:
    """The messages of an answer that is complete."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    return [response.json()]


@dataclass
class ModernClient:
    """Speaks 2026-07-28. Its name is its own, so that no other test shares a session at the server with it."""

    world: World
    http: httpx2.AsyncClient
    server: str
    name: str = field(default_factory=lambda: f"modern-{uuid4().hex}")

    async def call(self, door: str, tool: str, arguments: Json | None = None, **more: Any) -> Json:
        """The result, or error, of one `tools/call`; `more` goes into its params."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": self.name, "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": ASKABLE,
        }
        params = {"name": tool, "arguments": arguments or {}, **more, "_meta": meta}
        headers = {
            "authorization": f"Bearer {self.world.key}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        response = await self.http.post(f"{door}/test/{self.server}/mcp", json=message, headers=headers)
        return messages_of(response)[-1]

    async def finish(self, tool: str, arguments: Json | None = None) -> tuple[Json, list[str]]:
        """Call and answer until there is a result, each request at the other process than the one before. Gives what
        was asked, too."""
        asked: list[str] = []
        answer = await self.call(self.world.doors[0], tool, arguments)
        for turn in range(1, 9):
            if answer["result"]["resultType"] != "input_required":
                break
            requests = answer["result"]["inputRequests"]
            asked += [request["method"] for request in requests.values()]
            answers = {key: answer_to(request) for key, request in requests.items()}
            retry = {"inputResponses": answers, "requestState": answer["result"]["requestState"]}
            answer = await self.call(self.world.doors[turn % 2], tool, arguments, **retry)
        return answer, asked


@dataclass
class LegacyClient:
    """Speaks 2025-11-25, in a session."""

    world: World
    http: httpx2.AsyncClient
    server: str
    session_id: str = ""
    key: str = ""
    """Another caller's, where it is not the usual one's."""

    def headers(self) -> dict[str, str]:
        sent = {
            "authorization": f"Bearer {self.key or self.world.key}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-11-25",
        }
        return sent | ({"mcp-session-id": self.session_id} if self.session_id else {})

    def url(self, door: str) -> str:
        return f"{door}/test/{self.server}/mcp"

    async def open(self, door: str) -> None:
        client = {"name": f"legacy-{uuid4().hex}", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": ASKABLE, "clientInfo": client}
        response = await self.post(door, {"id": 0, "method": "initialize", "params": params})
        self.session_id = response.headers["mcp-session-id"]
        await self.post(door, {"method": "notifications/initialized"})

    async def post(self, door: str, message: Json) -> httpx2.Response:
        return await self.http.post(self.url(door), json={"jsonrpc": "2.0", **message}, headers=self.headers())

    async def request(self, door: str, method: str, params: Json | None = None) -> list[Json]:
        """What comes back, the result or error last."""
        return messages_of(await self.post(door, {"id": 1, "method": method, "params": params or {}}))

    async def call(self, door: str, tool: str, arguments: Json | None = None) -> list[Json]:
        return await self.request(door, "tools/call", {"name": tool, "arguments": arguments or {}})

    @asynccontextmanager
    async def calling(self, door: str, tool: str, arguments: Json | None = None) -> AsyncGenerator[AsyncIterator[Json]]:
        """A call under the id 1, and its messages as they arrive."""
        params = {"name": tool, "arguments": arguments or {}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with self.http.stream("POST", self.url(door), json=message, headers=self.headers()) as response:
            yield _arriving(response)

    @asynccontextmanager
    async def listening(self, door: str) -> AsyncGenerator[AsyncIterator[Json]]:
        """The session's own stream."""
        headers = {**self.headers(), "accept": "text/event-stream"}
        async with self.http.stream("GET", self.url(door), headers=headers) as response:
            assert response.status_code == 200
            yield _arriving(response)

    async def answer(self, door: str, request: Json) -> None:
        response = await self.post(door, {"id": request["id"], "result": answer_to(request)})
        assert response.status_code == 202

    async def finish(self, tool: str, arguments: Json | None = None) -> tuple[Json, list[str]]:
        """Call one process and answer what is asked at the other one. Gives the result and what was asked."""
        here, there = self.world.doors
        asked: list[str] = []
        async with self.calling(here, tool, arguments) as messages:
            async for message in messages:
                if "method" not in message:
                    return message, asked
                if "id" in message:
                    asked.append(message["method"])
                    await self.answer(there, message)
        raise AssertionError("The stream ended without an answer.")


def _arriving(response: httpx2.Response) -> AsyncIterator[Json]:
    return _in_lines(response.aiter_lines())


async def _in_lines(lines: AsyncIterator[str]) -> AsyncIterator[Json]:
    async for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line[6:])


@dataclass
class SseClient:
    """Speaks HTTP+SSE of 2024-11-05: a stream from one process, everything else posted to another."""

    world: World
    http: httpx2.AsyncClient
    server: str
    address: str = ""
    """Where the stream said that messages go."""

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.world.key}"}

    @asynccontextmanager
    async def connected(self, stream: str, posts: str) -> AsyncGenerator[AsyncIterator[Json]]:
        """The messages of a stream, after `initialize`."""
        url = f"{stream}/test/{self.server}/sse"
        async with self.http.stream("GET", url, headers={**self.headers(), "accept": "text/event-stream"}) as response:
            assert response.status_code == 200
            lines = response.aiter_lines()
            async for line in lines:
                if line.startswith("data: "):
                    self.address = line[6:]
                    break
            client = {"name": f"sse-{uuid4().hex}", "version": "1"}
            params = {"protocolVersion": "2024-11-05", "capabilities": ASKABLE, "clientInfo": client}
            messages = _in_lines(lines)
            await self.post(posts, {"id": 0, "method": "initialize", "params": params})
            assert (await anext(messages))["result"]["protocolVersion"]
            await self.post(posts, {"method": "notifications/initialized"})
            yield messages

    async def post(self, door: str, message: Json) -> None:
        url = urljoin(f"{door}/test/{self.server}/sse", self.address)
        response = await self.http.post(url, json={"jsonrpc": "2.0", **message}, headers=self.headers())
        assert response.status_code == 202, response.text
