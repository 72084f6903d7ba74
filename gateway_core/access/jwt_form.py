"""Signed tokens of other issuers as they are written (RFC 7515, compact): taken apart, nothing believed yet. Pure.

Of the header counts the algorithm, which has to be one that was allowed beforehand, and the name of the key. What else
it offers to verify the token with (`jku`, `jwk`, `x5u`, `x5c`) is not looked at.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core import json_text
from gateway_core.errors import BadRequest

MAX_HEADER: Final = 1_024
"""Bytes of a token's header; with a key's thumbprint it has 150."""
MAX_KEY_ID: Final = 256
TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")
"""A token that says it is of another type was made for something else (RFC 8725, section 3.11)."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A token in its parts."""

    alg: str
    kid: str | None
    signed: bytes
    signature: bytes
    claims: Mapping[str, Any]


def read_jws(token: str, algorithms: Collection[str]) -> Jws | str:
    """A token in its parts, or a fixed word for why it cannot be believed.

    Args:
        token: As it was sent, of bounded length.
        algorithms: Those that are allowed.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return "no_jws"
    header_bytes, payload, signature = (decoded(part) for part in parts)
    if header_bytes is None or payload is None or signature is None or len(header_bytes) > MAX_HEADER:
        return "no_base64url"
    header, claims = read_object(header_bytes), read_object(payload)
    if header is None or claims is None:
        return "no_json_object"
    alg, kid = header.get("alg"), header.get("kid")
    problem = _header_problem(header, algorithms)
    if problem is not None or not isinstance(alg, str) or not isinstance(kid, str | None):
        return problem or "broken_header"
    return Jws(alg, kid, token.rpartition(".")[0].encode(), signature, claims)


def read_object(text: bytes) -> dict[str, Any] | None:
    """The JSON object in `text`; None for anything else, and for what two readers could read in two ways."""
    try:
        found = json_text.parse(text)
    except BadRequest:
        return None
    return found if isinstance(found, dict) else None


def decoded(text: str) -> bytes | None:
    """The bytes behind base64url without padding, or None. There is one way to write them (RFC 4648, section 3.5)."""
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return found if urlsafe_b64encode(found).rstrip(b"=") == text.encode() else None


def _header_problem(header: Mapping[str, Any], algorithms: Collection[str]) -> str | None:
    alg, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(alg, str) or alg not in algorithms:
        return "algorithm_not_allowed"
    if kid is not None and (not isinstance(kid, str) or len(kid) > MAX_KEY_ID):
        return "broken_header"
    # Both change what is signed (RFC 7515, section 4.1.11; RFC 7797); "cty" announces a token in the token.
    if header.keys() & {"crit", "b64", "cty"}:
        return "broken_header"
    if kind is not None and not isinstance(kind, str):
        return "broken_header"
    return None if (kind and kind.lower()) in TYPES else "another_type"
