"""What a secret looks like. Pure, and without imports of others: clients run it under Pythons of their own."""

import re
from base64 import b64encode
from typing import Final, NamedTuple

MARK: Final = "cAnArY7Qx"
"""Stands in secrets that tests choose. It means nothing to anybody, so nothing else holds it."""

SHORTEST: Final = 12
"""Characters of a value that is looked for as it stands: shorter ones may be part of something else."""


def marked(text: str) -> str:
    """A secret called `text`."""
    return f"{text}-{MARK}"


class Shape(NamedTuple):
    """One form of secrets. `hint` is in each of them: what lacks it need not be searched."""

    name: str
    hint: bytes
    form: "re.Pattern[bytes]"


def _within_base64(plain: bytes) -> tuple[bytes, ...]:
    """What base64 of any text with `plain` in it holds: one for each place in three bytes where it may begin."""
    found = []
    for before in range(3):
        text = b64encode(b"\0" * before + plain).rstrip(b"=")
        # Characters of which some bits belong to what stands beside it are left away: one is enough to be another.
        found.append(text[(0, 2, 3)[before] : (before + len(plain)) * 8 // 6])
    return tuple(found)


def _shape(name: str, hint: bytes, form: bytes) -> Shape:
    return Shape(name, hint, re.compile(form))


_RANDOM: Final = rb"[A-Za-z0-9]{43}"
SHAPES: Final = (
    *(_shape("a marked secret", spelt, re.escape(spelt)) for spelt in (MARK.encode(), MARK.encode().hex().encode())),
    *(_shape("a marked secret in base64", spelt, re.escape(spelt)) for spelt in _within_base64(MARK.encode())),
    _shape("an API key", b"ghk_", rb"ghk_ws-[a-z0-9]{8}_k-[a-z0-9]{8}_" + _RANDOM),
    _shape("an access token", b"gha_", rb"gha_(?:ws-[a-z0-9]{8}|org)_g-[a-z0-9]{16}_" + _RANDOM),
    _shape("a refresh token", b"ghr_", rb"ghr_(?:ws-[a-z0-9]{8}|org)_g-[a-z0-9]{16}_" + _RANDOM),
    _shape("an authorization code", b"ghc_", b"ghc_" + _RANDOM),
    _shape("a client secret or set-up token", b"ghs_", b"ghs_" + _RANDOM),
    _shape("an invitation", b"ghi_", b"ghi_" + _RANDOM),
    _shape("an administrator's key", b"ghm_", b"ghm_" + _RANDOM),
    _shape("a token of an account", b"access-", rb"access-\d"),
    _shape("a token of an account", b"refresh-", rb"refresh-\d"),
    _shape("a JWT", b"eyJ", rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
    _shape("a private key", b"PRIVATE KEY", rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    _shape("a private key", b'"d"', rb'"d"\s*:\s*"[\w-]{40,}"'),
)
