"""Signing the assertions by which a client proves itself (RFC 7523; RFC 7515, compact). Pure.

What reads private keys takes 5 ms to load: only deployments with such a client load this, at their first token call.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

RSA_BITS: Final = 2_048
"""At least so much (RFC 7518, section 3.3)."""
_HALF: Final = 32
"""Bytes of each half of an ES256 signature (RFC 7518, section 3.4)."""

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


def sign(pem: str, claims: Mapping[str, Any]) -> str:
    """A JWT of `claims`: RS256, ES256 or EdDSA, as the key is.

    Raises:
        ValueError: The key cannot be used; the message says which would, and nothing of the key.
    """
    key = _key(pem)
    head = {"alg": _algorithm(key), "typ": "JWT"}
    signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(_signature(key, signed.encode()))}"


def _key(pem: str) -> PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("give it in PEM, without a password") from None
    if isinstance(key, RSAPrivateKey) and key.key_size >= RSA_BITS:
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError(f"give an RSA key of {RSA_BITS} bits or more, a key on the curve P-256, or an Ed25519 key")


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    return "ES256" if isinstance(key, EllipticCurvePrivateKey) else "EdDSA"


def _signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(signed, PKCS1v15(), SHA256())
    if isinstance(key, EllipticCurvePrivateKey):
        return b"".join(half.to_bytes(_HALF) for half in decode_dss_signature(key.sign(signed, ECDSA(SHA256()))))
    return key.sign(signed)


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()
