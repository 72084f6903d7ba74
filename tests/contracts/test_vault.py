"""The vault on both stores, each with the keeper of keys that belongs to it. Vaults of one store are processes."""

import asyncio
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Literal

import pytest

from gateway_core.aws.data_keys import KmsDataKeys
from gateway_core.errors import KeyRefused
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.storage import keys
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import FRESH_S, Vault
from tests.contracts.aws import json_api, kms_key, make_tables, new_id
from tests.contracts.conftest import MovedClock
from tests.contracts.keepers import Keeper, OneKey, vault
from tests.contracts.reading import data_of

TOKEN = b'{"access_token": "ya29.canary", "refresh_token": "1//canary"}'
ROW = "connection|s1|m1|https://as.example"


def local_keys(folder: Path) -> LocalDataKeys:
    return LocalDataKeys(LocalKeyring(folder / "sealing.key", random_bytes=os.urandom), os.urandom)


@pytest.fixture
async def keeper(request: pytest.FixtureRequest, table: Table, clock: MovedClock, tmp_path: Path) -> Keeper:
    if isinstance(table, SqliteTable):
        return Keeper(local_keys(tmp_path))
    api = json_api(request.getfixturevalue("aws_url"), clock)
    return Keeper(KmsDataKeys(api, key_id=await kms_key(api)))


@pytest.fixture
def one(table: Table, keeper: Keeper, clock: MovedClock) -> Vault:
    return vault(table, keeper, clock)


@pytest.fixture
def other(table: Table, keeper: Keeper, clock: MovedClock) -> Vault:
    return vault(table, keeper, clock)


async def test_what_one_process_sealed_another_opens(one: Vault, other: Vault):
    for place in ("org", "w1"):
        sealed = await one.seal(place, TOKEN, context=ROW)
        assert await other.open(place, sealed, context=ROW) == TOKEN
        assert await one.open(place, sealed, context=ROW) == TOKEN


async def test_neither_what_is_sealed_nor_the_key_shows_in_what_is_stored_or_said(
    one: Vault, table: Table, keeper: Keeper
):
    sealed, again = [await one.seal("org", TOKEN, context=ROW) for _ in range(2)]
    assert sealed != again
    stored = await data_of(table, keys.data_key("org"))
    assert stored is not None
    assert list(stored) == ["wrapped"]
    [key] = keeper.given
    for shown in (sealed.encode(), b64decode(sealed), stored["wrapped"].encode(), b64decode(stored["wrapped"])):
        for secret in (TOKEN, b"canary", key):
            assert secret not in shown
            assert b64encode(secret).rstrip(b"=")[:-1] not in shown
    assert repr(key)[2:-1] not in repr(vars(one))


async def test_a_text_that_was_moved_to_another_row_or_another_place_does_not_open(one: Vault):
    sealed = await one.seal("w1", TOKEN, context=ROW)
    await one.seal("w2", TOKEN, context=ROW)
    for other_row in ("connection|s1|m2|https://as.example", "connection|s1|m1|https://as.evil", "", f"{ROW} "):
        assert await one.open("w1", sealed, context=other_row) is None
    for other_place in ("w2", "org"):
        assert await one.open(other_place, sealed, context=ROW) is None


async def test_a_text_names_its_place_even_where_places_had_the_same_key(table: Table, clock: MovedClock):
    same = vault(table, OneKey(), clock)
    sealed = await same.seal("w1", TOKEN, context=ROW)
    for place, context in (("w2", ROW), ("w1c", ROW[1:]), ("w", f"1{ROW}")):
        await same.seal(place, TOKEN, context=ROW)
        assert await same.open(place, sealed, context=context) is None


async def test_a_text_that_was_altered_anywhere_does_not_open(one: Vault):
    sealed = b64decode(await one.seal("org", TOKEN, context=ROW))
    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert await one.open("org", b64encode(altered).decode(), context=ROW) is None
    for nothing in ("", "AA==", "no base64", "Ĝ", b64encode(sealed[:-1]).decode(), b64encode(sealed).decode() + "\n"):
        assert await one.open("org", nothing, context=ROW) is None


