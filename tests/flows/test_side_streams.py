"""Servers that ask on the stream of their session instead of the stream of the call: the question is not lost."""

import asyncio

from tests.flows.gateways import MODERN_META, Gateway, call, events, gateway
from tests.flows.upstreams import Asked, Json, result, text, upstream

PATH = "/weather/mcp"
ABLE = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}}}


class Sideways:
    """A legacy server whose tool asks on the standalone stream and reports progress there."""

    def __init__(self, *, streams: bool = True) -> None:
        self.streams = streams
        self.out: asyncio.Queue[Json] = asyncio.Queue()
        self.answers: asyncio.Queue[Json] = asyncio.Queue()

    async def __call__(self, asked: Asked) -> None:
        if asked.method == "GET" and not self.streams:
            return await asked.respond.raw(b"", 405)
        if asked.method == "GET":
            await asked.respond.stream()
            while True:
                await asked.respond.event(await self.out.get())
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})
        if asked.rpc == "tools/call":
            return await self._ask(asked)
        if isinstance(asked.message, dict) and "method" not in asked.message:
            await self.answers.put(asked.message)
        return await asked.respond.raw(b"", 202)

    async def _ask(self, asked: Asked) -> None:
        await asked.respond.stream()
        if not self.streams:
            await asked.respond.event(text(asked, "Nobody to ask."))
            return await asked.respond.end()
        token = asked.message["params"].get("_meta", {}).get("progressToken")
        progress = {"progressToken": token, "progress": 1}
        await self.out.put({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        question = {"message": "Which city?", "requestedSchema": {"type": "object", "properties": {}}}
        await self.out.put({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": question})
        answer = await self.answers.get()
        await asked.respond.event(text(asked, answer["result"]["content"]["city"]))
        return await asked.respond.end()


async def ask(gw: Gateway, params: Json, id: int) -> list[Json]:
    """Call the tool as a modern client that can be asked; every message of the answer."""
    meta = {**ABLE, **params.pop("_meta", {})}
    body = {**call(id=id), "params": {**call()["params"], **params, "_meta": meta}}
    named = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "forecast"}
    answer = await gw.post(PATH, body, **named)
    return events(answer) if "event-stream" in answer.headers["content-type"] else [answer.json()]


async def test_a_question_on_the_stream_of_the_session_reaches_the_client_whose_call_is_under_way(tmp_path):
    async with upstream(Sideways(), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        progress, asked = await ask(gw, {"_meta": {"progressToken": "mine"}}, 1)
        assert progress["params"] == {"progressToken": "mine", "progress": 1}
        (key,) = asked["result"]["inputRequests"]
        answers = {key: {"action": "accept", "content": {"city": "Rome"}}}
        (done,) = await ask(gw, {"inputResponses": answers, "requestState": asked["result"]["requestState"]}, 2)
        assert done["result"]["content"][0]["text"] == "Rome"
        assert len(server.calls("tools/call")) == 1
        # One stream serves all calls of the session.
        await ask(gw, {}, 3)
        assert [asked.method for asked in server.seen].count("GET") == 1


async def test_a_server_without_such_a_stream_is_asked_for_one_once(tmp_path):
    async with upstream(Sideways(streams=False), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for number in range(3):
            (done,) = await ask(gw, {}, number)
            assert done["result"]["content"][0]["text"] == "Nobody to ask."
        assert [asked.method for asked in server.seen].count("GET") == 1


async def test_no_stream_is_opened_for_a_client_that_cannot_be_asked(tmp_path):
    async with upstream(Sideways(streams=False), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert (await gw.modern(PATH, "tools/call", call()["params"])).status_code == 200
        assert [asked.method for asked in server.seen].count("GET") == 0


async def test_a_question_while_no_call_is_under_way_is_declined_and_a_ping_answered(tmp_path):
    sideways = Sideways()
    async with upstream(sideways, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        _, asked = await ask(gw, {"_meta": {"progressToken": 1}}, 1)
        (key,) = asked["result"]["inputRequests"]
        answers = {key: {"action": "accept", "content": {"city": "Rome"}}}
        await ask(gw, {"inputResponses": answers, "requestState": asked["result"]["requestState"]}, 2)
        await sideways.out.put({"jsonrpc": "2.0", "id": 7, "method": "roots/list"})
        await sideways.out.put({"jsonrpc": "2.0", "id": 8, "method": "ping"})
        declined, ponged = await sideways.answers.get(), await sideways.answers.get()
        assert (declined["id"], ponged["id"]) == (7, 8)
        assert declined["error"]["message"] == "The client can be asked in the course of a call only."
        assert ponged["result"] == {}
