"""What one process learns or is told, the others go by: sessions, subscriptions, log levels, what a server speaks."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.apart.clients import Json, LegacyClient, words
from tests.apart.conftest import Stage
from tests.conformance.catalogue import WATCHED
from tests.processes import Kind

pytestmark = [pytest.mark.tools, pytest.mark.asyncio(loop_scope="session")]

HEARD_S = 5.0
"""A second between two looks, and what it takes to open an ear and to be heard, on a machine that is busy."""


def sessions_of(stage: Stage, kind: Kind) -> set[str | None]:
    """The sessions at the server in which tools were called."""
    return {one.session_id for one in stage.taps[kind].calls("tools/call")}


@pytest.mark.parametrize("kind", ["legacy", "modern", "sse"])
async def test_a_session_that_one_process_opened_and_another_ended_is_gone_for_all(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client = await stage.legacy_client(kind)
    assert words((await client.call(there, "test_simple_text"))[-1])
    ended = await stage.http.request("DELETE", client.url(there), headers=client.headers())
    assert ended.status_code == 200
    for door in (here, there):
        assert (await client.post(door, {"id": 5, "method": "tools/list"})).status_code == 404
        assert (await stage.http.get(client.url(door), headers=client.headers())).status_code == 404


@pytest.mark.parametrize("kind", ["modern", "sse"])
async def test_a_log_level_that_is_set_at_one_process_counts_at_another(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client = await stage.legacy_client(kind)
    for level, lines in (("emergency", 0), ("debug", 1), ("error", 0), ("info", 1)):
        assert (await client.request(here, "logging/setLevel", {"level": level}))[-1]["result"] == {}
        *logged, _ = await client.call(there, "test_logging_tool")
        assert [one["method"] for one in logged] == ["notifications/message"] * lines, level


@pytest.mark.parametrize("kind", ["modern", "sse"])
async def test_a_stream_at_one_process_soon_tells_of_a_resource_subscribed_to_at_another(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client, tap = await stage.legacy_client(kind), stage.taps[kind]
    async with client.listening(here) as messages:
        begun = time.monotonic()
        assert (await client.request(there, "resources/subscribe", {"uri": WATCHED}))[-1]["result"] == {}
        await tap.saw(lambda one: WATCHED in str(one.message))
        assert time.monotonic() - begun < HEARD_S
        updated = await _heard(client, messages, there)
        assert updated == {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": WATCHED}}
        assert time.monotonic() - begun < HEARD_S


async def _heard(client: LegacyClient, messages: AsyncIterator[Json], door: str) -> Json:
    """The first message of a stream. The server is told to announce a change until there is one, because it says
    nowhere when it has begun to listen."""
    first = asyncio.ensure_future(anext(messages))
    while not first.done():
        await client.call(door, "test_trigger_resource_update")
        await asyncio.wait({first}, timeout=0.1)
    found: Json = await first
    return found


@pytest.mark.parametrize("kind", ["modern", "sse"])
async def test_a_stream_ends_soon_after_another_process_ended_its_session_however_much_the_server_says(
    stage: Stage, kind: Kind
):
    here, there = stage.world.doors
    client, other = await stage.legacy_client(kind), await stage.legacy_client(kind)
    async with client.listening(here) as messages, asyncio.timeout(HEARD_S):
        assert (await stage.http.request("DELETE", client.url(there), headers=client.headers())).status_code == 200
        ended = asyncio.ensure_future(_count(messages))
        while not ended.done():
            await other.call(there, "test_trigger_tool_change")
        assert await ended > 0


async def _count(messages: AsyncIterator[Json]) -> int:
    return len([message async for message in messages])


async def test_a_session_that_the_server_forgot_is_opened_again_once_for_all_modern_clients_requests(stage: Stage):
    here, there = stage.world.doors
    client, tap = stage.modern_client("legacy"), stage.taps["legacy"]
    for door in (here, there):
        assert words(await client.call(door, "test_simple_text"))
    [first] = sessions_of(stage, "legacy")
    assert first is not None
    tap.forgotten.add(first)
    for door in (here, there, here):
        assert words(await client.call(door, "test_simple_text"))
    [second] = sessions_of(stage, "legacy") - {first}
    assert second is not None
    assert len(tap.calls("initialize")) == 2


async def test_a_legacy_clients_session_that_the_server_forgot_is_opened_again_by_one_and_used_by_the_other(
    stage: Stage,
):
    here, there = stage.world.doors
    client, tap = await stage.legacy_client("legacy"), stage.taps["legacy"]
    for door in (here, there):
        assert words((await client.call(door, "test_simple_text"))[-1])
    [first] = sessions_of(stage, "legacy")
    assert first is not None
    tap.forgotten.add(first)
    for door in (here, there, here):
        assert words((await client.call(door, "test_simple_text"))[-1])
    assert len(sessions_of(stage, "legacy") - {first}) == 1
    assert len(tap.calls("initialize")) == 2


async def test_of_two_processes_that_open_a_session_at_the_same_time_one_wins_and_both_work(stage: Stage):
    here, there = stage.world.doors
    client, tap = stage.modern_client("legacy"), stage.taps["legacy"]
    await client.call(here, "test_simple_text")  # what the server speaks is known before the race
    racing = stage.modern_client("legacy")
    tap.seen.clear()
    tap.together["initialize"] = asyncio.Barrier(2)
    both = await asyncio.gather(*(racing.call(door, "test_simple_text") for door in (here, there)))
    assert [words(one) for one in both] == ["This is a simple text response for testing."] * 2
    assert len(sessions_of(stage, "legacy")) == 1
    assert len(tap.calls("initialize")) == 2
    for door in (here, there):
        assert words(await racing.call(door, "test_simple_text"))
    assert len(sessions_of(stage, "legacy")) == 1


async def test_two_processes_that_find_a_forgotten_session_at_the_same_time_agree_on_a_new_one(stage: Stage):
    here, there = stage.world.doors
    client, tap = stage.modern_client("legacy"), stage.taps["legacy"]
    for door in (here, there):
        await client.call(door, "test_simple_text")
    [first] = sessions_of(stage, "legacy")
    assert first is not None
    tap.forgotten.add(first)
    tap.together["initialize"] = asyncio.Barrier(2)
    both = await asyncio.gather(*(client.call(door, "test_simple_text") for door in (here, there)))
    assert [words(one) for one in both] == ["This is a simple text response for testing."] * 2
    for door in (here, there):
        assert words(await client.call(door, "test_simple_text"))
    assert len(sessions_of(stage, "legacy") - {first}) == 1


@pytest.mark.parametrize("kind", ["legacy", "modern", "sse"])
async def test_what_one_process_found_out_about_a_server_another_does_not_ask_again(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client, tap = await stage.legacy_client(kind), stage.taps[kind]
    await client.call(here, "test_simple_text")
    known = tap.probes
    await client.call(there, "test_simple_text")
    assert 1 <= known == tap.probes


async def test_one_caller_cannot_answer_or_cancel_for_another_at_whichever_process(stage: Stage):
    here, there = stage.world.doors
    ana, ben = await stage.legacy_client("modern"), await stage.legacy_client("modern")
    async with ana.calling(here, "test_input_required_result_elicitation") as messages:
        request = await anext(messages)
        await ben.post(there, {"method": "notifications/cancelled", "params": {"requestId": 1}})
        stranger = LegacyClient(stage.world, stage.http, ben.server, ana.session_id, key=stage.world.other_key)
        answer = {"action": "accept", "content": {"name": "Eve"}}
        assert (await stranger.post(there, {"id": request["id"], "result": answer})).status_code in (202, 404)
        await ana.answer(there, request)
        assert words(await anext(messages)) == "Hello, Ana!"
