"""The keys that say who calls, on both stores: made once for all, published before they sign and after, never lost."""

import asyncio
import logging
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway_core.errors import KeyRefused, StoreFull, StoreUnavailable
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.storage import keys
from gateway_core.upstream import identity_keys, rs256
from gateway_core.upstream.identity_keys import AHEAD_S, FRESH_S, RETIRED_S, SIGNS_S, IdentityKeys
from gateway_core.upstream.identity_tokens import LIFE_S
from gateway_core.web.oauth.key_set import KEPT_S
from tests.contracts.conftest import MovedClock
from tests.contracts.keepers import Keeper, vault
from tests.contracts.reading import data_of
from tests.contracts.together import Counted, Together

DAY_S = 86_400


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(LocalDataKeys(LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom), os.urandom))


@pytest.fixture
def one(table: Table, keeper: Keeper, clock: MovedClock) -> IdentityKeys:
    return process(table, keeper, clock)


@pytest.fixture
def other(table: Table, keeper: Keeper, clock: MovedClock) -> IdentityKeys:
    return process(table, keeper, clock)


def process(table: Any, keeper: Keeper, clock: MovedClock) -> IdentityKeys:
    return IdentityKeys(table, vault(table, keeper, clock), clock)


async def kids(process: IdentityKeys) -> list[str]:
    return [key["kid"] for key in await process.public()]


async def signs(process: IdentityKeys) -> str:
    """Which key signs, after what it signs was verified with the key set that everybody reads."""
    signer = await process.signer()
    token = rs256.jwt(signer.key, signer.kid, {"sub": "ana"})
    [public] = [key for key in await process.public() if key["kid"] == signer.kid]
    assert jwt.decode(token, RSAKey.import_key(dict(public))).claims == {"sub": "ana"}
    return signer.kid


async def test_the_first_key_signs_at_once_and_is_the_same_for_every_process(one: IdentityKeys, other: IdentityKeys):
    first = await signs(one)
    assert await kids(one) == await kids(other) == [first]
    assert await signs(other) == first


async def test_who_only_asks_for_the_key_set_finds_the_key_that_will_sign(one: IdentityKeys, other: IdentityKeys):
    assert await kids(one) == [await signs(other)]


async def test_a_key_set_shows_what_verifies_and_nothing_that_signs(one: IdentityKeys, table: Table):
    await one.signer()
    [public] = await one.public()
    assert public.keys() == {"kty", "use", "alg", "kid", "n", "e"}
    assert (public["kty"], public["use"], public["alg"]) == ("RSA", "sig", "RS256")
    found = RSAKey.import_key(dict(public))
    assert found.thumbprint() == public["kid"]
    assert found.raw_value.key_size == 2048


async def test_a_private_key_is_in_the_store_sealed_and_in_no_repr(one: IdentityKeys, table: Table):
    signer = await one.signer()
    private = rs256.private_text(signer.key)
    stored = await data_of(table, keys.identity_keys())
    assert stored is not None
    [kept] = stored["keys"]
    assert kept.keys() == {"public", "signs_from", "sealed"}
    prime = rs256._number(signer.key.private_numbers().p)
    for shown in (repr(stored), repr(b64decode(kept["sealed"])), repr(one), repr(vars(one.vault))):
        assert prime not in shown
        assert private.decode() not in shown


async def test_processes_that_need_the_first_key_at_once_end_with_one(table: Table, keeper: Keeper, clock: MovedClock):
    all_here = asyncio.Barrier(4)
    processes = [process(Together(table, all_here), keeper, clock) for _ in range(4)]
    async with asyncio.timeout(60):
        made = await asyncio.gather(*(each.signer() for each in processes))
    assert await kids(processes[0]) == [made[0].kid]
    assert len({signer.kid for signer in made}) == 1


async def test_processes_that_find_at_once_that_it_is_time_for_the_next_key_end_with_one(
    one: IdentityKeys, table: Table, keeper: Keeper, clock: MovedClock
):
    first = await signs(one)
    clock.now += SIGNS_S
    all_here = asyncio.Barrier(4)
    processes = [process(Together(table, all_here), keeper, clock) for _ in range(4)]
    async with asyncio.timeout(60):
        seen = await asyncio.gather(*(kids(each) for each in processes))
    assert seen[0][0] == first
    assert [len(each) for each in seen] == [2] * 4
    assert len({tuple(each) for each in seen}) == 1


async def test_a_key_is_published_a_day_before_it_signs_and_until_nothing_lives_that_it_signed(
    one: IdentityKeys, other: IdentityKeys, clock: MovedClock
):
    first = await signs(one)
    clock.now += SIGNS_S - 1
    assert await kids(one) == [first]
    clock.now += 1
    _, second = await kids(one)
    clock.now += AHEAD_S - 1
    assert await signs(one) == await signs(other) == first
    assert await kids(other) == [first, second]
    clock.now += FRESH_S
    assert await signs(one) == await signs(other) == second
    clock.now += RETIRED_S - FRESH_S
    assert await kids(one) == [first, second]
    clock.now += 1
    assert await kids(one) == [second]
    # The next one is due by the age of the second.
    clock.now += SIGNS_S
    assert len(await kids(one)) == 2
    assert await signs(one) == second


