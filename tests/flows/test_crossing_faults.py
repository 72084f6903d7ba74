"""Faults where client and server are of different eras: words for the client, one call at the server."""

import asyncio

import pytest

from tests.flows.stage import Stage, sunny
from tests.flows.visitors import ModernVisitor, cells, crossed, told_of

UNKNOWN = "What it did with the call is unknown: check before you repeat it."
everywhere, with_sessions = cells(), cells(lacking="modern server")


async def dying(stage: Stage) -> None:
    await stage.progress(1)
    await stage.cut()


async def endless(stage: Stage) -> None:
    await stage.progress(1)
    await asyncio.Event().wait()


async def garbling(stage: Stage) -> None:
    await stage.say("{this is not")


async def babbling(stage: Stage) -> None:
    await stage.say('{"method": 1}')


FAULTS = {
    "dies in mid-stream": (dying, "ended", True),
    "never ends": (endless, "within 0.7 s.", True),
    "sends what is no JSON": (garbling, "answered with something that is not JSON.", False),
    "sends JSON that is no MCP": (babbling, "answered with JSON that is no MCP message.", False),
}


@everywhere
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_server_that_fails_in_the_course_of_a_call_becomes_a_tool_error_after_one_attempt(
    tmp_path, cell, fault
):
    play, words, unknown = fault
    async with crossed(tmp_path, cell, cell.server(play), timeout_s=0.7) as crossing:
        told = (await crossing.client.call())[-1]["result"]
        assert told["isError"] is True
        assert words in told["content"][0]["text"]
        assert (UNKNOWN in told["content"][0]["text"]) is unknown
        assert len(crossing.upstream.calls("tools/call")) == 1
        assert crossing.gw.records.lines[-1]["outcome"] == "failed"


@everywhere
async def test_what_happens_on_the_way_arrives_while_it_happens(tmp_path, cell):
    seen = asyncio.Event()

    async def slow(stage: Stage) -> None:
        await stage.progress(1)
        await seen.wait()
        await stage.answer()

    params = {"name": "forecast", "arguments": {}, "_meta": {"progressToken": "mine"}}
    async with (
        crossed(tmp_path, cell, cell.server(slow)) as crossing,
        crossing.client.open("tools/call", params) as messages,
    ):
        first = await asyncio.wait_for(anext(messages), 5)
        assert first["params"] == {"progressToken": "mine", "progress": 1}
        seen.set()
        assert [message["id"] async for message in messages] == [1]


@everywhere
async def test_an_answer_too_many_is_nobodys(tmp_path, cell):
    async def twice(stage: Stage) -> None:
        await stage.say({"jsonrpc": "2.0", "id": "somebody else's", "result": {}})
        await stage.answer(stage.params["arguments"]["day"])
        await stage.answer("again")

    async with crossed(tmp_path, cell, cell.server(twice)) as crossing:
        for day in ("Monday", "Tuesday"):
            (only,) = await crossing.client.call({"day": day})
            assert only["result"]["content"][0]["text"] == day
        assert len(crossing.upstream.calls("tools/call")) == 2


@everywhere
@pytest.mark.parametrize("begun", [True, False], ids=["in mid-stream", "before the first byte"])
async def test_a_client_that_leaves_takes_the_work_at_the_server_with_it(tmp_path, cell, begun):
    reached = asyncio.Event()

    async def working(stage: Stage) -> None:
        if begun:
            await stage.notify("progress", {"progressToken": "mine", "progress": 1})
            await stage.progress(1)
        reached.set()
        await asyncio.Event().wait()

    params = {"name": "forecast", "arguments": {}, "_meta": {"progressToken": "mine"}}
    async with crossed(tmp_path, cell, cell.server(working)) as crossing:

        async def visit() -> None:
            async with crossing.client.open("tools/call", params) as messages:
                async for _ in messages:
                    pass

        visiting = asyncio.create_task(visit())
        await asyncio.wait_for(reached.wait(), 5)
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)
        await told_of(crossing)


