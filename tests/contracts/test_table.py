"""ports.Table: what both tables promise."""

import asyncio
from typing import Any

import pytest

from gateway_core.errors import Conflict, Invalid
from gateway_core.ports import ABSENT, ANY, PRESENT, Check, Delete, Key, Partition, Put, Table, Unchanged
from gateway_core.storage.items import MAX_ITEM_BYTES
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import data_of, seen

WEATHER = Key("registry", "ORG", "SERVER#weather")
TRAINS = Key("registry", "ORG", "SERVER#trains")
GRANT = Key("grants", "WORKSPACE#research", "KEY#1")
COUNTER = Key("grants", "COUNTERS", "ana")
PARTITION = Partition("registry", "ORG")


def at(sk: str) -> Key:
    return Key(*PARTITION, sk)


async def sort_keys(table: Table, **how: Any) -> list[str]:
    return [item.key.sk for item in (await table.query(PARTITION, **how)).items]


async def test_what_is_put_is_read_back_as_it_was(table: Table):
    data = {"name": "Wetter ☂ 天気", "big": 2**70, "half": 0.5, "none": None, "deep": {"list": [1, [True, ""]]}}
    stored = await table.put(WEATHER, data, expires_at=1_900_000_000)
    assert stored == await table.get(WEATHER)
    assert stored.data == data
    assert (stored.key, stored.version, stored.expires_at) == (WEATHER, 1, 1_900_000_000)


async def test_what_was_never_put_is_none(table: Table):
    assert await table.get(WEATHER) is None
    assert await table.delete(WEATHER) is None


async def test_each_write_raises_the_version_by_one_and_replaces_data_and_expiry(table: Table):
    await table.put(WEATHER, {"a": 1}, expires_at=1_900_000_000)
    second = await table.put(WEATHER, {"b": 2})
    assert second == await table.get(WEATHER)
    assert (second.version, second.data, second.expires_at) == (2, {"b": 2}, None)


@pytest.mark.parametrize("when", [ABSENT, Unchanged(2), Unchanged(0)])
async def test_a_put_whose_condition_fails_changes_nothing(table: Table, when: Any):
    await table.put(WEATHER, {"a": 1})
    with pytest.raises(Conflict):
        await table.put(WEATHER, {"a": 2}, when=when)
    with pytest.raises(Conflict):
        await table.delete(WEATHER, when=when)
    assert await data_of(table, WEATHER) == {"a": 1}


@pytest.mark.parametrize("when", [PRESENT, Unchanged(1), Unchanged(0)])
async def test_what_is_absent_cannot_be_changed_on_condition(table: Table, when: Any):
    with pytest.raises(Conflict):
        await table.put(WEATHER, {}, when=when)
    with pytest.raises(Conflict):
        await table.delete(WEATHER, when=when)
    assert await table.get(WEATHER) is None


@pytest.mark.parametrize("when", [ANY, PRESENT, Unchanged(1)])
async def test_a_delete_whose_condition_holds_gives_what_it_removed(table: Table, when: Any):
    stored = await table.put(WEATHER, {"a": 1})
    assert await table.delete(WEATHER, when=when) == stored
    assert await table.get(WEATHER) is None


async def test_a_put_goes_through_when_its_condition_holds(table: Table):
    assert (await table.put(WEATHER, {}, when=ABSENT)).version == 1
    assert (await table.put(WEATHER, {}, when=PRESENT)).version == 2
    assert (await table.put(WEATHER, {}, when=Unchanged(2))).version == 3


async def test_an_expired_item_is_gone_for_every_reader_from_that_second_on(table: Table, clock: MovedClock):
    await table.put(WEATHER, {}, expires_at=clock.now + 10)
    clock.now += 9
    assert await table.get(WEATHER)
    clock.now += 1
    assert await table.get(WEATHER) is None
    assert await table.get_many([WEATHER]) == [None]
    assert (await table.query(PARTITION)).items == []
    assert await table.delete(WEATHER) is None


@pytest.mark.parametrize("when", [PRESENT, Unchanged(1)])
async def test_an_expired_item_meets_no_condition_but_absence(table: Table, clock: MovedClock, when: Any):
    await table.put(WEATHER, {}, expires_at=clock.now)
    with pytest.raises(Conflict):
        await table.put(WEATHER, {}, when=when)
    with pytest.raises(Conflict):
        await table.delete(WEATHER, when=when)
    with pytest.raises(Conflict):
        await table.transact([Check(WEATHER, when)])
    await table.delete(WEATHER, when=ABSENT)


