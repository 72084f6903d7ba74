"""ports.Keyring: what both key rings promise. Two gateways of one deployment, as `one` and `other`."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_core.aws.keyring import FRESH_S, AwsKeyring
from gateway_core.aws.secret_values import SecretValues
from gateway_core.local.keyring import LocalKeyring
from gateway_core.sealing import key_id
from tests.contracts.aws import json_api, new_id
from tests.contracts.conftest import MovedClock

Ring = AwsKeyring | LocalKeyring
MakeRing = Callable[[], Ring]


@pytest.fixture(params=["local", "aws"])
def make_ring(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> MakeRing:
    """Makes key rings of one deployment, as many gateways as are asked for."""
    if request.param == "local":
        return lambda: LocalKeyring(tmp_path / "data" / "keys.json", random_bytes=os.urandom)
    api = json_api(request.getfixturevalue("aws_url"), clock)
    name = f"gatehouse-{new_id()}/key-ring"
    values = SecretValues(api, kms_key_id="", new_id=new_id)
    return lambda: AwsKeyring(values, name=name, clock=clock, random_bytes=os.urandom)


async def test_what_one_gateway_sealed_another_opens(make_ring: MakeRing):
    sealed = await make_ring().seal("Grüße".encode(), context="session")
    assert await make_ring().open(sealed, context="session") == "Grüße".encode()


async def test_what_is_sealed_does_not_show_and_is_never_the_same_twice(make_ring: MakeRing):
    ring = make_ring()
    one, other = await ring.seal(b"token", context="a"), await ring.seal(b"token", context="a")
    assert one != other
    assert b"token" not in one


async def test_nothing_opens_in_another_context(make_ring: MakeRing):
    ring = make_ring()
    sealed = await ring.seal(b"token", context="workspace/a")
    assert await ring.open(sealed, context="workspace/b") is None


async def test_nothing_opens_that_was_altered_anywhere(make_ring: MakeRing):
    ring = make_ring()
    sealed = await ring.seal(b"token", context="a")
    for place in range(len(sealed)):
        altered = bytes(byte ^ (place == at) for at, byte in enumerate(sealed))
        assert await ring.open(altered, context="a") is None
        assert await ring.open(sealed[:place], context="a") is None


async def test_gateways_that_start_at_once_end_with_one_key(make_ring: MakeRing):
    rings = [make_ring() for _ in range(8)]
    sealed = await asyncio.gather(*(ring.seal(b"token", context="a") for ring in rings))
    assert len({key_id(one) for one in sealed}) == 1
    assert await rings[0].open(sealed[7], context="a") == b"token"


async def test_after_a_rotation_old_and_new_open_everywhere(make_ring: MakeRing, clock: MovedClock):
    one, other = make_ring(), make_ring()
    old = await other.seal(b"old", context="a")
    await one.open(old, context="a")
    await one.rotate()
    new = await one.seal(b"new", context="a")
    assert key_id(old) != key_id(new)
    clock.now += 60
    assert await other.open(new, context="a") == b"new"
    assert key_id(await other.seal(b"newer", context="a")) == key_id(new)
    for ring in (one, other, make_ring()):
        assert await ring.open(old, context="a") == b"old"


async def test_a_rotation_in_the_middle_of_work_loses_nothing(make_ring: MakeRing, clock: MovedClock):
    one, other = make_ring(), make_ring()
    for n in range(30):
        clock.now += FRESH_S // 20
        if n % 10 == 5:
            await one.rotate()
        here, there = await one.seal(b"h", context="a"), await other.seal(b"t", context="a")
        clock.now += 60
        assert await other.open(here, context="a") == b"h"
        assert await one.open(there, context="a") == b"t"
