"""Processes that die and stores that fail in the middle of a renewal, at every step there is."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway_core.errors import StoreFull, StoreUnavailable, UpstreamUnreachable
from gateway_core.ports import Key
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream import keeping, leases
from gateway_core.upstream.connections import Tokens
from gateway_core.upstream.holders import Holder
from gateway_core.upstream.leases import CALL_WITHIN_S, LEASE_S, WRITE_S
from gateway_core.upstream.token_endpoint import CALL_S
from tests.unit.upstream.processes import HOLDER, SERVER, Failing, Process, World, world

CONNECTION = keys.connection(SERVER.id, HOLDER.id)
LEASE = keys.refresh_lease(SERVER.id, HOLDER.id)
DOWN = StoreUnavailable("The database did not answer.")


class Death(BaseException):
    """The process is gone."""


@dataclass
class Mortal:
    """The store as a process sees it that dies at one point: before that it works, from then on nothing does."""

    table: Any
    verb: str
    key: Key
    after: bool
    """True: what it asked for last is done."""
    dead: bool = False

    def __getattr__(self, verb: str) -> Any:
        async def ask(*given: Any, **named: Any) -> Any:
            if self.dead:
                raise Death
            self.dead = (verb, given[0]) == (self.verb, self.key)
            if self.dead and not self.after:
                raise Death
            done = await getattr(self.table, verb)(*given, **named)
            if self.dead:
                raise Death
            return done

        return ask


DEATHS = {
    "with the lease": ("put", LEASE, True),
    "before the answer is saved": ("put", CONNECTION, False),
    "after it was saved": ("put", CONNECTION, True),
    "before the lease is given back": ("delete", LEASE, False),
}


async def dies(outside: World, point: str) -> None:
    """A process that renews the tokens and dies at `point`."""
    verb, key, after = DEATHS[point]
    mortal = outside.process(table=Mortal(outside.table, verb, key, after))
    with pytest.raises(Death):
        await mortal.usable()
    await asyncio.gather(*mortal.patience.afterwards)


async def patient(process: Process) -> None:
    """Somebody asks while the dead process still has the lease."""
    with pytest.raises(UpstreamUnreachable, match="is being renewed elsewhere"):
        await process.usable()


@pytest.mark.parametrize("rotation", ["strict", "grace", "none"])
@pytest.mark.parametrize("point", DEATHS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_after_the_death_of_a_process_the_next_one_goes_on_as_well_as_the_server_lets_it(
    tmp_path, rotation, point
):
    with world(tmp_path, rotation=rotation) as outside:
        await outside.connected()
        outside.now[0] += 3600
        await dies(outside, point)
        saved = point in ("after it was saved", "before the lease is given back")
        lost = point == "before the answer is saved" and rotation == "strict"
        next_one = outside.process()
        if not saved:
            await patient(next_one)
            outside.now[0] += LEASE_S
        standing = await next_one.usable()
        assert standing.connection is not None
        if lost:
            # Its answer is gone, and the server takes nothing else: this account has to be connected again.
            assert standing.connection.state == "needs_consent"
            assert len(outside.server.forms) == 3, "once more, in case that the first answer comes late"
            return
        assert standing.connection.state == "ok"
        assert standing.tokens == await outside.held()
        assert standing.tokens is not None
        assert standing.tokens.access_token in outside.server.live
        assert not outside.server.stolen
        if saved or point == "with the lease":
            assert len(outside.server.forms) == 1


async def test_where_it_gets_late_the_second_question_is_asked_under_the_next_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "CALL_WITHIN_S", 0.5)
    with world(tmp_path, rotation="strict") as outside:
        await outside.connected()
        outside.now[0] += 3600
        await dies(outside, "before the answer is saved")
        outside.now[0] += LEASE_S
        taken: list[Key] = []

        def counted(verb: str, key: Key) -> None:
            if (verb, key) == ("put", LEASE):
                taken.append(key)

        late = outside.process(table=Failing(outside.table, counted), sleep=lambda _: asyncio.sleep(0.6))
        standing = await late.usable()
        assert standing.connection is not None
        assert standing.connection.state == "needs_consent"
        assert len(outside.server.forms) == 3
        assert len(taken) == 2


async def test_a_slow_process_that_seemed_dead_still_saves_and_the_next_one_takes_its_answer(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        slow = outside.process()
        first = asyncio.create_task(slow.usable())
        await outside.server.answered.wait()
        outside.now[0] += LEASE_S + 1
        released = asyncio.Event()

        async def nap(for_s: float) -> None:
            # While the next one gives the first a moment, that one's answer arrives.
            released.set()
            await first

        next_one = outside.process(sleep=nap)
        outside.server.answered.clear()
        second = asyncio.create_task(next_one.usable())
        await outside.server.answered.wait()
        # The server answers in turn: the first call spends the token, the second one comes too late for it.
        outside.server.hold.set()
        standing = await second
        assert released.is_set()
        assert standing.tokens == (await first).tokens == await outside.held()
        assert len(outside.server.forms) == 2, "no third call"


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("lasts", ["a call and a write", "saving again and again"])
async def test_a_lease_taken_by_a_clock_that_is_behind_is_held_by_one_that_is_ahead_for_as_long_as_it_is_needed(
    tmp_path, fraction, lasts
):
    """Clocks that are wrong by two seconds each differ by four, and each process asks the store by its own."""
    with world(tmp_path) as outside:
        outside.now[0] += fraction
        ahead = SqliteTable(tmp_path / "store.db", lambda: int(outside.now[0] + 2))
        with closing(ahead):
            lease = await outside.process(skew_s=-2).refreshing.leases.take(LEASE)
            assert lease is not None
            needed_s = (
                CALL_WITHIN_S + CALL_S + WRITE_S if lasts == "a call and a write" else lease.lapses_at - lease.since
            )
            outside.now[0] += needed_s - 0.01
            assert await outside.process(skew_s=2, table=ahead).refreshing.leases.take(LEASE) is None
            outside.now[0] += LEASE_S
            assert await outside.process(skew_s=2, table=ahead).refreshing.leases.take(LEASE) is not None


STEPS = 12
"""More than a renewal takes of the store."""


@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done, and the answer lost"])
@pytest.mark.parametrize("problem", [DOWN, StoreFull("The disk is full.")], ids=["unavailable", "full"])
@pytest.mark.parametrize("step", range(STEPS))
async def test_whichever_step_the_store_fails_at_the_account_is_not_lost(tmp_path, step, problem, answered):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        count = [0]

        def fails(verb: str, _: Any) -> Exception | None:
            count[0] += 1
            return problem if count[0] == step + 1 else None

        process = outside.process(table=Failing(outside.table, fails, after=answered))
        try:
            standing = await process.usable()
        except (StoreUnavailable, StoreFull, UpstreamUnreachable):
            pass
        else:
            assert standing.tokens == Tokens("access-1", "refresh-1")
        await process.idle()
        assert count[0] < STEPS, "every step was tried"
        assert len(outside.server.forms) <= 1
        outside.now[0] += LEASE_S
        assert (await outside.process().usable()).tokens == Tokens("access-1", "refresh-1")
        assert await outside.held() == Tokens("access-1", "refresh-1")
        assert len(outside.server.forms) == 1
        assert not outside.server.stolen


async def test_tokens_that_cannot_be_saved_are_used_all_the_same_and_saved_when_the_store_is_back(tmp_path, caplog):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        broken = [True]

        def fails(verb: str, key: Any) -> Exception | None:
            return DOWN if broken[0] and (verb, key) == ("put", CONNECTION) else None

        loop = asyncio.get_running_loop()
        began, clock = loop.time(), loop.time

        process = outside.process(table=Failing(outside.table, fails))
        # Seconds that are slept pass for the loop, too.
        loop.time = lambda: clock() + sum(process.slept)  # type: ignore[method-assign]
        with pytest.raises(UpstreamUnreachable, match="takes longer than this call can wait"):
            await process.usable()
        await process.idle()
        assert 15 < loop.time() - began < LEASE_S - 2, "as long as nobody else may call"
        assert process.slept[:3] == [0.05, 0.1, 0.2]
        assert max(process.slept) == 1.0
        assert "renewal_not_saved" in caplog.text
        assert "access-1" not in caplog.text
        assert await outside.held() == Tokens("access-0", "refresh-0")
        # Others must not use the old one meanwhile: the lease was not given back.
        assert await outside.table.get(LEASE) is not None
        # It goes on with what it has.
        assert (await process.usable()).tokens == Tokens("access-1", "refresh-1")
        assert await outside.held() == Tokens("access-0", "refresh-0")
        broken[0] = False
        assert (await process.usable()).tokens == Tokens("access-1", "refresh-1")
        assert await outside.held() == Tokens("access-1", "refresh-1")
        assert len(outside.server.forms) == 1


async def test_no_more_tokens_are_kept_for_a_store_that_is_down_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MAX_UNSAVED", 2)
    with world(tmp_path) as outside:
        made = await outside.connected()
        down = Failing(outside.table, lambda verb, _: DOWN if verb == "put" else None)
        kept = outside.process(table=down).refreshing.keeping
        for number in range(4):
            one = replace(made, holder=Holder("user", f"p-{number}"))
            await kept.save(one, one, Tokens(f"a-{number}"), until=0.0)
        assert [kept.unsaved(f"{SERVER.id}/p-{number}") for number in range(4)] == [False, False, True, True]


async def test_an_answer_that_got_lost_costs_what_the_server_makes_it_cost_and_no_more(tmp_path):
    for rotation, lost in (("grace", False), ("none", False), ("strict", True)):
        folder = tmp_path / rotation
        folder.mkdir()
        with world(folder, rotation=rotation) as outside:
            await outside.connected()
            outside.now[0] += 3600
            process = outside.process()
            process.asking.lost = 1
            standing = await process.usable()
            assert not standing.sendable(int(outside.now[0]))
            assert standing.connection is not None
            assert standing.connection.state == "ok"
            outside.now[0] += 3
            standing = await process.usable()
            assert standing.connection is not None
            assert (standing.connection.state == "needs_consent") == lost
