"""What a server asks in mid-call where its client is of another era: asked once, answered once, never in vain."""

import asyncio
import json

import pytest

from tests.flows.crossing import Modern
from tests.flows.gateways import gateway
from tests.flows.stage import ELICIT, Stage, wondering
from tests.flows.upstreams import Json, result
from tests.flows.visitors import ACCEPTED, LegacyVisitor, ModernVisitor, cells, crossed, retry, told_of

everywhere = cells()
modern_clients = cells(having="modern client")
legacy_clients = cells(having="legacy client")
CALL = {"name": "forecast", "arguments": {}}


@everywhere
async def test_what_a_server_asks_is_answered_by_the_client_and_the_call_goes_on(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering)) as crossing:
        heard = await crossing.client.call()
        assert heard[-1]["result"]["content"][0]["text"] == f"Heard {json.dumps(ACCEPTED)}."
        assert len(crossing.sent()) == 1


@legacy_clients
async def test_of_two_answers_the_first_counts_and_one_to_no_question_is_taken_in_silence(tmp_path, cell):
    answered = asyncio.Event()

    async def patient(stage: Stage) -> None:
        said = await stage.ask()
        await answered.wait()
        await stage.answer(said["action"])

    async with crossed(tmp_path, cell, cell.server(patient)) as crossing:
        async with crossing.client.open() as messages:
            question = await anext(messages)
            for id, action in [("made-up", "decline"), (question["id"], "accept"), (question["id"], "decline")]:
                reply = await crossing.client.send({"jsonrpc": "2.0", "id": id, "result": {"action": action}})
                assert (reply.status_code, reply.content) == (202, b"")
            answered.set()
            (last,) = [message async for message in messages]
        assert last["result"]["content"][0]["text"] == "accept"
        assert [reply["result"] for reply in crossing.server.replies] in ([], [{"action": "accept"}])
        assert len(crossing.upstream.calls("tools/call")) <= 2


@legacy_clients
async def test_a_question_is_answered_by_nobody_but_who_was_asked(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering)) as crossing:
        stranger = LegacyVisitor(crossing.gw, key=(await crossing.gw.new_key(subject="someone-else"))[0])
        await stranger.start()
        async with crossing.client.open() as messages:
            question = await anext(messages)
            await stranger.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
            await crossing.client.send({"jsonrpc": "2.0", "id": question["id"], "result": ACCEPTED})
            (last,) = [message async for message in messages]
        assert "accept" in last["result"]["content"][0]["text"]


@everywhere
async def test_a_client_that_cannot_be_asked_is_not_and_hears_what_it_lacks(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), capabilities={}) as crossing:
        async with crossing.client.open() as messages:
            (told,) = [message async for message in messages]
        if cell.client is ModernVisitor:
            assert told["error"]["code"] == -32021
            assert told["error"]["data"] == {"requiredCapabilities": {"elicitation": {}}}
        else:
            assert told["result"]["isError"] is True
            assert "it lacks the capability elicitation." in told["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1
        if not isinstance(crossing.server, Modern):
            await told_of(crossing)


@everywhere
async def test_where_nobody_is_waited_for_nobody_is_asked_and_servers_are_told_so(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), ask_s=0) as crossing:
        async with crossing.client.open() as messages:
            (told,) = [message async for message in messages]
        assert told["result"]["isError"] is True
        assert "mid-call" in told["result"]["content"][0]["text"]
        declared = [asked.message["params"]["capabilities"] for asked in crossing.upstream.calls("initialize")]
        declared += [
            asked.message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
            for asked in crossing.upstream.calls("tools/call")
            if "_meta" in asked.message["params"]
        ]
        assert declared == [{}] * len(declared) != []
        assert len(crossing.upstream.calls("tools/call")) == 1


@cells(having="modern client")
async def test_a_server_that_needs_nobodys_answer_gets_the_gateways(tmp_path, cell):
    async def checking(stage: Stage) -> None:
        alive = await stage.ask({"method": "ping"}, "p")
        unknown = await stage.ask({"method": "moon/phase"}, "u")
        await stage.answer(f"{alive} {unknown['code']}")

    async with crossed(tmp_path, cell, cell.server(checking)) as crossing:
        assert (await crossing.client.call())[-1]["result"]["content"][0]["text"] == "{} -32601"


@cells(having="modern server")
async def test_a_server_that_has_no_end_of_questions_is_stopped_after_32_rounds(tmp_path, cell):
    async def endless(stage: Stage) -> None:
        asked = {"resultType": "input_required", "inputRequests": {"q": ELICIT}, "requestState": "x"}
        await stage.say(result(stage.asked, asked))

    async with crossed(tmp_path, cell, cell.server(endless)) as crossing:
        told = (await crossing.client.call())[-1]
        assert "asked more than 32 times during one call." in told["result"]["content"][0]["text"]
        calls = crossing.upstream.calls("tools/call")
        assert len(calls) == 32
        assert len({asked.message["id"] for asked in calls}) == 32


