"""ID tokens (OpenID Connect Core 1.0, sections 2 and 3.1.3.7): whose signature, for whom, and until when. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, extract_compact

from gateway_core.signin.signing_keys import FAMILIES

LEEWAY_S: Final = 120
"""How far the provider's clock may be from ours."""
MAX_AGE_S: Final = 600
"""A token was made since the sign-in began (`provider.BEGUN_S`)."""
MAX_SUBJECT: Final = 255
"""Characters of a subject (section 2)."""


class _Registry(JWSRegistry):
    """Signatures that are believed. `EdDSA` is read as Ed25519, its one curve in use (RFC 9864)."""

    max_header_length = 4_096

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY: Final = _Registry(algorithms=[name for name in FAMILIES if name != "EdDSA"], strict_check_header=False)


class Signed(NamedTuple):
    """How a token says it was signed. Nothing is proved yet."""

    alg: str
    kid: str | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say."""

    issuer: str
    client_id: str
    nonce: str
    now: int


def read_signed(token: str) -> Signed | str:
    """Algorithm and key id of a token, or a fixed word for why it cannot be believed."""
    try:
        header = extract_compact(token.encode(), registry=_REGISTRY).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        return "no token"
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in FAMILIES:
        return "signed with an algorithm that is not allowed"
    if not isinstance(kid, str | None) or "crit" in header or "b64" in header:
        return "a header that cannot be read"
    return Signed(alg, kid)


def claims_of(token: str, key: Key, expected: Expected) -> Mapping[str, Any] | str:
    """The claims that `key` vouches for, or a fixed word for why they cannot be believed."""
    try:
        claims = jwt.decode(token, key, registry=_REGISTRY).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        return "wrong signature"
    return claims_problem(claims, expected) or claims


def claims_problem(claims: Mapping[str, Any], expected: Expected) -> str | None:
    """A fixed word for why these claims are not this sign-in's, or None."""
    if claims.get("iss") != expected.issuer:
        return "wrong issuer"
    if not _for_us(claims, expected.client_id):
        return "made for another client"
    problem = _time_problem(claims, expected.now)
    if problem is not None:
        return problem
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(_bytes(nonce), _bytes(expected.nonce)):
        return "wrong nonce"
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isascii():
        return "no subject"
    return None


def _for_us(claims: Mapping[str, Any], client_id: str) -> bool:
    """True where the audience is us; of several audiences, where `azp` says that it was made for us."""
    audience, azp = claims.get("aud"), claims.get("azp", client_id)
    if azp != client_id:
        return False
    if isinstance(audience, list):
        return client_id in audience and (len(audience) == 1 or "azp" in claims)
    return bool(audience == client_id)


def _time_problem(claims: Mapping[str, Any], now: int) -> str | None:
    expires, made, since = _time(claims.get("exp")), _time(claims.get("iat")), _time(claims.get("nbf", 0))
    if expires is None or made is None or since is None:
        return "no times"
    if now >= expires + LEEWAY_S:
        return "expired"
    if made > now + LEEWAY_S or since > now + LEEWAY_S:
        return "not valid yet"
    if made < now - MAX_AGE_S - LEEWAY_S:
        return "made before this sign-in"
    return None


def _time(value: Any) -> float | None:
    """A NumericDate (RFC 7519, section 2), or None. `true` is an int to Python, and NaN is before and after nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 2**53 else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