@with_sessions
async def test_a_session_that_a_server_forgot_is_opened_again_and_the_refused_call_sent_once_more(tmp_path, cell):
    server = cell.server(sunny)
    async with crossed(tmp_path, cell, server) as crossing:
        await crossing.client.call()
        # A stream that is still open, of a session that is not.
        known = server.known if hasattr(server, "known") else server.streams
        known.clear()
        before = server.opened
        heard = await crossing.client.call()
        assert heard[-1]["result"]["content"][0]["text"] == "Sunny."
        assert server.opened == before + 1
        assert len(crossing.upstream.calls("tools/call")) == 3


@with_sessions
async def test_a_server_that_forgets_every_session_at_once_becomes_an_error_in_words(tmp_path, cell):
    server = cell.server(sunny, forgetful=True)
    async with crossed(tmp_path, cell, server) as crossing:
        told = (await crossing.client.call())[-1]
        assert told["result"]["isError"] is True
        assert "Weather no longer knows" in told["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 2


ODD = [
    {"id": [1], "method": "ping"},
    {"id": {"a": 1}, "method": "elicitation/create", "params": {}},
    {"id": None, "method": "ping"},
    {"id": "q", "method": 7},
    {"id": "q", "method": ["ping"]},
    {"id": "q", "method": "elicitation/create", "params": []},
    {"id": "q", "method": "elicitation/create"},
    {"id": "q", "method": "sampling/createMessage", "params": {"messages": 7, "tools": [7]}},
    {"method": "notifications/progress", "params": [1]},
    {"method": "notifications/progress"},
    {"method": "notifications/message", "params": {"level": ["error"]}},
    {"method": "notifications/message", "params": None},
    {"method": ["notifications/message"]},
    {"method": None},
    {"id": [1], "result": {}},
    {"id": 1.5, "error": {}},
    {"result": {}, "error": {}},
    {"error": 7},
    {"error": None},
    {"error": {"code": "x"}},
    {"error": {"code": -32042, "data": {"elicitations": [7, {"url": 7}]}}},
    {"result": None},
    {"result": []},
    {"result": {"content": 7, "structuredContent": []}},
    {"result": {"_meta": 7, "resultType": 7}},
    {"result": {"resultType": "input_required", "inputRequests": {"": {"method": "roots/list", "params": {}}}}},
]


@everywhere
async def test_nothing_that_a_server_says_in_a_call_makes_the_gateway_itself_fail(tmp_path, cell):
    async def odd(stage: Stage) -> None:
        message = ODD[stage.params["arguments"]["n"]]
        own = {} if "method" in message or "id" in message else {"id": stage.asked.message["id"]}
        await stage.say({"jsonrpc": "2.0", **own, **message})
        await stage.answer()

    async with crossed(tmp_path, cell, cell.server(odd), timeout_s=2, ask_s=1) as crossing:
        for n, message in enumerate(ODD):
            call = {"name": "forecast", "arguments": {"n": n}}
            last = await crossing.client.ask("tools/call", call, id=n)
            assert last["id"] == n, message
            assert crossing.gw.records.lines[-1]["reason"] != "internal_error", message


ODD_OPENINGS = [
    {"capabilities": []},
    {"capabilities": None},
    {"capabilities": {"tools": 7, "resources": []}},
    {"serverInfo": 7},
]


@everywhere
async def test_nothing_that_a_server_says_of_itself_makes_the_gateway_itself_fail(tmp_path, cell):
    for number, odd in enumerate(ODD_OPENINGS):
        server = cell.server(sunny, said=odd)
        async with crossed(tmp_path / str(number), cell, server) as crossing:
            await crossing.client.ask("server/discover" if cell.client is ModernVisitor else "ping")
            assert "Sunny." in str(await crossing.client.call()), odd
            async with crossing.client.open(
                "subscriptions/listen", {"notifications": {"toolsListChanged": True}}
            ) as all:
                await anext(all)
            assert {line["reason"] for line in crossing.gw.records.lines} & {"internal_error"} == set(), odd