def test_no_token_outlives_the_key_set_that_verifies_it_and_no_key_signs_unseen():
    assert RETIRED_S > FRESH_S + LIFE_S + KEPT_S
    assert AHEAD_S >= 3_600 > KEPT_S


async def test_a_gateway_that_nobody_called_for_a_year_signs_on_with_the_key_that_everybody_knows(
    one: IdentityKeys, clock: MovedClock
):
    first = await signs(one)
    clock.now += 365 * DAY_S
    assert await signs(one) == first
    assert len(await kids(one)) == 2
    clock.now += AHEAD_S
    assert await signs(one) != first


async def test_a_clock_that_was_set_back_leaves_the_oldest_key_to_sign_with(
    one: IdentityKeys, table: Table, keeper: Keeper, clock: MovedClock
):
    first = await signs(one)
    clock.now += SIGNS_S
    assert len(await kids(one)) == 2
    clock.now -= SIGNS_S + 7 * DAY_S
    assert await signs(process(table, keeper, clock)) == first


async def test_a_process_looks_for_another_key_every_five_minutes_and_never_between(
    table: Table, keeper: Keeper, clock: MovedClock
):
    counted = Counted(table)
    one = process(counted, keeper, clock)
    await asyncio.gather(*(one.signer() for _ in range(10)))
    looked, asked = counted.gets, keeper.asked
    clock.now += FRESH_S - 1
    await one.signer()
    assert (counted.gets, keeper.asked) == (looked, asked)
    clock.now += 1
    await asyncio.gather(*(one.signer() for _ in range(10)))
    assert counted.gets == looked + 1


async def test_a_caller_who_leaves_while_the_key_is_made_takes_it_from_nobody(one: IdentityKeys):
    leaving, staying = asyncio.create_task(one.signer()), asyncio.create_task(one.signer())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).kid == (await one.signer()).kid


async def test_once_the_organisations_key_was_removed_another_signs_and_what_was_signed_still_verifies(
    one: IdentityKeys, table: Table, keeper: Keeper, clock: MovedClock, caplog: pytest.LogCaptureFixture
):
    first = await signs(one)
    clock.now += SIGNS_S
    _, waiting = await kids(one)
    await table.delete(keys.data_key("org"))
    clock.now += FRESH_S
    fresh = [process(table, keeper, clock) for _ in range(2)]
    second = await signs(fresh[0])
    assert second not in (first, waiting)
    assert await signs(fresh[1]) == await signs(one) == second
    assert await kids(one) == [first, second], "what waited could be opened by nobody either"
    told = [record.__dict__["fields"] for record in caplog.records if record.message == "identity_key_lost"]
    assert told == [{"kid": first}]


async def test_a_private_key_that_was_moved_to_another_key_s_place_does_not_sign(
    one: IdentityKeys, table: Table, keeper: Keeper, clock: MovedClock
):
    first = await signs(one)
    clock.now += SIGNS_S
    await kids(one)
    stored = await data_of(table, keys.identity_keys())
    assert stored is not None
    old, new = stored["keys"]
    await table.put(keys.identity_keys(), {"keys": [{**old, "sealed": new["sealed"]}, new]})
    assert await signs(process(table, keeper, clock)) != first


@pytest.mark.parametrize("refusal", [StoreFull("full"), StoreUnavailable("no answer")])
async def test_a_key_signs_past_its_time_while_no_other_can_be_written(
    table: Table, keeper: Keeper, clock: MovedClock, refusal: Exception, caplog: pytest.LogCaptureFixture
):
    counted = Counted(table)
    one = process(counted, keeper, clock)
    first = await signs(one)
    clock.now += SIGNS_S
    counted.refusal = refusal
    with caplog.at_level(logging.WARNING):
        assert await signs(one) == first
        assert await kids(one) == [first]
    assert "identity_key_not_made" in {record.message for record in caplog.records}
    counted.refusal = None
    assert len(await kids(one)) == 2


@pytest.mark.parametrize("refusal", [StoreFull("full"), StoreUnavailable("no answer")])
async def test_where_the_first_key_cannot_be_written_nothing_is_signed(
    table: Table, keeper: Keeper, clock: MovedClock, refusal: Exception
):
    counted = Counted(table)
    counted.refusal = refusal
    one = process(counted, keeper, clock)
    with pytest.raises(type(refusal)):
        await one.signer()
    counted.refusal = None
    assert await signs(one) == (await kids(one))[0]


async def test_who_may_not_open_the_key_any_more_does_not_sign_on_with_it(
    one: IdentityKeys, keeper: Keeper, clock: MovedClock
):
    first = await signs(one)
    keeper.refuses = True
    clock.now += FRESH_S
    with pytest.raises(KeyRefused):
        await one.signer()
    assert await kids(one) == [first], "the key set needs nobody's leave"


async def test_a_store_whose_keys_others_replace_all_the_time_is_given_up(
    table: Table, keeper: Keeper, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
):
    class Overtaken(Counted):
        async def put(self, key: Any, data: Any, **named: Any) -> Any:
            if key == keys.identity_keys():
                self.gets += 100
                await self._table.put(key, {"keys": []})
            return await self._table.put(key, data, **named)

    overtaken = Overtaken(table)
    with pytest.raises(StoreUnavailable, match="could not be written"):
        await process(overtaken, keeper, clock).signer()
    assert overtaken.gets // 100 == identity_keys.TRIES
