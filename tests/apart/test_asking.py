"""A server asks something in the course of a call, and the answer reaches another process than the call did."""

import asyncio

import pytest

from tests.apart.clients import LegacyClient, ModernClient, words
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


ELSEWHERE = {"mode": "url", "message": "Log in.", "url": "https://auth.example/start"}


async def legacy_with_login(asked: Asked) -> None:
    """A legacy server that has an address opened in mid-call, and waits until the client says that it was."""
    if asked.rpc == "initialize":
        opened = {"protocolVersion": "2025-11-25", "capabilities": {}}
        await asked.respond.json(result(asked, opened), headers={"mcp-session-id": "s-1"})
    elif asked.rpc == "tools/call":
        await asked.respond.stream()
        await asked.respond.event(
            {"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {**ELSEWHERE, "elicitationId": "e"}}
        )
        await asked.respond.event(text(asked, f"Opened: {await OPENED.get()}."))
        await asked.respond.end()
    else:
        if isinstance(asked.message, dict) and asked.message.get("id") == "q":
            OPENED.put_nowait(asked.message["result"]["action"])
        await asked.respond.raw(b"", 405 if asked.method == "GET" else 202)


async def modern_with_login(asked: Asked) -> None:
    """A modern server that does the same in its own way."""
    if asked.rpc == "server/discover":
        offered = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
        await asked.respond.json(result(asked, offered))
    elif asked.rpc == "tools/list":
        await asked.respond.json(result(asked, {"tools": [], "resultType": "complete"}))
    elif "inputResponses" in asked.message["params"]:
        await asked.respond.json(text(asked, f"Opened: {asked.message['params']['inputResponses']['q']['action']}."))
    else:
        wanted = {"q": {"method": "elicitation/create", "params": ELSEWHERE}}
        await asked.respond.json(result(asked, {"resultType": "input_required", "inputRequests": wanted}))


OPENED: "asyncio.Queue[str]" = asyncio.Queue()


async def test_a_modern_client_says_at_another_process_that_it_opened_an_address(stage: Stage):
    async with upstream(legacy_with_login, "legacy") as server:
        await stage.world.serve("legacy-login", server.url)
        client = ModernClient(stage.world, stage.http, "legacy-login")
        here, there = stage.world.doors
        first = await client.call(here, "enter")
        (wanted,) = first["result"]["inputRequests"].values()
        assert wanted == {"method": "elicitation/create", "params": ELSEWHERE}
        state = first["result"]["requestState"]
        last = await client.call(there, "enter", inputResponses={"ask-1": {"action": "accept"}}, requestState=state)
        assert words(last) == "Opened: accept."
        assert len(server.calls("tools/call")) == 1


async def test_a_legacy_client_says_at_another_process_that_it_opened_an_address(stage: Stage):
    async with upstream(modern_with_login, "modern") as server:
        await stage.world.serve("modern-login", server.url)
        client = LegacyClient(stage.world, stage.http, "modern-login")
        here, there = stage.world.doors
        await client.open(here)
        async with client.calling(here, "enter") as messages:
            wanted = await anext(messages)
            # A legacy client may be told by this id that what was opened is done.
            assert wanted["params"] == {**ELSEWHERE, "elicitationId": wanted["params"]["elicitationId"]}
            await client.answer(there, wanted)
            assert words(await anext(messages)) == "Opened: accept."