MALFORMED: dict[str, tuple[Json, str]] = {
    "nothing": ({}, "says neither what it needs nor how to go on"),
    "state": ({"requestState": 3}, "gives a requestState that is no text"),
    "requests": ({"inputRequests": ["q"]}, "gives inputRequests that are no object"),
    "request": ({"inputRequests": {"q": "what?"}}, "asks for something that is no request"),
    "method": (
        {"inputRequests": {"q": {"method": "moon/phase", "params": {}}}},
        "asks for something that MCP does not",
    ),
    "params": ({"inputRequests": {"q": {"method": "elicitation/create"}}}, "asks for something without saying what"),
    "many": ({"inputRequests": {str(n): ELICIT for n in range(17)}}, "asks for more than 16 things at once"),
}


@cells(having="modern server")
async def test_a_server_that_asks_in_a_way_that_is_no_mcp_becomes_a_tool_error_and_nobody_is_asked(tmp_path, cell):
    async def malformed(stage: Stage) -> None:
        asked, _ = MALFORMED[stage.params["arguments"]["lacks"]]
        await stage.say(result(stage.asked, {"resultType": "input_required", **asked}))

    async with crossed(tmp_path, cell, cell.server(malformed)) as crossing:
        for name, (_, words) in MALFORMED.items():
            (told,) = await crossing.client.call({"lacks": name})
            assert told["result"]["isError"] is True
            assert words in told["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == len(MALFORMED)


@cells(having="modern server")
async def test_a_server_that_only_needs_time_is_called_again_with_its_state_and_nobody_is_asked(tmp_path, cell):
    async def busy(stage: Stage) -> None:
        if stage.params.get("requestState") == "turn 2":
            await stage.answer()
        else:
            turn = "turn 2" if "requestState" in stage.params else "turn 1"
            await stage.say(result(stage.asked, {"resultType": "input_required", "requestState": turn}))

    async with crossed(tmp_path, cell, cell.server(busy)) as crossing:
        (told,) = await crossing.client.call()
        assert told["result"]["content"][0]["text"] == "Sunny."
        assert all("inputResponses" not in call.message["params"] for call in crossing.upstream.calls("tools/call"))


@legacy_clients
@pytest.mark.parametrize("begun", [True, False], ids=["in mid-stream", "before the first byte"])
async def test_a_legacy_client_cancels_by_a_notification_and_its_stream_ends(tmp_path, cell, begun):
    reached = asyncio.Event()

    async def working(stage: Stage) -> None:
        if begun:
            await stage.notify("message", {"level": "error", "data": "Busy."})
        reached.set()
        await asyncio.Event().wait()

    async with crossed(tmp_path, cell, cell.server(working)) as crossing:

        async def visit():
            async with crossing.client.open(id="mine") as messages:
                return [message async for message in messages]

        visiting = asyncio.create_task(visit())
        await asyncio.wait_for(reached.wait(), 5)
        for id in ("another", "mine"):
            assert (await crossing.client.cancel(id)).status_code == 202
        heard = await asyncio.wait_for(visiting, 5)
        assert [message["method"] for message in heard] == ["notifications/message"] * begun
        await told_of(crossing)
        assert len(crossing.upstream.calls("tools/call")) == 1


@modern_clients
async def test_what_is_asked_at_the_same_time_is_told_together_and_answered_one_by_one(tmp_path, cell):
    async def curious(stage: Stage) -> None:
        first, second = await asyncio.gather(stage.ask(key="a"), stage.ask(key="b"))
        await stage.answer(f"{first['action']} {second['action']}")

    async with crossed(tmp_path, cell, cell.server(curious)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        assert set(asked["inputRequests"]) == {"ask-1", "ask-2"}
        partly = retry(CALL, {**asked, "inputRequests": {"ask-1": {}}}, {"action": "accept"})
        missing = (await crossing.client.ask("tools/call", partly, id=2))["result"]
        assert set(missing["inputRequests"]) == {"ask-2"}
        rest = retry(CALL, missing, {"action": "decline"})
        last = await crossing.client.ask("tools/call", rest, id=3)
        assert last["result"]["content"][0]["text"] == "accept decline"
        assert len(crossing.server.replies) == 2


@legacy_clients
async def test_answers_and_cancellations_reach_the_call_whichever_process_gets_them(tmp_path, cell):
    async def curious(stage: Stage) -> None:
        await stage.ask(key="a")
        await stage.ask(key="b")

    async with crossed(tmp_path, cell, cell.server(curious)) as crossing:
        setup = {"url": crossing.upstream.url, "name": "Weather", **crossing.server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            elsewhere = LegacyVisitor(second)
            elsewhere.token = crossing.client.token
            async with crossing.client.open(id="mine") as messages:
                question = await anext(messages)
                await elsewhere.send({"jsonrpc": "2.0", "id": question["id"], "result": ACCEPTED})
                assert (await asyncio.wait_for(anext(messages), 5))["method"] == "elicitation/create"
                await elsewhere.cancel("mine")
                assert await asyncio.wait_for(anext(messages, "ended"), 5) == "ended"
        assert len(crossing.sent()) == 1