async def test_a_wrapped_key_that_was_moved_to_another_place_is_refused_and_never_replaced(
    one: Vault, other: Vault, table: Table, caplog: pytest.LogCaptureFixture
):
    sealed = await one.seal("w1", TOKEN, context=ROW)
    moved = await data_of(table, keys.data_key("w1"))
    assert moved is not None
    await table.put(keys.data_key("w2"), moved)
    for asking in (other.open("w2", sealed, context=ROW), other.seal("w2", TOKEN, context=ROW)):
        with pytest.raises(KeyRefused, match="Restore the key file or the KMS key that belongs to this store"):
            await asking
    assert await data_of(table, keys.data_key("w2")) == moved
    told = [record.__dict__["fields"] for record in caplog.records if record.message == "data_key_foreign"]
    assert told == [{"place": "w2"}, {"place": "w2"}]


async def test_processes_that_make_the_first_key_at_once_end_with_one(table: Table, keeper: Keeper, clock: MovedClock):
    vaults = [vault(table, keeper, clock) for _ in range(8)]
    # All of them have found that there is none before the first makes one.
    keeper.all_here = asyncio.Barrier(len(vaults))
    sealed = await asyncio.gather(*(each.seal("org", TOKEN, context=ROW) for each in vaults))
    assert len(keeper.given) == 8
    for each in vaults:
        assert [await each.open("org", text, context=ROW) for text in sealed] == [TOKEN] * 8
    item = await table.get(keys.data_key("org"))
    assert item is not None
    assert item.version == 1


async def test_a_place_whose_key_was_deleted_opens_nothing_soon_in_every_process(
    one: Vault, other: Vault, table: Table, clock: MovedClock
):
    sealed, kept = await one.seal("w1", TOKEN, context=ROW), await one.seal("org", TOKEN, context=ROW)
    assert await other.open("w1", sealed, context=ROW) == TOKEN
    await table.delete(keys.data_key("w1"))
    clock.now += FRESH_S
    for each in (one, other):
        assert await each.open("w1", sealed, context=ROW) is None
    assert await other.open("org", kept, context=ROW) == TOKEN


async def test_nothing_is_sealed_with_a_key_that_was_deleted(
    one: Vault, other: Vault, table: Table, keeper: Keeper, clock: MovedClock
):
    old = await other.seal("w1", b"old", context=ROW)
    await table.delete(keys.data_key("w1"))
    new = await other.seal("w1", b"new", context=ROW)
    for each in (one, other, vault(table, keeper, clock)):
        assert await each.open("w1", new, context=ROW) == b"new"
        assert await each.open("w1", old, context=ROW) is None


async def test_a_process_that_holds_a_deleted_key_opens_what_the_next_one_sealed(
    one: Vault, other: Vault, table: Table
):
    await other.seal("w1", b"old", context=ROW)
    await table.delete(keys.data_key("w1"))
    new = await one.seal("w1", b"new", context=ROW)
    assert await other.open("w1", new, context=ROW) == b"new"


def sealed_at_once(*where: str) -> list[str]:
    """What three processes made of one text."""
    command = [sys.executable, "-m", "tests.contracts.sealing_process", *where]
    root, pipe = Path(__file__).parents[2], subprocess.PIPE
    processes = [subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, cwd=root) for _ in range(3)]
    for process in processes:
        assert process.stdin
        process.stdin.write("go")
        process.stdin.flush()
    return [process.communicate()[0].strip() for process in processes]


@pytest.mark.parametrize("store", ["sqlite", "dynamo"])
async def test_real_processes_that_seal_at_the_same_moment_open_what_the_others_sealed(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock
):
    tables: dict[Literal["registry", "grants"], str] = {}
    where: tuple[str, ...] = ()
    if store == "dynamo":
        url = request.getfixturevalue("aws_url")
        tables = await make_tables(json_api(url, clock))
        where = (url, tables["registry"], tables["grants"])
    sealed = sealed_at_once(str(tmp_path), *where)
    table: Table = (
        DynamoTable(json_api(where[0], clock), tables, clock, new_id=new_id)
        if where
        else SqliteTable(tmp_path / "gatehouse.db", clock)
    )
    opening = vault(table, local_keys(tmp_path), clock)
    assert [await opening.open("org", text, context="row") for text in sealed] == [b"token"] * 3
    if isinstance(table, SqliteTable):
        table.close()