async def test_who_held_a_lapsed_lease_cannot_write_after_the_next_holder_took_it(table: Table, clock: MovedClock):
    first = await table.put(WEATHER, {"holder": "first"}, when=ABSENT, expires_at=clock.now + 10)
    clock.now += 10
    second = await table.put(WEATHER, {"holder": "second"}, when=ABSENT, expires_at=clock.now + 10)
    assert second.version > first.version
    with pytest.raises(Conflict):
        await table.put(WEATHER, {"holder": "first"}, when=Unchanged(first.version))


async def test_get_many_answers_in_the_order_asked_for_over_both_tables(table: Table):
    weather, grant = await table.put(WEATHER, {"n": 1}), await table.put(GRANT, {"n": 2})
    assert await table.get_many([GRANT, TRAINS, WEATHER]) == [grant, None, weather]
    assert await table.get_many([]) == []


async def test_get_many_takes_a_hundred_keys_and_refuses_one_more(table: Table):
    await table.put(at("099"), {"n": 99})
    found = await table.get_many([at(f"{n:03}") for n in range(100)])
    assert [item.key.sk for item in found if item] == ["099"]
    with pytest.raises(Invalid, match="at most 100"):
        await table.get_many([at(f"{n:03}") for n in range(101)])


async def test_a_query_lists_what_starts_with_the_prefix_in_byte_order(table: Table):
    for sk in ("SERVER#b", "SERVER#a", "SERVER#é", "SERVER#😀", "SERVER#\ufffd", "SERVER", "SERVEX", "TOOL#a"):
        await table.put(at(sk), {})
    await table.put(Key("registry", "OTHER", "SERVER#c"), {})
    await table.put(Key("grants", "ORG", "SERVER#d"), {})
    servers = ["SERVER#a", "SERVER#b", "SERVER#é", "SERVER#\ufffd", "SERVER#😀"]
    assert await sort_keys(table, prefix="SERVER#") == servers
    assert await sort_keys(table) == ["SERVER", *servers, "SERVEX", "TOOL#a"]
    assert await sort_keys(table, prefix="NOTHING") == []


async def test_pages_follow_one_another_and_the_last_one_says_so(table: Table):
    for n in range(6):
        await table.put(at(f"S#{n}"), {"n": n})
    first = await table.query(PARTITION, prefix="S#", limit=3)
    second = await table.query(PARTITION, prefix="S#", limit=3, after=first.after)
    assert [item.data["n"] for item in (*first.items, *second.items)] == [0, 1, 2, 3, 4, 5]
    assert (first.after, second.after) == ("S#2", None)


async def test_a_page_is_full_however_many_expired_items_lie_between(table: Table, clock: MovedClock):
    for n in range(80):
        await table.put(at(f"S#{n:02}"), {}, expires_at=clock.now if n % 20 else None)
    page = await table.query(PARTITION, prefix="S#", limit=3)
    assert [item.key.sk for item in page.items] == ["S#00", "S#20", "S#40"]
    assert page.after == "S#40"
    assert await sort_keys(table, prefix="S#", after="S#40", limit=3) == ["S#60"]


async def test_a_query_may_start_anywhere_even_outside_its_prefix(table: Table):
    for sk in ("A#1", "B#1", "B#2", "C#1"):
        await table.put(at(sk), {})
    assert await sort_keys(table, prefix="B#", after="A") == ["B#1", "B#2"]
    assert await sort_keys(table, prefix="B#", after="B#1zzz") == ["B#2"]
    assert await sort_keys(table, prefix="B#", after="C") == []
    assert await sort_keys(table, after="B#1") == ["B#2", "C#1"]


async def test_a_transaction_does_everything(table: Table):
    await table.put(TRAINS, {})
    await table.put(COUNTER, {"n": 1})
    await table.transact([
        Put(WEATHER, {"n": 1}, when=ABSENT, expires_at=1_900_000_000),
        Put(COUNTER, {"n": 2}, when=Unchanged(1)),
        Delete(TRAINS, when=PRESENT),
        Check(GRANT, when=ABSENT),
    ])  # fmt: skip
    weather, trains, counter, grant = await table.get_many([WEATHER, TRAINS, COUNTER, GRANT])
    assert seen(weather) == ({"n": 1}, 1, 1_900_000_000)
    assert seen(counter) == ({"n": 2}, 2, None)
    assert trains is None
    assert grant is None


@pytest.mark.parametrize(
    "failing", [Check(GRANT, when=PRESENT), Delete(GRANT, when=PRESENT), Put(GRANT, {}, when=Unchanged(3))]
)
async def test_a_transaction_with_one_failing_condition_does_nothing(table: Table, failing: Any):
    await table.put(TRAINS, {"n": 1})
    with pytest.raises(Conflict):
        await table.transact([Put(WEATHER, {}), Delete(TRAINS), failing])
    weather, trains, grant = await table.get_many([WEATHER, TRAINS, GRANT])
    assert weather is None
    assert seen(trains) == ({"n": 1}, 1, None)
    assert grant is None


