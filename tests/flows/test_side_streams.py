"""Servers that ask on the stream of their session instead of the stream of the call: the question is not lost."""

import asyncio

from gateway_core.proxy.lines import side_streams
from tests.flows.gateways import MODERN_META, Gateway, call, events, gateway
from tests.flows.upstreams import Asked, Json, result, text, upstream

PATH = "/weather/mcp"
ABLE = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}}}


class Sideways:
    """A legacy server whose tool asks on the standalone stream and reports progress there."""

    def __init__(self, *, streams: bool = True, asks: bool = True, single: bool = False, silent: bool = False) -> None:
        self.streams, self.asks, self.single, self.silent = streams, asks, single, silent
        self.unnoticed = 0
        """How often it will still take a stream that was closed for an open one."""
        self.listening = 0
        self.came: asyncio.Queue[Asked] = asyncio.Queue()
        self.go, self.left = asyncio.Event(), asyncio.Event()
        self.out: asyncio.Queue[Json] = asyncio.Queue()
        self.answers: asyncio.Queue[Json] = asyncio.Queue()

    async def __call__(self, asked: Asked) -> None:
        if asked.method == "GET" and not self.streams:
            return await asked.respond.raw(b"", 405)
        if asked.method == "GET" and (self.unnoticed or (self.single and self.listening)):
            self.unnoticed = max(self.unnoticed - 1, 0)
            return await asked.respond.raw(b"", 409)
        if asked.method == "GET":
            return await self._tell(asked)
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})
        if asked.rpc == "tools/call":
            return await self._ask(asked)
        if isinstance(asked.message, dict) and "method" not in asked.message:
            await self.answers.put(asked.message)
        return await asked.respond.raw(b"", 202)

    async def _tell(self, asked: Asked) -> None:
        self.listening += 1
        self.left.clear()
        try:
            if not self.silent:
                await asked.respond.stream()
            while True:
                await asked.respond.event(await self.out.get())
        finally:
            self.listening -= 1
            self.left.set()

    async def _ask(self, asked: Asked) -> None:
        await asked.respond.stream()
        if not self.asks:
            self.came.put_nowait(asked)
            await self.go.wait()
            await asked.respond.event(text(asked, "Nothing to ask."))
            return await asked.respond.end()
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


async def ask(gw: Gateway, params: Json, id: int, key: str | None = None) -> list[Json]:
    """Call the tool as a modern client that can be asked; every message of the answer."""
    meta = {**ABLE, **params.pop("_meta", {})}
    body = {**call(id=id), "params": {**call()["params"], **params, "_meta": meta}}
    named = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "forecast"}
    answer = await gw.post(PATH, body, key, **named)
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


async def test_calls_at_the_same_time_share_one_stream_and_it_ends_with_the_last_of_them(tmp_path):
    sideways = Sideways(asks=False)
    async with upstream(sideways, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        calls = [asyncio.create_task(ask(gw, {}, number)) for number in range(2)]
        async with asyncio.timeout(5):
            await sideways.came.get()
            await sideways.came.get()
        assert sideways.listening == 1
        sideways.go.set()
        await asyncio.gather(*calls)
        assert [asked.method for asked in server.seen].count("GET") == 1
        async with asyncio.timeout(5):
            await sideways.left.wait()


async def test_a_stream_that_another_process_needs_is_free_once_the_call_is_over(tmp_path):
    sideways = Sideways(single=True)
    async with (
        upstream(sideways, "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as one,
        gateway(tmp_path, {"weather": server.url}) as two,
    ):
        for number, gw in enumerate((one, two, one)):
            _, asked = await ask(gw, {"_meta": {"progressToken": 1}}, number, one.key)
            (key,) = asked["result"]["inputRequests"]
            answers = {key: {"action": "accept", "content": {"city": "Rome"}}}
            again = {"inputResponses": answers, "requestState": asked["result"]["requestState"]}
            (done,) = await ask(gw, again, 9, one.key)
            assert done["result"]["content"][0]["text"] == "Rome"
            async with asyncio.timeout(5):
                await sideways.left.wait()


async def test_a_server_that_has_not_noticed_yet_that_the_last_stream_is_closed_still_gets_to_ask(tmp_path):
    sideways = Sideways(asks=False)
    sideways.go.set()
    async with upstream(sideways, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with asyncio.timeout(5):
            await ask(gw, {}, 0)
            sideways.asks, sideways.unnoticed = True, 2
            _, asked = await ask(gw, {"_meta": {"progressToken": 1}}, 1)
        assert asked["result"]["inputRequests"]


async def test_a_call_goes_on_at_once_without_a_stream_that_another_process_has(tmp_path):
    sideways = Sideways(asks=False)
    sideways.unnoticed = 1_000_000
    sideways.go.set()
    async with upstream(sideways, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with asyncio.timeout(5):
            (done,) = await ask(gw, {}, 1)
        assert done["result"]["content"][0]["text"] == "Nothing to ask."
        assert [asked.method for asked in server.seen].count("GET") == 1


async def test_a_stream_that_does_not_open_is_waited_for_once(tmp_path, monkeypatch):
    monkeypatch.setattr(side_streams, "OPEN_S", 0.05)
    sideways = Sideways(asks=False, silent=True)
    sideways.go.set()
    async with upstream(sideways, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await ask(gw, {}, 1)
        monkeypatch.setattr(side_streams, "OPEN_S", 3_600.0)
        async with asyncio.timeout(5):
            await ask(gw, {}, 2)


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
