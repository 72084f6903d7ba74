"""A server asks something in the course of a call, and the answer reaches another process than the call did."""

import pytest

from tests.apart.clients import ModernClient, words
from tests.apart.conftest import Stage
from tests.flows.upstreams import Asked, result, text, upstream
from tests.processes import Kind

pytestmark = [pytest.mark.tools, pytest.mark.asyncio(loop_scope="session")]

TABLE = [
    ("test_elicitation", ["elicitation/create"], "User response: action=accept"),
    ("test_sampling", ["sampling/createMessage"], "LLM response: Paris"),
    ("test_streaming_elicitation", ["elicitation/create"], "Hello, Ana!"),
    ("test_input_required_result_multi_round", ["elicitation/create"] * 2, "Ana likes blue."),
    (
        "test_input_required_result_multiple_inputs",
        ["elicitation/create", "roots/list", "sampling/createMessage"],
        "All three arrived.",
    ),
]
"""Tool, what it asks in whatever order, and what it says in the end."""
ARGUMENTS = {"message": "Who are you?", "prompt": "What is the capital of France?"}
LONG = "0123456789" * 30_000


@pytest.mark.parametrize("kind", ["legacy", "sse"])
@pytest.mark.parametrize(("tool", "asks", "said"), TABLE, ids=[row[0] for row in TABLE])
async def test_a_modern_client_answers_at_another_process_and_the_tool_runs_once(
    stage: Stage, kind: Kind, tool: str, asks: list[str], said: str
):
    answer, asked = await stage.modern_client(kind).finish(tool, ARGUMENTS)
    assert words(answer).startswith(said)
    assert sorted(asked) == asks
    assert len(stage.taps[kind].calls("tools/call")) == 1


@pytest.mark.parametrize("kind", ["modern", "sse", "legacy"])
@pytest.mark.parametrize(("tool", "asks", "said"), TABLE, ids=[row[0] for row in TABLE])
async def test_a_legacy_client_answers_at_another_process_than_the_one_that_holds_its_stream(
    stage: Stage, kind: Kind, tool: str, asks: list[str], said: str
):
    client = await stage.legacy_client(kind)
    answer, asked = await client.finish(tool, ARGUMENTS)
    assert words(answer).startswith(said)
    assert sorted(asked) == asks


async def test_an_answer_of_several_hundred_kilobytes_crosses_whole(stage: Stage):
    here, there = stage.world.doors
    filled = {"action": "accept", "content": {"username": LONG, "email": "é" * 10_000}}

    modern = stage.modern_client("legacy")
    first = await modern.call(here, "test_elicitation", ARGUMENTS)
    state = first["result"]["requestState"]
    said = await modern.call(there, "test_elicitation", ARGUMENTS, inputResponses={"ask-1": filled}, requestState=state)
    assert LONG in words(said)

    legacy = await stage.legacy_client("modern")
    async with legacy.calling(here, "test_elicitation", ARGUMENTS) as messages:
        request = await anext(messages)
        await legacy.post(there, {"id": request["id"], "result": filled})
        assert LONG in words(await anext(messages))


async def test_an_answer_that_is_given_twice_counts_once(stage: Stage):
    here, there = stage.world.doors
    client = await stage.legacy_client("modern")
    async with client.calling(here, "test_input_required_result_elicitation") as messages:
        request = await anext(messages)
        for door, name in ((there, "Ana"), (here, "Ben"), (there, "Cem")):
            filled = {"action": "accept", "content": {"name": name}}
            assert (await client.post(door, {"id": request["id"], "result": filled})).status_code == 202
        assert words(await anext(messages)) == "Hello, Ana!"


@pytest.mark.parametrize("kind", ["modern", "sse"])
async def test_a_legacy_client_cancels_a_call_at_another_process(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client = await stage.legacy_client(kind)
    async with client.calling(here, "test_elicitation", ARGUMENTS) as messages:
        assert (await anext(messages))["method"] == "elicitation/create"
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await client.post(there, cancelled)).status_code == 202
        assert [message async for message in messages] == []
    if kind == "sse":
        [call] = stage.taps[kind].calls("tools/call")
        told = await stage.taps[kind].saw(lambda one: one.rpc == "notifications/cancelled")
        assert told.message["params"]["requestId"] == call.message["id"]


async def test_what_a_modern_client_leaves_unanswered_is_asked_again_by_another_process(stage: Stage):
    here, there = stage.world.doors
    client, tool = stage.modern_client("legacy"), "test_input_required_result_elicitation"
    first = await client.call(here, tool)
    again = await client.call(there, tool, requestState=first["result"]["requestState"])
    assert again["result"]["inputRequests"] == first["result"]["inputRequests"]
    answers = {"ask-1": {"action": "accept", "content": {"name": "Ana"}}}
    last = await client.call(here, tool, inputResponses=answers, requestState=again["result"]["requestState"])
    assert words(last) == "Hello, Ana!"
    assert len(stage.taps["legacy"].calls("tools/call")) == 1


async def hasty(asked: Asked) -> None:
    """A legacy server that asks, and answers the call before it has heard anything."""
    if asked.rpc == "initialize":
        await asked.respond.json(result(asked, {"protocolVersion": "2025-11-25", "capabilities": {}}))
    elif asked.rpc != "tools/call":
        await asked.respond.raw(b"", 202)
    else:
        question = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object"}}}
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "id": "q", **question})
        await asked.respond.event(text(asked, "I could not wait."))
        await asked.respond.end()


async def test_a_server_that_does_not_wait_for_its_answer_is_not_waited_for_either(stage: Stage):
    async with upstream(hasty, "legacy") as server:
        await stage.world.serve("hasty-server", server.url)
        client = ModernClient(stage.world, stage.http, "hasty-server")
        assert words(await client.call(stage.world.doors[0], "impatient")) == "I could not wait."
