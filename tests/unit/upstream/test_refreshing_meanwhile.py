"""Renewals under way while the world goes on: accounts that are changed, callers that leave, others that are faster."""

import asyncio
from dataclasses import replace

import pytest

from gateway_core.errors import UpstreamUnreachable
from gateway_core.storage import keys
from gateway_core.upstream import refreshing
from gateway_core.upstream.connections import Tokens
from tests.unit.upstream.processes import HOLDER, SERVER, Meanwhile, world

LEASE = keys.refresh_lease(SERVER.id, HOLDER.id)


async def test_who_gets_the_lease_when_all_is_done_already_makes_no_call(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        faster = outside.process()
        late = outside.process(table=Meanwhile(outside.table, "get", LEASE, faster.usable))
        assert (await late.usable()).tokens == Tokens("access-1", "refresh-1")
        assert len(outside.server.forms) == 1
        assert await outside.table.get(LEASE) is None


async def test_the_life_of_a_token_counts_from_when_it_was_asked_for(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        asked_at, outside.server.hold = int(outside.now[0]), asyncio.Event()
        process = outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        outside.now[0] += 7
        outside.server.hold.set()
        found = (await asking).connection
        assert found is not None
        assert (found.refreshed_at, found.expires_at) == (asked_at, asked_at + 3600)


async def test_a_refusal_of_tokens_that_somebody_replaced_meanwhile_says_nothing(tmp_path):
    with world(tmp_path) as outside:
        made = await outside.connected()
        outside.now[0] += 3600
        outside.server.stolen, outside.server.hold = True, asyncio.Event()
        process = outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        anew = replace(made, expires_at=int(outside.now[0]) + 3600, refreshed_at=int(outside.now[0]))
        await outside.process().connections.add(anew, Tokens("new-at", "new-rt"))
        outside.server.hold.set()
        standing = await asking
        assert standing.tokens == Tokens("new-at", "new-rt")
        assert standing.connection is not None
        assert standing.connection.state == "ok"


async def test_an_account_that_was_disconnected_meanwhile_does_not_come_back_nor_over_the_next_one(tmp_path):
    with world(tmp_path) as outside:
        made = await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        process, other = outside.process(), outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        await other.connections.remove(made)
        outside.server.hold.set()
        standing = await asking
        assert standing.connection is None
        assert standing.tokens is None
        assert await outside.held() is None
        # The same once more, with another account in its place, which counts its versions on.
        await other.connections.add(made, Tokens("a", "refresh-1"))
        outside.server.hold = asyncio.Event()
        outside.server.answered.clear()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        await other.connections.remove(made)
        await other.connections.add(replace(made, account="bo"), Tokens("of-bo", "rt-of-bo"))
        outside.server.hold.set()
        assert (await asking).tokens == Tokens("of-bo", "rt-of-bo")
        assert await outside.held() == Tokens("of-bo", "rt-of-bo")


async def test_what_is_noted_on_a_connection_meanwhile_costs_no_token(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        process, other = outside.process(), outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        found = await other.read()
        assert found is not None
        noted = replace(found, wanted=("write",), step_ups=1)
        await other.refreshing.keeping.write(found, lambda _: noted)
        outside.server.hold.set()
        assert (await asking).tokens == Tokens("access-1", "refresh-1")
        found = await other.read()
        assert found is not None
        assert (found.wanted, found.step_ups, found.refreshed_at) == (("write",), 1, int(outside.now[0]))
        assert await outside.held() == Tokens("access-1", "refresh-1")


@pytest.mark.parametrize("answer", ["a failure", "a refusal"])
async def test_an_account_that_has_to_be_connected_anew_stays_so_whatever_a_renewal_under_way_is_answered(
    tmp_path, answer
):
    with world(tmp_path) as outside:
        await outside.connected()
        # Still good: a call goes out with it meanwhile, and the server does not take it.
        outside.now[0] += 3600 - 30
        if answer == "a failure":
            outside.server.failures = 1
        else:
            outside.server.refusal = {"error": "invalid_client"}
        outside.server.hold = asyncio.Event()
        process, other = outside.process(), outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        found = await other.read()
        assert found is not None
        over = replace(found, state="needs_consent", why="The server refused its access.")
        await other.refreshing.keeping.write(found, lambda _: over)
        outside.server.hold.set()
        assert not (await asking).sendable(int(outside.now[0]))
        kept = await other.read()
        assert kept is not None
        assert (kept.state, kept.why) == ("needs_consent", "The server refused its access.")


async def test_who_leaves_in_the_middle_loses_nothing_for_the_next(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        process = outside.process()
        asking = asyncio.create_task(process.usable())
        await outside.server.answered.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        outside.server.hold.set()
        # The platform is held up until it is saved.
        await process.idle()
        assert await outside.held() == Tokens("access-1", "refresh-1")


async def test_the_one_who_asks_waits_no_longer_than_their_own_call_may_take(tmp_path):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600
        outside.server.hold = asyncio.Event()
        process = outside.process()
        process.patience = process.patience._replace(deadline=asyncio.get_running_loop().time() + 0.05)
        with pytest.raises(UpstreamUnreachable, match="takes longer than this call can wait"):
            await process.usable()
        outside.server.hold.set()
        await process.idle()
        assert await outside.held() == Tokens("access-1", "refresh-1")


async def test_a_stream_that_goes_on_with_what_was_read_long_ago_gets_what_is_good_now(tmp_path):
    with world(tmp_path) as outside:
        old = await outside.connected()
        outside.now[0] += 3600
        await outside.process().usable()
        outside.now[0] += 3600
        # Others were faster with the first, and that has ended by now, too.
        process = outside.process()
        standing = await process.refreshing.usable(process.source, old, process.patience)
        assert standing.tokens == Tokens("access-2", "refresh-2")
        assert len(outside.server.forms) == 2


async def test_a_failure_of_our_own_that_nobody_waits_for_is_in_the_log(tmp_path, monkeypatch, caplog):
    with world(tmp_path) as outside:
        await outside.connected()
        outside.now[0] += 3600 - 400
        process = outside.process(draw=0.0)

        async def broken(*_):
            raise RuntimeError("a bug")

        monkeypatch.setattr(type(process.source), "plan", broken)
        assert (await process.usable()).tokens == Tokens("access-0", "refresh-0")
        await process.idle()
        assert "renewal_failed" in caplog.text
        assert refreshing.logger.name in caplog.text
