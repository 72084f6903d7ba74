"""`requestState` of calls that wait at a legacy server: good for the retry it was given for, and for nothing else."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from tests.flows.gateways import gateway
from tests.flows.stage import Stage, wondering
from tests.flows.upstreams import Json
from tests.flows.visitors import ACCEPTED, ModernVisitor, cells, crossed, retry, told_of

everywhere = cells(having="modern client")
CALL = {"name": "forecast", "arguments": {"city": "Ulm"}}
REFUSED = "requestState is not one that this gateway gave for this request. Send the request again without it"


@asynccontextmanager
async def waiting(folder, cell, play=wondering, **settings):
    """A call that waits for an answer, and what its client was asked."""
    async with crossed(folder, cell, cell.server(play), **settings) as crossing:
        asked = await crossing.client.ask("tools/call", CALL)
        assert asked["result"]["resultType"] == "input_required"
        yield crossing, asked["result"]


async def refused(client, params, *, method="tools/call"):
    """The words of a refusal, which has the code and status of invalid parameters."""
    body, fields = client.request(method, params, id=9)
    response = await client.gw.post(client.path, body, client.key, **fields)
    assert (response.status_code, response.json()["error"]["code"], response.json()["id"]) == (400, -32602, 9)
    return response.json()["error"]["message"]


@everywhere
async def test_a_state_that_was_altered_is_refused_in_words_and_the_right_one_still_works(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        state = asked["requestState"]
        for altered in (state[:-4], state[:-8] + "AAAAAAA=", "", "made up", "ä", state + "====", "x" * 20_000, 7, None):
            answered = {**retry(CALL, asked, ACCEPTED), "requestState": altered}
            assert REFUSED in await refused(crossing.client, answered)
        assert crossing.server.replies == []
        last = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "accept" in last["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1


@everywhere
async def test_a_state_says_nothing_of_what_stands_in_it(tmp_path, cell):
    async with waiting(tmp_path, cell) as (_, asked):
        assert all(word not in asked["requestState"] for word in ("session", "elicit", "gatehouse"))


FOREIGN: dict[str, Json] = {
    "other arguments": {"arguments": {"city": "Ulm", "days": 2}},
    "other types": {"arguments": {"city": None}},
    "another tool": {"name": "rain"},
    "something more": {"more": True},
}


@everywhere
async def test_a_state_is_good_for_the_call_alone_that_it_was_given_for(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        answered = retry(CALL, asked, ACCEPTED)
        for other in FOREIGN.values():
            assert REFUSED in await refused(crossing.client, {**answered, **other})
        assert REFUSED in await refused(crossing.client, answered, method="prompts/get")
        assert crossing.server.replies == []


@everywhere
async def test_a_state_is_good_for_whom_and_where_it_was_given_alone(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        gw, answered = crossing.gw, retry(CALL, asked, ACCEPTED)
        stranger = ModernVisitor(gw, key=(await gw.new_key(subject="someone-else"))[0])
        assert REFUSED in await refused(stranger, answered)
        same = {"url": crossing.upstream.url, **crossing.server.setup, "workspaces": ["research"]}
        await gw.apply({"servers": [{"slug": "linear", **same}]})
        assert REFUSED in await refused(ModernVisitor(gw, path="/linear/mcp"), answered)
        assert crossing.server.replies == []
        # The same owner with another key is the same owner.
        owner = ModernVisitor(gw, key=(await gw.new_key())[0])
        assert "accept" in str(await owner.ask("tools/call", answered))


@everywhere
async def test_a_state_is_good_as_long_as_somebody_may_answer(tmp_path, cell):
    async with waiting(tmp_path, cell, ask_s=60) as (crossing, asked):
        answered = retry(CALL, asked, ACCEPTED)
        crossing.gw.clock[0] += 61
        told = await refused(crossing.client, answered)
        assert "requestState is too old: what it is about had to be answered earlier." in told
        assert "unknown: check before you repeat it. Send the request again" in told
        assert crossing.server.replies == []
        crossing.gw.clock[0] -= 1
        assert "accept" in str(await crossing.client.ask("tools/call", answered))


@everywhere
async def test_a_retry_that_is_sent_twice_gets_the_same_result_and_the_server_one_answer(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        once = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        declined = retry(CALL, asked, {"action": "decline"})
        again = await crossing.client.ask("tools/call", declined, id=3)
        assert once["result"] == again["result"]
        assert (once["id"], again["id"]) == (2, 3)
        assert [reply["result"] for reply in crossing.server.replies] == [ACCEPTED]
        assert len(crossing.upstream.calls("tools/call")) == 1


@everywhere
async def test_two_retries_at_the_same_time_get_the_same_result_and_the_server_one_answer(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        answered = retry(CALL, asked, ACCEPTED)
        both = await asyncio.gather(*(crossing.client.ask("tools/call", answered, id=id) for id in (2, 3)))
        assert both[0]["result"] == both[1]["result"]
        assert "accept" in both[0]["result"]["content"][0]["text"]
        assert len(crossing.server.replies) == 1


MISSING: dict[str, Json] = {"none": {}, "null": {"inputResponses": None},
           "unknown": {"inputResponses": {"other": ACCEPTED}},
           "no object": {"inputResponses": {"ask-1": "yes"}}, "a list": {"inputResponses": [1]}}  # fmt: skip


@everywhere
async def test_answers_that_are_missing_are_asked_for_again_and_unknown_ones_ignored(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        for id, given in enumerate(MISSING.values()):
            params = {**CALL, "requestState": asked["requestState"], **given}
            again = (await crossing.client.ask("tools/call", params, id=id))["result"]
            assert again["inputRequests"] == asked["inputRequests"]
        assert crossing.server.replies == []
        more = {**retry(CALL, again, ACCEPTED)["inputResponses"], "other": ACCEPTED}
        params = {**CALL, "requestState": again["requestState"], "inputResponses": more}
        assert "accept" in str(await crossing.client.ask("tools/call", params, id=9))
        assert len(crossing.server.replies) == 1


@everywhere
async def test_a_call_that_asks_again_and_again_is_one_call_at_the_server(tmp_path, cell):
    async def curious(stage: Stage) -> None:
        heard = [(await stage.ask(key=str(turn)))["content"]["n"] for turn in range(3)]
        await stage.answer(str(heard))

    async with crossed(tmp_path, cell, cell.server(curious)) as crossing:
        heard = await crossing.client.call()
        assert len(heard) == 4
        assert heard[-1]["result"]["content"][0]["text"] == "[3, 3, 3]"
        assert len(crossing.upstream.calls("tools/call")) == 1


@cells(having="modern client, legacy")
async def test_an_answer_reaches_the_call_whichever_process_gets_it(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        setup = {"url": crossing.upstream.url, "name": "Weather", "timeout_s": 10, **cell.server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            elsewhere = ModernVisitor(second)
            last = await elsewhere.ask("tools/call", retry(CALL, asked, ACCEPTED))
        assert "accept" in last["result"]["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1


ELSEWHERE = {"message": "Log in.", "url": "https://auth.example/start", "elicitationId": "e-1"}


async def locked(stage: Stage) -> None:
    """Wants something done elsewhere the first time (2025-11-25 elicitation, URL Mode With Elicitation Required)."""
    if stage.server.played > 1:
        await stage.answer("Welcome.")
    else:
        error = {"code": -32042, "message": "Log in first.", "data": {"elicitations": [{"mode": "url", **ELSEWHERE}]}}
        await stage.say({"jsonrpc": "2.0", "id": stage.asked.message["id"], "error": error})


@everywhere
async def test_a_call_that_waits_for_something_done_elsewhere_is_sent_anew_when_it_is_done(tmp_path, cell):
    async with waiting(tmp_path, cell, locked) as (crossing, asked):
        (wanted,) = asked["inputRequests"].values()
        assert wanted["method"] == "elicitation/create"
        assert wanted["params"]["mode"] == "url"
        assert wanted["params"]["url"] == ELSEWHERE["url"]
        assert REFUSED in await refused(crossing.client, {**retry(CALL, asked, ACCEPTED), "name": "rain"})
        last = await crossing.client.ask("tools/call", retry(CALL, asked, {"action": "accept"}), id=2)
        assert last["result"]["content"][0]["text"] == "Welcome."
        assert len(crossing.upstream.calls("tools/call")) == 2


@everywhere
@pytest.mark.parametrize("action", ["decline", "cancel", None])
async def test_a_call_whose_client_does_not_do_what_is_wanted_elsewhere_ends_in_words_and_is_not_sent(
    tmp_path, cell, action
):
    async with waiting(tmp_path, cell, locked) as (crossing, asked):
        answered = retry(CALL, asked, {"action": action}) if action else {**CALL, "requestState": asked["requestState"]}
        told = (await crossing.client.ask("tools/call", answered, id=2))["result"]
        assert told["isError"] is True
        assert "Weather needs something to be done at the address it gave first" in told["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1


@everywhere
async def test_a_client_that_leaves_while_its_answered_call_goes_on_takes_the_work_with_it(tmp_path, cell):
    async def working(stage: Stage) -> None:
        await stage.ask()
        await stage.notify("message", {"level": "error", "data": "Busy."})
        await asyncio.Event().wait()

    async with waiting(tmp_path, cell, working) as (crossing, asked):
        params = {**retry(CALL, asked, ACCEPTED), "_meta": {"io.modelcontextprotocol/logLevel": "error"}}
        async with crossing.client.open("tools/call", params, id=2) as messages:
            await anext(messages)
        await told_of(crossing)


@everywhere
async def test_a_server_that_dies_while_somebody_thinks_is_told_to_who_answers(tmp_path, cell):
    died = asyncio.Event()

    async def dying(stage: Stage) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await stage.ask()
        await stage.cut()
        died.set()

    async with waiting(tmp_path, cell, dying) as (crossing, asked):
        await asyncio.wait_for(died.wait(), 5)
        told = (await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2))["result"]
        assert told["isError"] is True
        assert "ended" in told["content"][0]["text"]
        assert len(crossing.upstream.calls("tools/call")) == 1


@cells(having="modern client, legacy")
async def test_a_gateway_that_stops_while_somebody_thinks_says_so_to_who_answers(tmp_path, cell):
    async with waiting(tmp_path, cell) as (crossing, asked):
        await crossing.gw.mcp.stop()
        setup = {"url": crossing.upstream.url, "name": "Weather", "timeout_s": 10, **cell.server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            told = (await ModernVisitor(second).ask("tools/call", retry(CALL, asked, ACCEPTED)))["result"]
        assert told["isError"] is True
        assert "The gateway was stopped before it had the answer." in told["content"][0]["text"]
        await told_of(crossing)
