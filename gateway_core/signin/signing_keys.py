"""The keys that the identity provider signs with (RFC 7517), kept a while; unknown ones are asked for once a minute."""

from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from gateway_core.ports import Clock
from gateway_core.signin.asking import Asking, distrusted

KEPT_S: Final = 900
"""A key that the provider withdraws is believed so much longer at most."""
FORCED_EVERY_S: Final = 60
"""An unknown key id makes us ask again this often at most: anybody can make one up."""
MAX_KEYS: Final = 50
"""Keys of a set that are looked at. Providers have 2 to 10."""
RSA_CHARACTERS: Final = range(342, 1_367)
"""Lengths of an RSA modulus in base64url: 2 048 bits at least (RFC 7518, section 3.3), 8 192 at most, for more takes
seconds."""

FAMILIES: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Signatures that are believed, with the type and curve of their keys. No `none`, and nothing symmetric: what
verifies a signature there could also make one."""


class SigningKeys:
    """The key set of one provider."""

    def __init__(self, asking: Asking, clock: Clock) -> None:
        self._asking = asking
        self._clock = clock
        self._keys: list[Mapping[str, Any]] = []
        self._kept_until = 0
        self._forced_at = -FORCED_EVERY_S

    async def find(self, jwks_uri: str, *, alg: str, kid: str | None) -> Key:
        """The key for a signature.

        Args:
            jwks_uri: Where the set is.
            alg: One of `FAMILIES`.
            kid: As the signature names it. Without one, the set must have a single key that fits
                (OpenID Connect Core 1.0, section 10.1).

        Raises:
            SignInFailed: There is none, or the set cannot be fetched.
        """
        fresh = self._clock() >= self._kept_until
        if fresh:
            await self._fetch(jwks_uri)
        found = fitting(self._keys, alg=alg, kid=kid)
        if not found and not fresh and self._clock() >= self._forced_at + FORCED_EVERY_S:
            self._forced_at = self._clock()
            await self._fetch(jwks_uri)
            found = fitting(self._keys, alg=alg, kid=kid)
        if len(found) != 1:
            raise distrusted("signed with an unknown key" if not found else "its key cannot be told")
        return found[0]

    async def _fetch(self, jwks_uri: str) -> None:
        document = await self._asking.get(jwks_uri, what="keys")
        keys = document.get("keys")
        self._keys = [key for key in keys[:MAX_KEYS] if isinstance(key, dict)] if isinstance(keys, list) else []
        self._kept_until = self._clock() + KEPT_S


def fitting(keys: list[Mapping[str, Any]], *, alg: str, kid: str | None) -> list[Key]:
    """The keys of a set that could have made a signature. Pure."""
    named = [key for key in keys if kid is None or key.get("kid") == kid]
    read = [_read(key) for key in named if _may_sign(key, alg)]
    return [key for key in read if key is not None]


def _may_sign(key: Mapping[str, Any], alg: str) -> bool:
    kind, curve = FAMILIES[alg]
    operations = key.get("key_ops")
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", alg) in (alg, *(("EdDSA", "Ed25519") if kind == "OKP" else ()))
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        # A private key that everybody can read signs for everybody.
        and "d" not in key
        and (kind != "RSA" or len(str(key.get("n")).lstrip("A")) in RSA_CHARACTERS)
    )


def _read(key: Mapping[str, Any]) -> Key | None:
    members = {name: key[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in key}
    try:
        found = import_key(members)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if isinstance(found, RSAKey | ECKey | OKPKey) else None
