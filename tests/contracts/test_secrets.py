"""ports.Secrets: what both kinds promise."""

import os
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.aws.secret_values import SecretValues
from gateway_core.aws.secrets import STALE_S, AwsSecrets
from gateway_core.errors import Invalid, StoreUnavailable
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.ports import Secrets
from gateway_core.storage import keys
from gateway_core.storage.secret_names import MAX_VALUE_BYTES
from gateway_core.storage.sqlite import SqliteTable
from tests.contracts.aws import json_api, new_id
from tests.contracts.conftest import MovedClock
from tests.contracts.test_keyrings_apart import Flaky


def aws_secrets(url: str, clock: MovedClock, prefix: str, flaky: Flaky) -> AwsSecrets:
    values = SecretValues(json_api(url, clock, sending=flaky.send), kms_key_id="", new_id=new_id)
    return AwsSecrets(values, prefix=prefix, clock=clock)


@pytest.fixture(params=["local", "aws"])
async def secrets(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Secrets]:
    if request.param == "aws":
        yield aws_secrets(request.getfixturevalue("aws_url"), clock, f"gatehouse-{new_id()}/", Flaky())
        return
    with closing(SqliteTable(tmp_path / "gatehouse.db", clock)) as table:
        yield LocalSecrets(table, LocalKeyring(tmp_path / "keys.json", random_bytes=os.urandom))


async def test_a_secret_is_read_back_as_it_was_put_and_replaced(secrets: Secrets):
    await secrets.put("weather", "Bearer ☂")
    assert await secrets.get("weather") == "Bearer ☂"
    await secrets.put("weather", "Bearer 2")
    assert await secrets.get("weather") == "Bearer 2"


async def test_a_secret_that_is_not_there_is_none(secrets: Secrets):
    assert await secrets.get("weather") is None
    assert await secrets.delete("weather") is False
    assert await secrets.names() == []


async def test_a_deleted_secret_is_gone_and_can_be_made_again(secrets: Secrets):
    for value in ("first", "second"):
        await secrets.put("weather", value)
        assert await secrets.get("weather") == value
        assert await secrets.delete("weather") is True
        assert await secrets.get("weather") is None
        assert await secrets.names() == []
        assert await secrets.delete("weather") is False


async def test_names_are_all_there_and_sorted(secrets: Secrets):
    names = [f"s-{n:03}" for n in range(105)]
    for name in reversed(names):
        await secrets.put(name, "value")
    assert await secrets.names() == names


@pytest.mark.parametrize("name", ["", "Weather", "a/b", "../a", "-a", "a" * 64, "a\n", "é"])
async def test_what_is_no_name_is_refused_and_names_nothing(secrets: Secrets, name: str):
    with pytest.raises(Invalid, match="A secret's name"):
        await secrets.put(name, "value")
    assert await secrets.get(name) is None
    assert await secrets.delete(name) is False


async def test_a_value_of_8_kb_fits_and_what_is_more_nothing_or_no_text_is_refused_unseen(secrets: Secrets):
    await secrets.put("weather", "é" * (MAX_VALUE_BYTES // 2))
    assert await secrets.get("weather") == "é" * (MAX_VALUE_BYTES // 2)
    for value in ("é" * (MAX_VALUE_BYTES // 2) + "x", "", "\ud800"):
        with pytest.raises(Invalid) as raised:
            await secrets.put("weather", value)
        assert "é" not in raised.value.message


async def test_a_secret_that_was_changed_elsewhere_is_read_as_it_is_now(aws_url: str, clock: MovedClock):
    prefix = f"gatehouse-{new_id()}/"
    one, other = (aws_secrets(aws_url, clock, prefix, Flaky()) for _ in range(2))
    await one.put("weather", "old")
    assert await other.get("weather") == "old"
    await one.put("weather", "new")
    assert await other.get("weather") == "new"


async def test_while_secrets_manager_is_down_what_it_said_last_holds_for_an_hour(aws_url: str, clock: MovedClock):
    flaky = Flaky()
    secrets = aws_secrets(aws_url, clock, f"gatehouse-{new_id()}/", flaky)
    await secrets.put("weather", "value")
    await secrets.put("gone", "value")
    await secrets.delete("gone")
    flaky.down = True
    clock.now += STALE_S - 1
    assert await secrets.get("weather") == "value"
    for name in ("gone", "never-read"):
        with pytest.raises(StoreUnavailable):
            await secrets.get(name)
    clock.now += 1
    with pytest.raises(StoreUnavailable):
        await secrets.get("weather")


async def test_names_of_others_and_of_the_key_ring_are_left_out(aws_url: str, clock: MovedClock):
    prefix = f"gatehouse-{new_id()}/"
    values = SecretValues(json_api(aws_url, clock), kms_key_id="alias/ours", new_id=new_id)
    for full in (f"{prefix}system/key-ring", f"{prefix.upper()}loud", "weather", f"{prefix}weather"):
        await values.create(full, "value")
    assert await aws_secrets(aws_url, clock, prefix, Flaky()).names() == ["weather"]


async def test_local_secrets_are_sealed_and_open_under_their_own_name_and_keys_only(tmp_path: Path, clock: MovedClock):
    with closing(SqliteTable(tmp_path / "gatehouse.db", clock)) as table:
        ring = LocalKeyring(tmp_path / "keys.json", random_bytes=os.urandom)
        await LocalSecrets(table, ring).put("weather", "Bearer 1")
        item = await table.get(keys.secret("weather"))
        assert item
        assert "Bearer" not in str(item.data)
        await table.put(keys.secret("trains"), item.data)
        other = LocalKeyring(tmp_path / "other.json", random_bytes=os.urandom)
        for secrets, name in ((LocalSecrets(table, ring), "trains"), (LocalSecrets(table, other), "weather")):
            with pytest.raises(StoreUnavailable, match=f"{name} was sealed with other keys"):
                await secrets.get(name)
