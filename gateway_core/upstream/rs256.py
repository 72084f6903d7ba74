"""RSA keys of our own and the JWTs that they sign: RS256 (RFC 7518, section 3.3), keys as JWK (RFC 7517). Pure.

Straight on `cryptography`, and without its PEM and DER, which take 12 ms to load. Only what signs loads this at all.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

BITS: Final = 2_048
"""The least there may be (RFC 7518, section 3.3), and what every server can verify."""
EXPONENT: Final = 65_537
_MEMBERS: Final = ("p", "q", "d", "dp", "dq", "qi", "n", "e")

Jwk = Mapping[str, str]


def new_key() -> RSAPrivateKey:
    """A new key. Takes 30 ms, and ten times that on a small Lambda function."""
    return generate_private_key(EXPONENT, BITS)


def public_jwk(key: RSAPrivateKey) -> dict[str, str]:
    """What everybody may know of a key. Its `kid` is its thumbprint (RFC 7638)."""
    numbers = key.public_key().public_numbers()
    bare = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    thumbprint = sha256(json.dumps(bare, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**bare, "use": "sig", "alg": "RS256", "kid": _text(thumbprint)}


def private_text(key: RSAPrivateKey) -> bytes:
    """The whole key, for `read_key`. A secret."""
    numbers, public = key.private_numbers(), key.public_key().public_numbers()
    parts = (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp, public.n, public.e)
    return json.dumps(dict(zip(_MEMBERS, map(_number, parts), strict=True))).encode()


def read_key(text: bytes) -> RSAPrivateKey:
    """The key that `private_text` wrote."""
    found = json.loads(text)
    p, q, d, dp, dq, qi, n, e = (int.from_bytes(_bytes(found[name])) for name in _MEMBERS)
    numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
    # It was sealed as it was made, and whoever could alter it could sign with one of their own: checking takes 30 ms.
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def jwt(key: RSAPrivateKey, kid: str, claims: Mapping[str, Any]) -> str:
    """A signed JWT in compact form (RFC 7515, section 3.1)."""
    parts = ({"alg": "RS256", "typ": "JWT", "kid": kid}, claims)
    signed = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{_text(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
