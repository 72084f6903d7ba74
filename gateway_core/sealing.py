"""The format of everything this deployment seals for itself: AES-256-GCM under a ring of keys. Pure.

Sealed bytes are one version byte, four bytes that name the key, a nonce of twelve, then ciphertext and tag. The first
five are authenticated together with the context.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
NONCE_BYTES: Final = 12
"""Random nonces of this size allow 2^32 messages under one key (NIST SP 800-38D, 8.3): rotate long before."""

_VERSION: Final = b"\x01"
_HEAD_BYTES: Final = len(_VERSION) + KEY_ID_BYTES

RandomBytes = Callable[[int], bytes]
"""So many bytes that nobody can foretell, as `os.urandom`."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys by id. New things are sealed with the current one; whatever any of them sealed can be opened."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def seal(self, plain: bytes, *, context: str, nonce: bytes) -> bytes:
        """See ports.Keyring.seal. `nonce` must never have been used with the current key."""
        head = _VERSION + bytes.fromhex(self.current)
        return head + nonce + AESGCM(self.keys[self.current]).encrypt(nonce, plain, head + context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes | None:
        """See ports.Keyring.open. None for an unknown key as well."""
        key = self.keys.get(key_id(sealed) or "")
        if key is None:
            return None
        head, rest = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        try:
            return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + context.encode())
        except (InvalidTag, ValueError):
            return None

    def lacks_key_of(self, sealed: bytes) -> bool:
        """True when `sealed` names a key that is not here: it is made up, or the ring was rotated since."""
        name = key_id(sealed)
        return name is not None and name not in self.keys

    def rotated(self, random_bytes: RandomBytes) -> "Ring":
        """This ring with a new current key."""
        name = random_bytes(KEY_ID_BYTES).hex()
        return Ring(name, {**self.keys, name: random_bytes(KEY_BYTES)})


def new_ring(random_bytes: RandomBytes) -> Ring:
    """A ring of one new key."""
    return Ring("", {}).rotated(random_bytes)


def key_id(sealed: bytes) -> str | None:
    """The id of the key that `sealed` names, or None when it is no sealed value of this format."""
    if len(sealed) < _HEAD_BYTES or not sealed.startswith(_VERSION):
        return None
    return sealed[len(_VERSION) : _HEAD_BYTES].hex()


def ring_text(ring: Ring) -> str:
    """The ring as JSON: `{"current": id, "keys": {id: base64}}`. A secret."""
    keys = {name: b64encode(key).decode() for name, key in ring.keys.items()}
    return json.dumps({"current": ring.current, "keys": keys})


def read_ring(text: str) -> Ring:
    """The ring in `text`.

    Raises:
        ValueError: It is no ring, or a key has the wrong length. The message holds nothing of it.
    """
    try:
        stored = json.loads(text)
        ring = Ring(stored["current"], {name: b64decode(key, validate=True) for name, key in stored["keys"].items()})
        ids = {len(bytes.fromhex(name)) for name in ring.keys}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("this is no key ring") from None
    if ring.current not in ring.keys or ids != {KEY_ID_BYTES} or any(len(k) != KEY_BYTES for k in ring.keys.values()):
        raise ValueError("this key ring is incomplete")
    return ring