async def test_a_transaction_has_up_to_a_hundred_writes_on_distinct_keys(table: Table):
    await table.transact([Put(at(f"{n:03}"), {}) for n in range(100)])
    assert len(await sort_keys(table)) == 100
    with pytest.raises(Invalid, match="at most 100"):
        await table.transact([Put(at(f"{n:03}"), {}) for n in range(101)])
    with pytest.raises(Invalid, match="at most once"):
        await table.transact([Put(WEATHER, {}), Check(WEATHER, when=PRESENT)])


async def test_transactions_of_nothing_are_done(table: Table):
    await table.transact([])
    await table.transact([Check(WEATHER, when=ANY)])


async def test_a_counter_starts_at_zero_and_starts_again_when_it_has_expired(table: Table, clock: MovedClock):
    assert await table.add(COUNTER, 5, expires_at=clock.now + 60) == 5
    assert await table.add(COUNTER, 2, expires_at=clock.now + 999) == 7
    assert seen(await table.get(COUNTER)) == ({"count": 7}, 2, clock.now + 60)
    clock.now += 60
    assert await table.add(COUNTER, -1, expires_at=clock.now + 60) == -1
    assert await table.add(COUNTER, 4, expires_at=clock.now + 60) == 3


async def test_a_counter_that_is_overwritten_is_an_item_like_any_other(table: Table, clock: MovedClock):
    await table.add(COUNTER, 5, expires_at=clock.now + 60)
    assert (await table.put(COUNTER, {"a": 1})).version == 2
    assert await data_of(table, COUNTER) == {"a": 1}
    await table.delete(COUNTER)
    assert await table.add(COUNTER, 1, expires_at=clock.now + 60) == 1


async def test_no_addition_is_lost_among_many_at_once(table: Table, clock: MovedClock):
    counts = await asyncio.gather(*(table.add(COUNTER, 1, expires_at=clock.now + 60) for _ in range(40)))
    assert sorted(counts) == list(range(1, 41))


async def test_of_fifty_writers_who_saw_the_same_version_exactly_one_wins(table: Table):
    async def write(n: int) -> int | None:
        try:
            await table.put(WEATHER, {"winner": n}, when=Unchanged(1))
        except Conflict:
            return None
        return n

    await table.put(WEATHER, {})
    winners = [n for n in await asyncio.gather(*map(write, range(50))) if n is not None]
    assert len(winners) == 1
    assert seen(await table.get(WEATHER)) == ({"winner": winners[0]}, 2, None)


async def test_of_fifty_who_want_to_be_first_exactly_one_is(table: Table):
    async def take(n: int) -> bool:
        try:
            await table.transact([Put(WEATHER, {"holder": n}, when=ABSENT), Put(at(f"S#{n}"), {})])
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*map(take, range(50)))
    assert sum(won) == 1
    assert await sort_keys(table, prefix="S#") == [f"S#{won.index(True)}"]


async def test_an_item_of_350_kb_fits_and_one_byte_more_is_refused_by_name(table: Table):
    around = len('{"text":""}')
    fits = {"text": "é" * ((MAX_ITEM_BYTES - around) // 2)}
    await table.put(WEATHER, fits)
    assert await data_of(table, WEATHER) == fits
    with pytest.raises(Invalid, match="350 KB"):
        await table.put(WEATHER, {"text": fits["text"] + "ab"})
    with pytest.raises(Invalid, match="350 KB"):
        await table.transact([Put(WEATHER, {"text": fits["text"] + "ab"})])
    with pytest.raises(Invalid, match="3 500 KB"):
        await table.transact([Put(at(f"S#{n}"), {"text": "x" * 350_000}) for n in range(11)])
    assert seen(await table.get(WEATHER)) == (fits, 1, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
async def test_what_json_cannot_carry_is_refused(table: Table, value: Any):
    with pytest.raises(Invalid, match="cannot carry"):
        await table.put(WEATHER, {"value": value})


@pytest.mark.parametrize("sk", ["", "\ud800", "x" * 1025, "é" * 513])
async def test_a_key_that_nothing_could_have_finds_nothing_and_takes_nothing(table: Table, sk: str):
    assert await table.get(at(sk)) is None
    assert await table.get_many([at(sk), WEATHER]) == [None, None]
    assert sk == "" or (await table.query(PARTITION, prefix=sk)).items == ()
    for write in (table.put(at(sk), {}), table.delete(at(sk)), table.add(at(sk), 1, expires_at=2_000_000_000)):
        with pytest.raises(Invalid, match="cannot be a key"):
            await write
    with pytest.raises(Invalid, match="cannot be a key"):
        await table.transact([Put(at(sk), {})])
