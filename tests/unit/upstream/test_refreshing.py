"""Tokens renewed by many at once: one call, nothing lost, nobody asked for consent without need."""

import asyncio
import random

import pytest

from gateway_core.errors import StoreUnavailable, UpstreamUnreachable
from gateway_core.ports import ABSENT
from gateway_core.storage import keys
from gateway_core.upstream.connections import Tokens
from gateway_core.upstream.leases import LEASE_S
from gateway_core.upstream.refreshing import POLL_S, WAIT_S
from tests.unit.upstream.processes import HOLDER, SERVER, Failing, world

LEASE = keys.refresh_lease(SERVER.id, HOLDER.id)


async def test_however_many_calls_of_one_process_find_a_token_ended_one_call_renews_it(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        process = outside.process()
        outside.now[0] += 3600
        standings = await asyncio.gather(*(process.usable() for _ in range(50)))
        assert len(outside.server.forms) == 1
        assert {standing.tokens.access_token for standing in standings if standing.tokens} == {"access-1"}
        assert await outside.held() == Tokens("access-1", "refresh-1")
        assert await outside.table.get(LEASE) is None, "the lease was given back"


@pytest.mark.parametrize("rotation", ["strict", "grace", "none"])
async def test_processes_with_clocks_that_differ_make_one_call_for_each_end_of_a_token_and_lose_nothing(
    tmp_path, rotation
):
    with world(tmp_path, rotation=rotation) as outside:
        await outside.connected()
        # Here the waiting takes its time: eight that sleep in none would make a lease lapse under whoever writes.
        processes = [outside.process(skew_s=skew, sleep=asyncio.sleep) for skew in (-2, -1, 0, 0, 0, 1, 2, 2)]
        for turn in range(1, 21):
            outside.now[0] += 3602
            calls = [process.usable() for process in processes for _ in range(4)]
            random.Random(turn).shuffle(calls)
            standings = await asyncio.gather(*calls)
            assert len(outside.server.forms) == turn
            assert all(standing.tokens == Tokens(f"access-{turn}", outside.server.refresh) for standing in standings)
        assert await outside.held() == Tokens("access-20", outside.server.refresh)
        assert not outside.server.stolen


async def test_who_is_drawn_renews_early_and_everybody_goes_on_with_the_old_token_meanwhile(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.server.hold = asyncio.Event()
        outside.now[0] += 3600 - 400
        drawn, others = outside.process(draw=0.0), outside.process(draw=1.0)
        for process in (drawn, others, drawn):
            standing = await process.usable()
            assert standing.tokens is not None
            assert standing.tokens.access_token == "access-0"
        await outside.server.answered.wait()
        assert len(outside.server.forms) == 1
        assert len(drawn.patience.afterwards) == 1
        assert others.patience.afterwards == []
        outside.server.hold.set()
        await drawn.idle()
        assert (await others.usable()).tokens == Tokens("access-1", "refresh-1")
        assert len(outside.server.forms) == 1


async def test_a_token_without_an_end_and_one_in_its_prime_are_left_alone(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected(expires_at=None)
        outside.now[0] += 10**8
        assert (await outside.process(draw=0.0).usable()).tokens == Tokens("access-0", "refresh-0")
        assert outside.server.forms == []


async def test_who_waits_for_another_process_looks_now_and_then_for_eight_seconds_and_never_calls(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        wrote: list[str] = []

        def watch(verb: str, _: object) -> None:
            wrote.extend([verb] if verb in ("put", "delete", "transact") else [])

        process = outside.process(draw=0.5, table=Failing(outside.table, watch))
        await outside.table.put(LEASE, {}, when=ABSENT, expires_at=int(outside.now[0]) + LEASE_S)
        with pytest.raises(UpstreamUnreachable, match="is being renewed elsewhere"):
            await process.usable()
        assert outside.server.forms == []
        assert all(POLL_S[0] <= pause <= POLL_S[1] for pause in process.slept)
        assert WAIT_S - 0.1 <= sum(process.slept) <= WAIT_S + 0.1
        assert wrote == [], "looking is cheaper than writing"


async def test_who_waits_takes_what_the_other_process_saves(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        holder, waiter = outside.process(), outside.process(sleep=asyncio.sleep)
        first = asyncio.create_task(holder.usable())
        await outside.server.answered.wait()
        second = asyncio.create_task(waiter.usable())
        await asyncio.sleep(0.1)
        assert not second.done()
        outside.server.hold.set()
        assert (await second).tokens == (await first).tokens == Tokens("access-1", "refresh-1")
        assert len(outside.server.forms) == 1


async def test_a_server_that_fails_costs_no_token_and_is_asked_again_later(tmp_path):
    with world(tmp_path, failures=2) as outside:
        await outside.connected()
        # While the old one lives, it is used.
        outside.now[0] += 3600 - 30
        process = outside.process()
        assert (await process.usable()).tokens == Tokens("access-0", "refresh-0")
        assert len(outside.server.forms) == 1
        found = await process.read()
        assert found is not None
        assert (found.state, found.not_before - int(outside.now[0]), found.failures) == ("ok", 2, 1)
        assert "HTTP 500" in (found.why or "")
        # Nobody asks before that, here or elsewhere.
        for other in (process, outside.process()):
            await other.usable()
        assert len(outside.server.forms) == 1
        outside.now[0] += 40
        standing = await process.usable()
        assert standing.tokens == Tokens("access-0", "refresh-0")
        assert not standing.sendable(int(outside.now[0]))
        outside.now[0] += 5
        assert (await process.usable()).tokens == Tokens("access-3", "refresh-3")
        found = await process.read()
        assert found is not None
        assert (found.state, found.why, found.failures, found.not_before) == ("ok", None, 0, 0)


async def test_a_refresh_token_that_is_not_good_any_more_is_the_end_and_is_not_asked_about_again(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.server.stolen = True
        outside.now[0] += 3600
        process = outside.process()
        standing = await process.usable()
        assert standing.connection is not None
        assert standing.connection.state == "needs_consent"
        assert standing.connection.why == (
            "The authorization server of Linear has ended the permission that was given. It says invalid_grant."
        )
        await process.usable()
        await outside.process().usable()
        assert len(outside.server.forms) == 1


async def test_what_could_not_be_finished_is_not_begun(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        late = outside.process(ends_in_s=12.9)
        with pytest.raises(UpstreamUnreachable, match="this request ends before that would be done"):
            await late.usable()
        assert outside.server.forms == []
        assert await outside.table.get(LEASE) is None
        assert (await outside.process(ends_in_s=14).usable()).tokens == Tokens("access-1", "refresh-1")


async def test_a_lease_that_has_grown_old_is_no_leave_to_call(tmp_path, monkeypatch):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        process, loop = outside.process(), asyncio.get_running_loop()
        began, plan = loop.time, process.source.plan

        async def slow(source, *standing):
            # Reading a secret took seven seconds.
            monkeypatch.setattr(loop, "time", lambda: began() + 7)
            return await plan(*standing)

        monkeypatch.setattr(type(process.source), "plan", slow)
        with pytest.raises(UpstreamUnreachable, match="could not be renewed in the time there was"):
            await process.usable()
        assert outside.server.forms == []
        assert await outside.table.get(LEASE) is None


async def test_a_token_that_still_lives_is_used_where_no_other_can_be_had_now(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600 - 30

        def fails(verb: str, key: object) -> Exception | None:
            return StoreUnavailable("The database did not answer.") if (verb, key) == ("put", LEASE) else None

        broken = outside.process(table=Failing(outside.table, fails))
        assert (await broken.usable()).tokens == Tokens("access-0", "refresh-0")
        late = outside.process(ends_in_s=5)
        assert (await late.usable()).tokens == Tokens("access-0", "refresh-0")
        await outside.table.put(LEASE, {}, when=ABSENT, expires_at=int(outside.now[0]) + LEASE_S)
        assert (await outside.process().usable()).tokens == Tokens("access-0", "refresh-0")
        assert outside.server.forms == []


async def test_without_the_store_nobody_calls(tmp_path):
    with world(tmp_path) as outside:
        made = await outside.connected()
        outside.now[0] += 3600

        class Down:
            def __getattr__(self, verb):
                async def ask(*_, **__):
                    raise StoreUnavailable("The database did not answer.")

                return ask

        process = outside.process(table=Down())
        with pytest.raises(StoreUnavailable):
            await process.refreshing.usable(process.source, made, process.patience)
        assert outside.server.forms == []
