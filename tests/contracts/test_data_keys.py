"""ports.DataKeys: what both promise. Two gateways of one deployment, as `one` and `other`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_core.aws.data_keys import KmsDataKeys
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import DataKeys
from tests.contracts.aws import json_api, kms_key
from tests.contracts.conftest import MovedClock

MakeKeys = Callable[[], DataKeys]
MOTO_HEAD = 36
"""moto names the key at the start of what it wraps, and fails in ways of its own where that is altered."""


@pytest.fixture(params=["local", "aws"])
async def make_keys(request: pytest.FixtureRequest, tmp_path: Path, clock: MovedClock) -> MakeKeys:
    """Makes the data keys of one deployment, as many gateways as are asked for."""
    if request.param == "local":
        return lambda: LocalDataKeys(LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom), os.urandom)
    url = request.getfixturevalue("aws_url")
    key_id = await kms_key(json_api(url, clock))
    return lambda: KmsDataKeys(json_api(url, clock), key_id=key_id)


async def test_what_one_gateway_wrapped_another_unwraps(make_keys: MakeKeys):
    plain, wrapped = await make_keys().make("org")
    assert await make_keys().unwrap(wrapped, "org") == plain


async def test_a_key_has_256_bits_is_never_the_same_twice_and_does_not_show_in_its_wrapping(make_keys: MakeKeys):
    keys = make_keys()
    (one, wrapped_one), (other, wrapped_other) = await keys.make("org"), await keys.make("org")
    assert len(one) == len(other) == 32
    assert one != other
    assert one not in wrapped_one
    assert wrapped_one != wrapped_other


async def test_a_key_is_unwrapped_for_the_context_that_it_was_made_for_and_no_other(make_keys: MakeKeys):
    keys = make_keys()
    _, wrapped = await keys.make("w1")
    for other in ("w2", "org", "W1", "w1 "):
        assert await keys.unwrap(wrapped, other) is None


async def test_a_wrapping_that_was_altered_or_cut_gives_no_key(make_keys: MakeKeys):
    keys = make_keys()
    _, wrapped = await keys.make("org")
    for place in range(MOTO_HEAD, len(wrapped)):
        assert await keys.unwrap(wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :], "org") is None
    assert await keys.unwrap(wrapped[:-1], "org") is None
    assert await keys.unwrap(wrapped[:10], "org") is None
