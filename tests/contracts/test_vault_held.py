"""What a vault holds in memory: how long, how much, what it goes on with, and what it asks for."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway_core import vault as vault_module
from gateway_core.errors import Conflict, KeyRefused, StoreUnavailable
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import ASK_AGAIN_S, FRESH_S, HELD_S, Vault
from tests.contracts.conftest import MovedClock
from tests.contracts.keepers import Keeper, vault


@pytest.fixture
def table(tmp_path: Path, clock: MovedClock) -> Iterator[Table]:
    with closing(SqliteTable(tmp_path / "gatehouse.db", clock)) as table:
        yield table


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(LocalDataKeys(LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom), os.urandom))


@pytest.fixture
async def sealed(table: Table, keeper: Keeper, clock: MovedClock) -> str:
    """A text that some other process sealed in "org"."""
    text = await vault(table, keeper, clock).seal("org", b"token", context="row")
    keeper.asked = 0
    return text


@pytest.fixture
def cold(table: Table, keeper: Keeper, clock: MovedClock) -> Vault:
    """The vault of a process that has just started."""
    return vault(table, keeper, clock)


async def opened(vault: Vault, sealed: str, place: str = "org") -> bytes | None:
    return await vault.open(place, sealed, context="row")


async def test_a_crowd_at_a_cold_start_costs_one_call_of_the_keeper(cold: Vault, keeper: Keeper, sealed: str):
    assert await asyncio.gather(*(opened(cold, sealed) for _ in range(50))) == [b"token"] * 50
    assert keeper.asked == 1
    await cold.seal("org", b"more", context="row")
    assert keeper.asked == 1


async def test_a_crowd_that_seals_first_makes_one_key(cold: Vault, keeper: Keeper):
    await asyncio.gather(*(cold.seal("w1", b"token", context="row") for _ in range(50)))
    assert len(keeper.given) == keeper.asked == 1


async def test_a_held_key_is_unwrapped_again_when_it_is_no_longer_fresh_and_not_before(
    cold: Vault, keeper: Keeper, sealed: str, clock: MovedClock
):
    for seconds, asked in ((0, 1), (FRESH_S - 1, 1), (1, 2), (FRESH_S - 1, 2), (1, 3)):
        clock.now += seconds
        assert await opened(cold, sealed) == b"token"
        await cold.seal("org", b"more", context="row")
        assert keeper.asked == asked


async def test_who_stops_waiting_does_not_stop_it_for_the_others(cold: Vault, keeper: Keeper, sealed: str):
    keeper.goes_on.clear()
    first, second = (asyncio.create_task(opened(cold, sealed)) for _ in range(2))
    await keeper.unwrapping.wait()
    first.cancel()
    keeper.goes_on.set()
    assert await second == b"token"
    assert keeper.asked == 1


async def test_a_process_that_starts_while_the_keeper_is_down_is_unavailable_until_it_answers(
    cold: Vault, keeper: Keeper, sealed: str
):
    keeper.down = True
    with pytest.raises(StoreUnavailable):
        await opened(cold, sealed)
    with pytest.raises(StoreUnavailable):
        await cold.seal("org", b"more", context="row")
    with pytest.raises(StoreUnavailable):
        await cold.seal("w1", b"first", context="row")
    keeper.down = False
    assert await opened(cold, sealed) == b"token"


async def test_a_warm_process_goes_on_while_the_keeper_is_down_and_for_an_hour_at_most(
    cold: Vault, keeper: Keeper, sealed: str, clock: MovedClock
):
    await opened(cold, sealed)
    keeper.down = True
    clock.now += HELD_S - 1
    assert await opened(cold, sealed) == b"token"
    assert await opened(cold, await cold.seal("org", b"more", context="row")) == b"more"
    clock.now += 1
    with pytest.raises(StoreUnavailable):
        await opened(cold, sealed)


async def test_a_keeper_that_is_down_is_asked_once_a_minute(
    cold: Vault, keeper: Keeper, sealed: str, clock: MovedClock
):
    await opened(cold, sealed)
    keeper.down = True
    clock.now += FRESH_S
    for asked in (2, 3):
        for _ in range(20):
            assert await opened(cold, sealed) == b"token"
        assert keeper.asked == asked
        clock.now += ASK_AGAIN_S
    keeper.down = False
    assert await opened(cold, sealed) == b"token"
    clock.now += FRESH_S - 1
    assert await opened(cold, sealed) == b"token"
    assert keeper.asked == 4


async def test_a_key_that_is_refused_is_let_go_at_once(cold: Vault, keeper: Keeper, sealed: str, clock: MovedClock):
    await opened(cold, sealed)
    keeper.refuses = True
    clock.now += FRESH_S
    with pytest.raises(KeyRefused):
        await opened(cold, sealed)
    # Now that nobody answers, there is nothing left to go on with.
    keeper.refuses, keeper.down = False, True
    with pytest.raises(StoreUnavailable):
        await opened(cold, sealed)


async def test_plain_keys_are_bounded_and_the_oldest_goes_first(
    table: Table, keeper: Keeper, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vault_module, "MAX_HELD", 3)
    small = vault(table, keeper, clock)
    texts = {place: await small.seal(place, b"token", context="row") for place in ("w1", "w2", "w3", "w4")}
    keeper.asked = 0
    for place in ("w4", "w3", "w2"):
        assert await opened(small, texts[place], place) == b"token"
    assert keeper.asked == 0
    assert await opened(small, texts["w1"], "w1") == b"token"
    assert keeper.asked == 1


async def test_a_key_that_nobody_asks_for_is_let_go_of_after_its_time(cold: Vault, keeper: Keeper, clock: MovedClock):
    await cold.seal("w1", b"token", context="row")
    await cold.seal("w2", b"token", context="row")
    clock.now += HELD_S
    await cold.seal("w3", b"token", context="row")
    assert list(cold._held) == ["w3"]


async def test_a_first_key_that_was_shredded_while_it_was_made_is_a_conflict_and_not_a_text_nobody_opens(
    keeper: Keeper, clock: MovedClock
):
    class Shredded:
        """A store where somebody else made the key, and shredded it a moment later."""

        async def get(self, _key: Any) -> None:
            return None

        async def put(self, *_what: Any, **_how: Any) -> None:
            raise Conflict("Somebody else was first.")

    with pytest.raises(Conflict):
        await vault(Shredded(), keeper, clock).seal("org", b"token", context="row")  # type: ignore[arg-type]


async def test_while_the_store_does_not_answer_nothing_is_sealed_and_what_is_held_still_opens(
    table: SqliteTable, cold: Vault, sealed: str
):
    await opened(cold, sealed)
    table.close()
    with pytest.raises(StoreUnavailable):
        await cold.seal("org", b"more", context="row")
    assert await opened(cold, sealed) == b"token"
