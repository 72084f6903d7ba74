"""What only one of the key rings promises: the file is private, Secrets Manager may be down."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway_core.aws.keyring import ASK_AGAIN_S, FRESH_S, AwsKeyring
from gateway_core.aws.secret_values import SecretValues
from gateway_core.errors import Invalid, StoreUnavailable
from gateway_core.local.keyring import LocalKeyring
from gateway_core.sealing import key_id
from tests.contracts.aws import json_api, new_id, send
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import files_in, mode_of

MADE_UP = b"\x01none" + bytes(40)


class Flaky:
    """AWS with a switch; counts what was asked."""

    def __init__(self) -> None:
        self.down = False
        self.asked = 0

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked += 1
        return (503, b"{}") if self.down else await send(method, url, headers, body)


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture
def ring(aws_url: str, clock: MovedClock, flaky: Flaky) -> AwsKeyring:
    values = SecretValues(json_api(aws_url, clock, sending=flaky.send), kms_key_id="", new_id=new_id)
    return AwsKeyring(values, name=f"gatehouse-{new_id()}/key-ring", clock=clock, random_bytes=os.urandom)


async def test_a_warm_gateway_goes_on_with_its_keys_while_secrets_manager_is_down(
    ring: AwsKeyring, flaky: Flaky, clock: MovedClock
):
    sealed = await ring.seal(b"token", context="a")
    flaky.down = True
    clock.now += FRESH_S
    assert await ring.open(sealed, context="a") == b"token"


async def test_a_gateway_that_starts_while_secrets_manager_is_down_is_unavailable(ring: AwsKeyring, flaky: Flaky):
    flaky.down = True
    with pytest.raises(StoreUnavailable):
        await ring.open(MADE_UP, context="a")


async def test_made_up_keys_cost_one_read_a_minute(ring: AwsKeyring, flaky: Flaky, clock: MovedClock):
    await ring.seal(b"token", context="a")
    clock.now += ASK_AGAIN_S
    before = flaky.asked
    for _ in range(50):
        assert await ring.open(MADE_UP, context="a") is None
    assert flaky.asked == before + 1
    for sealed in (b"", b"\x02none" + bytes(40), b"\x01"):
        clock.now += ASK_AGAIN_S
        assert await ring.open(sealed, context="a") is None
    assert flaky.asked == before + 1


async def test_a_key_ring_that_cannot_be_read_is_never_replaced(aws_url: str, clock: MovedClock):
    values = SecretValues(json_api(aws_url, clock), kms_key_id="", new_id=new_id)
    name = f"gatehouse-{new_id()}/key-ring"
    await values.create(name, '{"current": "00000000", "keys": {}}')
    with pytest.raises(StoreUnavailable, match="this key ring is incomplete"):
        await AwsKeyring(values, name=name, clock=clock, random_bytes=os.urandom).seal(b"", context="a")
    await values.delete(name)
    with pytest.raises(StoreUnavailable, match="waiting for its deletion"):
        await AwsKeyring(values, name=name, clock=clock, random_bytes=os.urandom).seal(b"", context="a")


async def test_the_key_file_is_for_this_user_only_and_leaves_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "data" / "keys.json"
    ring = LocalKeyring(path, random_bytes=os.urandom)
    await ring.seal(b"token", context="a")
    await ring.rotate()
    assert mode_of(path) == 0o600
    assert files_in(path.parent) == ["keys.json"]


async def test_a_gateway_seals_with_the_keys_that_were_restored_under_it(tmp_path: Path):
    running = LocalKeyring(tmp_path / "keys.json", random_bytes=os.urandom)
    old = await running.seal(b"old", context="a")
    restored = LocalKeyring(tmp_path / "restored.json", random_bytes=os.urandom)
    await restored.seal(b"", context="a")
    (tmp_path / "restored.json").replace(tmp_path / "keys.json")
    sealed = await running.seal(b"new", context="a")
    assert await restored.open(sealed, context="a") == b"new"
    assert await running.open(old, context="a") is None


def test_processes_that_start_at_once_make_one_key_file(tmp_path: Path):
    program = (
        "import asyncio, os, sys; from pathlib import Path; from gateway_core.local.keyring import LocalKeyring\n"
        "ring = LocalKeyring(Path(sys.argv[1]), random_bytes=os.urandom)\n"
        "sys.stdin.read(1); print(asyncio.run(ring.seal(b'token', context='a')).hex())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "keys.json")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) for _ in range(4)]
    for process in processes:
        assert process.stdin
        process.stdin.write("go")
        process.stdin.flush()
    sealed = [bytes.fromhex(process.communicate(timeout=60)[0]) for process in processes]
    assert len({key_id(one) for one in sealed}) == 1


async def test_a_key_file_that_cannot_be_used_is_never_replaced(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text("lost")
    ring = LocalKeyring(path, random_bytes=os.urandom)
    for call in (ring.seal, ring.open):
        with pytest.raises(Invalid, match=r"keys\.json is no key file .* Restore it"):
            await call(b"\x01keys", context="a")
    assert path.read_text() == "lost"
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        await LocalKeyring(path / "below", random_bytes=os.urandom).seal(b"", context="a")
