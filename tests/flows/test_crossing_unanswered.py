"""What a server asks in mid-call and its client does not answer, or not soon, or not as asked."""

import asyncio

import pytest

from tests.flows.crossing import HttpSse, Modern
from tests.flows.stage import Stage, wondering
from tests.flows.visitors import ACCEPTED, cells, crossed, retry, told_of

modern_clients = cells(having="modern client")
legacy_clients = cells(having="legacy client")
CALL = {"name": "forecast", "arguments": {}}
REFUSED = {"code": -1, "message": "The user said no"}


@cells()
async def test_a_person_may_think_longer_than_the_server_may_take(tmp_path, cell):
    thought = asyncio.Event()

    async def deep(stage: Stage) -> None:
        asyncio.get_running_loop().call_later(0.8, thought.set)
        await stage.answer(str((await stage.ask())["action"]))

    async with crossed(tmp_path, cell, cell.server(deep), timeout_s=0.5) as crossing:
        assert (await crossing.client.call(thought=thought))[-1]["result"]["content"][0]["text"] == "accept"


@legacy_clients
async def test_a_question_that_a_legacy_client_leaves_open_ends_the_call_in_words(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), ask_s=1) as crossing:
        async with crossing.client.open() as messages:
            (_, told) = [message async for message in messages]
        assert "the client did not answer within 1 s." in told["result"]["content"][0]["text"]
        assert crossing.gw.records.lines[-1]["reason"] == "ask_timed_out"
        assert len(crossing.upstream.calls("tools/call")) == 1
        if not isinstance(crossing.server, Modern):
            # A modern server has ended its part of the call by asking.
            await told_of(crossing)


@modern_clients
async def test_a_question_that_a_modern_client_leaves_open_ends_the_call_and_who_comes_late_hears_why(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), timeout_s=0.5, ask_s=1) as crossing:
        asked = await crossing.client.ask("tools/call", CALL)
        if isinstance(crossing.server, HttpSse):
            await asyncio.wait_for(crossing.upstream.gone.wait(), 5)
        else:
            await told_of(crossing)
        late = await crossing.client.ask("tools/call", retry(CALL, asked["result"], ACCEPTED), id=2)
        assert "was not answered in time" in late["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1


@legacy_clients
async def test_a_question_is_forgotten_with_the_call_that_its_client_cancelled(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering)) as crossing:
        async with crossing.client.open(id="mine") as messages:
            question = await anext(messages)
            await crossing.client.cancel("mine")
            assert [message async for message in messages] == []
        reply = await crossing.client.send({"jsonrpc": "2.0", "id": question["id"], "result": ACCEPTED})
        assert reply.status_code == 202
        assert crossing.server.replies == []
        assert len(crossing.upstream.calls("tools/call")) == 1


@legacy_clients
@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list"])
async def test_a_client_that_fails_at_a_question_is_told_to_the_server_or_ends_the_call_in_words(
    tmp_path, cell, method
):
    async def asking(stage: Stage) -> None:
        params = {} if method == "roots/list" else {"params": {"messages": [], "message": "?", "maxTokens": 1}}
        await stage.answer(str(await stage.ask({"method": method, **params})))

    async with crossed(tmp_path, cell, cell.server(asking)) as crossing:
        async with crossing.client.open() as messages:
            question = await anext(messages)
            await crossing.client.send({"jsonrpc": "2.0", "id": question["id"], "error": REFUSED})
            (told,) = [message async for message in messages]
        if cell.server is not Modern:
            expected = str(REFUSED)
        elif method == "elicitation/create":
            expected = str({"action": "cancel"})
        else:
            expected = f"The client refused {method}: The user said no."
        assert told["result"]["content"][0]["text"] == expected
