"""Signed-in browsers and throttles, on both tables."""

import asyncio
import os
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway_core.access.throttle import LIMITS, MAX_HERE, Throttle, What, counted_as
from gateway_core.errors import Conflict, StoreFull, StoreUnavailable, TooManyRequests
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.registry.members import Identity, Member
from gateway_core.registry.people import Entry, People
from gateway_core.signin.cookies import csrf_holds, csrf_token, digest, new_value
from gateway_core.signin.sessions import ABSOLUTE_S, IDLE_S, PROLONG_EVERY_S, RENAMED_S, Sessions
from gateway_core.storage import keys
from tests.contracts.conftest import MovedClock


@pytest.fixture
def sessions(table: Table, clock: MovedClock, tmp_path: Path) -> Sessions:
    return Sessions(table, People(table, clock), LocalKeyring(tmp_path / "key", random_bytes=os.urandom), clock)


@pytest.fixture
async def ana(sessions: Sessions) -> Member:
    return await sessions.people.enter("ana@acme.dev", Entry(Identity("https://idp.example", "1")), by="a test")


async def test_a_browser_is_signed_in_until_it_signs_out(sessions: Sessions, ana: Member):
    cookie = await sessions.start(ana.id)
    session = await sessions.find(cookie)
    assert session is not None
    assert session.member == ana
    assert csrf_holds(cookie, session.csrf)
    assert await sessions.table.get(keys.browser(cookie)) is None
    await sessions.end(cookie)
    assert await sessions.find(cookie) is None
    await sessions.end(cookie)


async def test_who_asks_for_nothing_for_twelve_hours_is_signed_out(sessions: Sessions, ana: Member, clock: MovedClock):
    cookie = await sessions.start(ana.id)
    clock.now += IDLE_S - 1
    assert await sessions.find(cookie)
    clock.now += IDLE_S - 1
    assert await sessions.find(cookie)
    clock.now += IDLE_S
    assert await sessions.find(cookie) is None


async def test_after_a_week_everybody_signs_in_again(sessions: Sessions, ana: Member, clock: MovedClock):
    cookie, start = await sessions.start(ana.id), clock.now
    while clock.now < start + ABSOLUTE_S - IDLE_S // 2:
        assert await sessions.find(cookie)
        clock.now += IDLE_S // 2
    clock.now = start + ABSOLUTE_S - 1
    assert await sessions.find(cookie)
    clock.now += 1
    assert await sessions.find(cookie) is None


async def test_the_idle_time_is_written_at_most_every_few_minutes(sessions: Sessions, ana: Member, clock: MovedClock):
    cookie = await sessions.start(ana.id)
    session = await sessions.find(cookie)
    assert session is not None
    versions = []
    for seconds in (0, PROLONG_EVERY_S - 1, 1, 1):
        clock.now += seconds
        await sessions.find(cookie)
        item = await sessions.table.get(keys.browser(session.digest))
        assert item is not None
        versions.append(item.version)
    assert versions == [1, 1, 2, 2]


async def test_signing_out_is_not_undone_by_a_page_that_loads_at_the_same_time(
    sessions: Sessions, ana: Member, clock: MovedClock
):
    cookie = await sessions.start(ana.id)
    clock.now += PROLONG_EVERY_S
    await asyncio.gather(*(sessions.find(cookie) for _ in range(4)), sessions.end(cookie))
    assert await sessions.find(cookie) is None


async def test_signing_in_gives_a_new_value_and_ends_the_old_one(sessions: Sessions, ana: Member):
    old = await sessions.start(ana.id)
    new = await sessions.start(ana.id, instead_of=old)
    assert new != old
    assert await sessions.find(old) is None
    assert await sessions.find(new)
    assert await sessions.start(ana.id, instead_of=new_value())


