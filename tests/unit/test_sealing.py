"""The sealed format, byte for byte: what is stored for years has to stay readable."""

import os

import pytest

from gateway_core.sealing import Ring, key_id, new_ring, read_ring, ring_text

KEY_TEXT = '{"current": "0a0b0c0d", "keys": {"0a0b0c0d": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}'
SEALED = "010a0b0c0d000000000000000000000001"


def test_the_format_is_version_key_id_nonce_and_ciphertext():
    ring = read_ring(KEY_TEXT)
    sealed = ring.seal(b"token", context="a", nonce=bytes(11) + b"\x01")
    assert sealed.hex().startswith(SEALED)
    assert len(sealed) == 17 + len(b"token") + 16
    assert ring.open(sealed, context="a") == b"token"
    assert key_id(sealed) == "0a0b0c0d"


def test_what_the_first_release_sealed_still_opens():
    sealed = bytes.fromhex(
        "010a0b0c0d000102030405060708090a0b2c67a66fe583ad69ad38f2eac39aea01b78a0a5ffcfceee56868b330f135"
    )
    assert read_ring(KEY_TEXT).open(sealed, context="workspace/research") == b"kept for years"


def test_a_ring_is_written_and_read_back_with_all_its_keys():
    ring = new_ring(os.urandom).rotated(os.urandom)
    assert read_ring(ring_text(ring)) == ring
    assert len(ring.keys) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '"text"', '{"current": "00000000", "keys": {}}', '{"current": "00000000", "keys": []}',
        KEY_TEXT.replace('"current": "0a0b0c0d"', '"current": "00000000"'), KEY_TEXT.replace("AAEC", "AAE"),
        KEY_TEXT.replace("AAEC", ""), KEY_TEXT.replace("0a0b0c0d", "0a0b0c"), KEY_TEXT.replace("0a0b0c0d", "weather"),
    ],
)  # fmt: skip
def test_what_is_no_ring_is_refused_without_a_word_of_it(text: str):
    with pytest.raises(ValueError, match="this") as raised:
        read_ring(text)
    assert "BgcI" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_keys_do_not_show_when_a_ring_is_printed():
    assert "keys" not in repr(Ring("0a0b0c0d", {"0a0b0c0d": b"secret"}))
