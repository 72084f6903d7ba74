"""Clients that still speak HTTP+SSE: a stream down, messages up, and every server behind the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.flows.gateways import INITIALIZE, Gateway, call, gateway
from tests.flows.upstreams import Asked, Json, result, text, upstream, weather

PATH = "/research/weather/sse"
ABLE = {**INITIALIZE, "params": {**INITIALIZE["params"], "capabilities": {"elicitation": {}}}}
QUESTION = {"method": "elicitation/create", "params": {"message": "Which city?", "requestedSchema": {}}}


class Visit:
    """One client: its open stream, and where it posts."""

    def __init__(self, gw: Gateway, lines: AsyncIterator[str], key: str | None) -> None:
        self.gw, self.lines, self.key, self.address = gw, lines, key, ""

    async def event(self) -> tuple[str, str]:
        name = data = ""
        async with asyncio.timeout(10):
            async for line in self.lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and name:
                    return name, data
        raise AssertionError("the stream has ended")

    async def message(self) -> Json:
        name, data = await self.event()
        assert name == "message"
        found: Json = json.loads(data)
        return found

    async def post(self, body: Any) -> int:
        answer = await self.gw.post(self.address, body, self.key, accept="")
        return answer.status_code


@asynccontextmanager
async def visit(gw: Gateway, key: str | None = None, path: str = PATH) -> AsyncIterator[Visit]:
    headers = gw.headers(key, accept="text/event-stream")
    async with gw.http.stream("GET", gw.url + path, headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream"
        made = Visit(gw, response.aiter_lines(), key)
        name, made.address = await made.event()
        assert (name, made.address.partition("?")[0]) == ("endpoint", path)
        yield made


async def stateful(asked: Asked) -> None:
    """A legacy server with a session, a stream of it, and a tool that asks."""
    if asked.method == "GET":
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await asyncio.Event().wait()
    if asked.rpc == "initialize":
        value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}}}
        return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})
    if asked.rpc == "tools/call":
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "id": "q-1", **QUESTION})
        await asked.respond.event(text(asked, "Asked."))
        return await asked.respond.end()
    return await asked.respond.raw(b"", 202)


async def modern(asked: Asked) -> None:
    """A modern server whose tool asks."""
    if asked.rpc == "server/discover":
        told = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
        return await asked.respond.json(result(asked, told))
    if asked.rpc == "tools/list":
        return await asked.respond.json(result(asked, {"tools": []}))
    if asked.rpc != "tools/call":
        return await asked.respond.raw(b"", 202)
    answers = asked.message["params"].get("inputResponses")
    if answers is None:
        return await asked.respond.json(
            result(asked, {"resultType": "input_required", "inputRequests": {"c": QUESTION}})
        )
    return await asked.respond.json(text(asked, answers["c"]["content"]["city"]))


class Slow:
    """A modern server whose tool never ends by itself; tells when it begins and when it is ended."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self, asked: Asked) -> None:
        if asked.rpc != "tools/call":
            return await modern(asked)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_a_client_is_told_where_to_post_and_hears_every_answer_on_its_stream(tmp_path):
    async with upstream(stateful, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client:
            assert await client.post(ABLE) == 202
            opened = await client.message()
            assert (opened["id"], opened["result"]["protocolVersion"]) == (0, "2025-11-25")
            # What the server says on its own account comes down the same stream.
            assert (await client.message())["method"] == "notifications/tools/list_changed"
            assert await client.post(call()) == 202
            asked, answered = await client.message(), await client.message()
            assert (asked["id"], asked["method"]) == ("q-1", "elicitation/create")
            assert answered["result"]["content"][0]["text"] == "Asked."
            assert await client.post({"jsonrpc": "2.0", "id": "q-1", "result": {"action": "decline"}}) == 202
        sessions = {asked.headers.get("mcp-session-id") for asked in server.calls("tools/call")}
        assert sessions == {"s-1"}
        lines = [line for line in gw.records.lines if line["method"] == "tools/call"]
        assert [(line["outcome"], line["era_in"]) for line in lines] == [("ok", "legacy")]


async def test_such_a_client_answers_the_questions_of_a_modern_server(tmp_path):
    async with upstream(modern, "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client:
            await client.post(ABLE)
            await client.message()
            await client.post(call())
            asked = await client.message()
            assert asked["method"] == "elicitation/create"
            answer = {"action": "accept", "content": {"city": "Rome"}}
            assert await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": answer}) == 202
            assert (await client.message())["result"]["content"][0]["text"] == "Rome"
        assert len(server.calls("tools/call")) == 2


async def test_the_session_ends_with_the_stream(tmp_path):
    ended = asyncio.Event()

    async def counting(asked: Asked) -> None:
        if asked.method == "DELETE":
            ended.set()
        await stateful(asked)

    async with upstream(counting, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client:
            await client.post(ABLE)
            await client.message()
        await asyncio.wait_for(ended.wait(), 10)
        assert await client.post(call()) == 404
        assert server.calls("tools/call") == []


async def test_a_stream_belongs_to_who_opened_it(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        foreign, _ = await gw.new_key(subject="someone-else")
        async with visit(gw) as client:
            client.key = foreign
            assert await client.post(call()) == 404
            for query in ("?sessionId=made-up", "?sessionId=", ""):
                answer = await gw.post(PATH + query, call())
                assert answer.status_code in (404, 405)
        assert server.seen == []


async def test_what_policy_says_reaches_the_client_as_the_answer_to_its_call(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw:
        limited, _ = await gw.new_key(servers=["linear"])
        async with visit(gw, limited) as client:
            await client.post(ABLE)
            refused = await client.message()
            assert refused["error"]["code"] == -31003
            assert "limited to other servers" in refused["error"]["message"]


async def test_a_message_that_cannot_be_read_is_refused_at_once(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw, visit(gw) as client:
        assert await client.post(b"{") == 400
        assert await client.post(b"x" * 2_000_000) == 413


async def test_where_no_streams_are_held_the_client_is_told_what_to_do(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}, listen_s=0) as gw:
        for response in (await gw.http.get(gw.url + PATH, headers=gw.headers()), await gw.post(PATH, INITIALIZE)):
            assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS")
            assert "Use the same URL with /mcp at its end" in response.json()["error"]["message"]
        asked = await gw.http.options(gw.url + PATH)
        assert asked.status_code == 204


async def test_without_a_credential_there_is_no_stream(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.http.get(gw.url + PATH, headers={"accept": "text/event-stream"})
        assert response.status_code == 401
        assert (await gw.post(PATH + "?sessionId=x", call(), "ghk_ws-none_k-none_none")).status_code == 401
