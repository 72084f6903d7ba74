"""Public keys of other issuers (RFC 7517), and what they verify (RFC 7518, section 3; RFC 8037). Pure.

Straight on `cryptography`, which the data plane has loaded anyway: a JOSE library costs it 170 ms at its first call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from gateway_core.access.jwt_form import decoded

MAX_KEYS: Final = 50
"""Keys of a set that are looked at. Issuers have 2 to 10."""
RSA_BITS: Final = range(2_048, 8_193)
"""At least so much (RFC 7518, section 3.3); more takes too long."""
MAX_EXPONENT: Final = 2**32
_CURVES: Final[Mapping[str, EllipticCurve]] = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class Algorithm(NamedTuple):
    """A signature: whose keys make it, and how."""

    kty: str
    crv: str | None
    digest: HashAlgorithm | None


ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "RS256": Algorithm("RSA", None, SHA256()),
    "RS384": Algorithm("RSA", None, SHA384()),
    "RS512": Algorithm("RSA", None, SHA512()),
    "PS256": Algorithm("RSA", None, SHA256()),
    "PS384": Algorithm("RSA", None, SHA384()),
    "PS512": Algorithm("RSA", None, SHA512()),
    "ES256": Algorithm("EC", "P-256", SHA256()),
    "ES384": Algorithm("EC", "P-384", SHA384()),
    "ES512": Algorithm("EC", "P-521", SHA512()),
    "EdDSA": Algorithm("OKP", "Ed25519", None),
    "Ed25519": Algorithm("OKP", "Ed25519", None),
}
"""No `none`, and nothing symmetric: what verifies such a signature could also make one."""


@dataclass(frozen=True, slots=True)
class Jwk:
    """A key of a set, and what it says it is for."""

    kid: str | None
    kty: str
    crv: str | None
    alg: str | None
    key: PublicKey


def read_keys(entries: Sequence[Any]) -> list[Jwk]:
    """The keys of a set that can verify signatures; others are passed over (RFC 7517, section 5)."""
    found = (_read(entry) for entry in entries[:MAX_KEYS] if isinstance(entry, dict))
    return [key for key in found if key is not None]


def fitting(keys: Sequence[Jwk], *, alg: str, kid: str | None) -> list[Jwk]:
    """The keys that could have made a signature. `kid` is compared, and nothing else is done with it."""
    wanted = ALGORITHMS[alg]
    same = {alg, "EdDSA", "Ed25519"} if wanted.kty == "OKP" else {alg}
    return [
        key
        for key in keys
        if (key.kty, key.crv) == (wanted.kty, wanted.crv)
        and (kid is None or key.kid == kid)
        and (key.alg is None or key.alg in same)
    ]


def verifies(key: PublicKey, alg: str, signed: bytes, signature: bytes) -> bool:
    """True when `key` made `signature` over `signed`."""
    digest = ALGORITHMS[alg].digest
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, EllipticCurvePublicKey):
            return digest is not None and _ec_verifies(key, digest, signed, signature)
        elif digest is not None:
            pss = PSS(MGF1(digest), digest.digest_size)
            key.verify(signature, signed, pss if alg.startswith("PS") else PKCS1v15(), digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ec_verifies(key: EllipticCurvePublicKey, digest: HashAlgorithm, signed: bytes, signature: bytes) -> bool:
    size = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        return False
    halves = (int.from_bytes(part) for part in (signature[:size], signature[size:]))
    key.verify(encode_dss_signature(*halves), signed, ECDSA(digest))
    return True


def _read(entry: Mapping[str, Any]) -> Jwk | None:
    kid, alg, kty = entry.get("kid"), entry.get("alg"), entry.get("kty")
    make = _MAKERS.get(kty) if isinstance(kty, str) else None
    if make is None or not isinstance(kid, str | None) or not isinstance(alg, str | None) or not _for_signatures(entry):
        return None
    try:
        key = make(entry)
    except (ValueError, KeyError, TypeError):
        return None
    crv = None if kty == "RSA" else str(entry["crv"])
    return None if key is None else Jwk(kid, str(kty), crv, alg, key)


def _for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    return (
        entry.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        # A private key that everybody can read signs for everybody.
        and "d" not in entry
    )


def _rsa(entry: Mapping[str, Any]) -> PublicKey | None:
    modulus, exponent = _number(entry["n"]), _number(entry["e"])
    if modulus.bit_length() not in RSA_BITS or not 2 < exponent < MAX_EXPONENT:
        return None
    return RSAPublicNumbers(exponent, modulus).public_key()


def _ec(entry: Mapping[str, Any]) -> PublicKey | None:
    curve = _CURVES[entry["crv"]]
    return EllipticCurvePublicNumbers(_number(entry["x"]), _number(entry["y"]), curve).public_key()


def _okp(entry: Mapping[str, Any]) -> PublicKey | None:
    return Ed25519PublicKey.from_public_bytes(_bytes(entry["x"])) if entry["crv"] == "Ed25519" else None


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any]], PublicKey | None]]] = {"RSA": _rsa, "EC": _ec, "OKP": _okp}


def _number(value: Any) -> int:
    return int.from_bytes(_bytes(value))


def _bytes(value: Any) -> bytes:
    found = decoded(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("no base64url")
    return found
