"""What only one of the keepers of data keys promises: what is asked of KMS, and how each says no."""

import json
import logging
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway_core.aws.data_keys import KmsDataKeys
from gateway_core.errors import KeyRefused, StoreUnavailable
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from tests.contracts.aws import json_api
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import mode_of

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0b4f"
PLAIN = bytes(range(32))


class Kms:
    """A KMS that answers as it is told, and remembers what it was asked."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        self.status, self.answer = status, answer
        self.asked: list[tuple[str, Any]] = []

    async def send(self, _method: str, _url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append((headers["x-amz-target"], json.loads(body)))
        return self.status, json.dumps(self.answer).encode()

    def keys(self) -> KmsDataKeys:
        return KmsDataKeys(json_api("http://kms.test/", MovedClock(), sending=self.send), key_id=KEY)


def saying(code: str, message: str = "") -> Kms:
    return Kms(400, {"__type": code, "message": message})


async def test_kms_is_asked_for_one_key_under_ours_with_the_place_that_the_roles_are_bound_to():
    given = {"Plaintext": b64encode(PLAIN).decode(), "CiphertextBlob": b64encode(b"wrapped").decode()}
    kms = Kms(200, given)
    assert await kms.keys().make("w1") == (PLAIN, b"wrapped")
    assert await kms.keys().unwrap(b"wrapped", "w1") == PLAIN
    common = {"KeyId": KEY, "EncryptionContext": {"gatehouse:place": "w1"}}
    assert kms.asked == [
        ("TrentService.GenerateDataKey", {**common, "KeySpec": "AES_256"}),
        ("TrentService.Decrypt", {**common, "CiphertextBlob": given["CiphertextBlob"]}),
    ]


@pytest.mark.parametrize("code", ["InvalidCiphertextException", "IncorrectKeyException"])
async def test_a_wrapping_that_is_not_of_our_kms_key_gives_no_key(code: str):
    assert await saying(code).keys().unwrap(b"wrapped", "w1") is None


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "DisabledException", "KMSInvalidStateException", "NotFoundException"]
)
async def test_a_kms_that_says_no_is_told_to_the_operator_with_its_reason_and_to_callers_without_names(
    code: str, caplog: pytest.LogCaptureFixture
):
    kms = saying(code, f"role/mcp is not authorized to perform kms:Decrypt on {KEY}")
    for asking in (kms.keys().unwrap(b"wrapped", "w1"), kms.keys().make("w1")):
        with caplog.at_level(logging.ERROR), pytest.raises(KeyRefused) as refused:
            await asking
        assert code in refused.value.message
        assert "kms_refused" in refused.value.message
        assert KEY not in refused.value.message
    fields = [record.__dict__["fields"] for record in caplog.records if record.message == "kms_refused"]
    assert [one["operation"] for one in fields] == ["Decrypt", "GenerateDataKey"]
    assert all((one["place"], one["code"]) == ("w1", code) and KEY in one["kms_says"] for one in fields)
    assert len(kms.asked) == 2, "what stands until somebody changes it is not tried again"


@pytest.mark.parametrize(
    "kms",
    [
        saying("ThrottlingException"),
        Kms(500, {"__type": "KMSInternalException"}),
        Kms(500, {"__type": "KeyUnavailableException"}),
        saying("ExpiredTokenException"),
    ],
    ids=lambda kms: str(kms.answer["__type"]),
)
async def test_a_kms_that_cannot_answer_now_is_unavailable_and_has_refused_nothing(kms: Kms):
    for asking in (kms.keys().unwrap(b"wrapped", "w1"), kms.keys().make("w1")):
        with pytest.raises(StoreUnavailable) as unavailable:
            await asking
        assert not isinstance(unavailable.value, KeyRefused)


def local(path: Path) -> LocalDataKeys:
    return LocalDataKeys(LocalKeyring(path, random_bytes=os.urandom), os.urandom)


async def test_on_one_machine_keys_are_wrapped_by_the_private_key_file_and_by_no_other(tmp_path: Path):
    _, wrapped = await local(tmp_path / "sealing.key").make("org")
    assert mode_of(tmp_path / "sealing.key") == 0o600
    assert await local(tmp_path / "another.key").unwrap(wrapped, "org") is None


async def test_on_one_machine_what_the_key_ring_sealed_for_anything_else_is_no_data_key(tmp_path: Path):
    ring = LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom)
    sealed = await ring.seal(PLAIN, context="org")
    assert await LocalDataKeys(ring, os.urandom).unwrap(sealed, "org") is None


async def test_on_one_machine_a_rotation_of_the_key_file_leaves_every_data_key_readable(tmp_path: Path):
    ring = LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom)
    plain, wrapped = await LocalDataKeys(ring, os.urandom).make("org")
    await ring.rotate()
    assert await local(tmp_path / "sealing.key").unwrap(wrapped, "org") == plain


async def test_on_one_machine_a_damaged_key_file_refuses_and_says_what_to_restore(tmp_path: Path):
    _, wrapped = await local(tmp_path / "sealing.key").make("org")
    (tmp_path / "sealing.key").write_text("{}")
    for asking in (local(tmp_path / "sealing.key").unwrap(wrapped, "org"), local(tmp_path / "sealing.key").make("org")):
        with pytest.raises(KeyRefused, match=r"sealing\.key is no key file .* Restore it from a backup"):
            await asking