async def test_the_sessions_of_a_removed_member_are_dead_at_once(sessions: Sessions, ana: Member):
    cookie = await sessions.start(ana.id)
    await sessions.people.remove(ana.id)
    assert await sessions.find(cookie) is None


@pytest.mark.parametrize("cookie", [None, "", "x", "x" * 43, "é" * 43, "x" * 44, "\ud800" * 43])
async def test_a_made_up_cookie_is_nobody(sessions: Sessions, cookie: Any):
    assert await sessions.find(cookie) is None
    await sessions.end(cookie)


def test_a_form_belongs_to_the_browser_that_was_given_it():
    mine, other = new_value(), new_value()
    assert csrf_holds(mine, csrf_token(mine))
    for cookie, token in ((mine, csrf_token(other)), (mine, ""), (mine, None), (None, csrf_token(mine)), ("", "x"),
                          (mine, mine), (mine, "\ud800")):  # fmt: skip
        assert not csrf_holds(cookie, token)


@pytest.mark.parametrize("what", LIMITS)
async def test_each_thing_can_be_tried_so_often_in_so_long_and_not_once_more(clock: MovedClock, what: What):
    limit = LIMITS[what]
    clock.now = clock.now // limit.window_s * limit.window_s + 1
    throttle = Throttle(Counting(clock), clock)  # type: ignore[arg-type]
    for _ in range(limit.times):
        await throttle.check(what, "203.0.113.7")
    with pytest.raises(TooManyRequests, match="Try again in") as caught:
        await throttle.check(what, "203.0.113.7")
    assert caught.value.retry_after_s == limit.window_s - 1
    await throttle.check(what, "203.0.113.8")
    clock.now += caught.value.retry_after_s
    await throttle.check(what, "203.0.113.7")


async def test_every_process_adds_to_the_same_count(table: Table, clock: MovedClock):
    clock.now = clock.now // 900 * 900
    processes = [Throttle(table, clock) for _ in range(3)]
    tries = [processes[n % 3].check("signin_account", "ana@acme.dev") for n in range(13)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, TooManyRequests) for result in results) == 3
    assert all(result is None or isinstance(result, TooManyRequests) for result in results)


class Counting:
    """A table that only counts, or fails to."""

    def __init__(self, clock: MovedClock, error: Exception | None = None) -> None:
        self.clock, self.error, self.counts = clock, error, dict[Any, int]()

    async def add(self, key: Any, amount: int, *, expires_at: int) -> int:
        if self.error is not None:
            raise self.error
        assert expires_at > self.clock.now
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]


@pytest.mark.parametrize("error", [StoreUnavailable("down"), StoreFull("full"), Conflict("busy")])
async def test_while_the_store_cannot_count_a_process_lets_a_quarter_through(clock: MovedClock, error: Exception):
    throttle = Throttle(Counting(clock, error), clock)  # type: ignore[arg-type]
    for _ in range(LIMITS["register"].times // 4):
        await throttle.check("register", "203.0.113.7")
    with pytest.raises(TooManyRequests):
        await throttle.check("register", "203.0.113.7")


@pytest.mark.parametrize("what", ["signin_account", "setup"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [(StoreUnavailable("down"), StoreUnavailable), (StoreFull("full"), StoreFull), (Conflict("busy"), TooManyRequests)],
)
async def test_a_secret_is_never_guessed_uncounted(
    clock: MovedClock, what: What, error: Exception, raised: type[Exception]
):
    throttle = Throttle(Counting(clock, error), clock)  # type: ignore[arg-type]
    with pytest.raises(raised):
        await throttle.check(what, "ana@acme.dev")


async def test_what_a_process_counts_itself_is_bounded(clock: MovedClock):
    throttle = Throttle(Counting(clock, StoreUnavailable("down")), clock)  # type: ignore[arg-type]
    for n in range(MAX_HERE + 5):
        await throttle.check("token", f"{n}")
    assert len(throttle._here) == 5
    assert replace(throttle, _here={})._here == {}


@pytest.mark.parametrize(
    ("subject", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("ana@acme.dev", "ana@acme.dev"),
        ("", ""),
    ],
)
def test_neighbours_in_one_ipv6_network_count_as_one(subject: str, counted: str):
    assert counted_as(subject) == counted


async def test_any_subject_can_be_counted(table: Table, clock: MovedClock):
    for subject in ("", "\x00", "\ud800", "x" * 100_000):
        await Throttle(table, clock).check("token", subject)


async def test_a_browser_that_somebody_was_signed_in_at_is_signed_out_when_they_sign_in_another_way(
    sessions: Sessions, ana: Member
):
    cookie = await sessions.start(ana.id)
    await sessions.people.unlink(ana.id)
    assert await sessions.find(cookie) is None
    await sessions.people.sign_in(ana.id, Entry(Identity("https://idp.example", "2")))
    assert await sessions.find(cookie) is None
    assert await sessions.find(await sessions.start(ana.id)) is not None


async def test_of_two_tabs_that_sign_in_under_one_name_the_first_does_and_its_session_knows_that_name(
    sessions: Sessions, ana: Member, clock: MovedClock
):
    old = new_value()
    ben = await sessions.people.enter("ben@acme.dev", Entry(Identity("https://idp.example", "2")), by="a test")
    tabs = [sessions.start(who.id, instead_of=old) for who in (ana, ben, ana, ben)]
    results = await asyncio.gather(*tabs, return_exceptions=True)
    values = [result for result in results if isinstance(result, str)]
    # Those of one of them: the same for both.
    assert len(values) == 2
    assert len(set(values)) == 1
    assert [type(result) for result in results].count(Conflict) == 2
    session = await sessions.find(values[0])
    assert session is not None
    assert session.before == digest(old)
    # What is known of the old name is no session, and is known for a minute.
    assert await sessions.find(old) is None
    clock.now += RENAMED_S - 1
    assert await sessions.renamed(old)
    clock.now += 1
    assert not await sessions.renamed(old)
    assert await sessions.start(ana.id, instead_of=old)


async def test_for_a_minute_a_lost_name_is_given_once_more_to_the_same_member_alone(
    sessions: Sessions, ana: Member, clock: MovedClock
):
    ben = await sessions.people.enter("ben@acme.dev", Entry(Identity("https://idp.example", "2")), by="a test")
    old = new_value()
    name = await sessions.start(ana.id, instead_of=old)
    clock.now += RENAMED_S - 1
    assert await sessions.start(ana.id, instead_of=old) == name
    with pytest.raises(Conflict):
        await sessions.start(ben.id, instead_of=old)
    clock.now += 1
    later = await sessions.start(ben.id, instead_of=old)
    assert later != name
    with pytest.raises(Conflict):
        await sessions.start(ana.id, instead_of=old)


async def test_a_name_that_was_signed_out_is_not_given_again(sessions: Sessions, ana: Member):
    old = new_value()
    await sessions.end(await sessions.start(ana.id, instead_of=old))
    with pytest.raises(Conflict):
        await sessions.start(ana.id, instead_of=old)


async def test_who_reads_the_store_comes_in_nowhere(sessions: Sessions, ana: Member):
    old = new_value()
    name = await sessions.start(ana.id, instead_of=old)
    items = [await sessions.table.get(key) for key in (keys.browser(digest(name)), keys.browser_renamed(digest(old)))]
    assert all(items)
    plain = (old, name, b64encode(name.encode()).decode())
    assert not any(value in str(item) for item in items for value in plain)


async def test_a_browser_without_a_name_is_signed_in_too_and_grew_out_of_nothing(sessions: Sessions, ana: Member):
    for nothing in (None, "", "made up"):
        session = await sessions.find(await sessions.start(ana.id, instead_of=nothing))
        assert session is not None
        assert session.before is None
    assert not await sessions.renamed(None)
