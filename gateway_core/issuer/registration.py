"""Dynamic client registration (RFC 7591) without a store: the client id is what was registered, sealed.

Some clients register at every health check; so a registration costs nothing, and there is nothing to prune. What was
registered cannot be changed or deleted (RFC 7592 is not offered); rotating the deployment's keys away ends it.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

from gateway_core.issuer import client_metadata
from gateway_core.issuer.client import AUTH_METHODS, GRANT_TYPES, AuthMethod, Client, new_secret, secret_digest
from gateway_core.issuer.client_metadata import NAMELESS, Unacceptable
from gateway_core.ports import Keyring

PREFIX: Final = "ghd_"
MAX_BODY: Final = 16 * 1024
"""Bytes of a registration request; the largest seen has 1 KB."""
MAX_SEALED: Final = 1_500
"""Bytes of what is sealed. As a client id that is 2 100 characters, which every redirect of a sign-in carries."""
_CONTEXT: Final = "client"


async def register(keyring: Keyring, said: Mapping[str, Any], *, now: int) -> dict[str, Any]:
    """Register a client and give the answer (RFC 7591, section 3.2.1): everything that was registered.

    Raises:
        Unacceptable: It cannot be registered; nothing was.
    """
    uris = client_metadata.redirect_uris(said)
    method = _method(said)
    client_metadata.check_code_flow(said)
    client_metadata.check_keys(said)
    name = client_metadata.name(said) or NAMELESS
    client_metadata.check_shown_uris(said)
    secret = None if method == "none" else new_secret()
    sealed = {"n": name, "r": uris, "m": method, "s": secret and secret_digest(secret), "t": now}
    plain = json.dumps(sealed, separators=(",", ":"), ensure_ascii=False).encode()
    if len(plain) > MAX_SEALED:
        raise Unacceptable("invalid_client_metadata", f"Name and URIs together are longer than {MAX_SEALED:,} bytes.")
    blob = urlsafe_b64encode(await keyring.seal(plain, context=_CONTEXT)).decode().rstrip("=")
    answer: dict[str, Any] = {
        "client_id": PREFIX + blob,
        "client_id_issued_at": now,
        "client_name": name,
        "redirect_uris": list(uris),
        "token_endpoint_auth_method": method,
        "grant_types": sorted(GRANT_TYPES),
        "response_types": ["code"],
    }
    if secret is not None:
        # 0: it does not expire (RFC 7591, section 3.2.1).
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer


async def find(keyring: Keyring, client_id: str) -> Client | None:
    """The client that a client id of ours holds, or None when it was made up or altered."""
    text = client_id.removeprefix(PREFIX)
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Error, ValueError):
        return None
    # One client has one id: base64 has several spellings of the same bytes.
    if urlsafe_b64encode(sealed).decode().rstrip("=") != text:
        return None
    plain = await keyring.open(sealed, context=_CONTEXT)
    if plain is None:
        return None
    held = json.loads(plain)
    return Client(client_id, "dynamic", held["n"], tuple(held["r"]), held["m"], held["s"])


def _method(said: Mapping[str, Any]) -> AuthMethod:
    """How the client will authenticate. RFC 7591's own default is a secret, but who leaves it out here (the Python
    SDK) is a program on somebody's machine, which can keep none; the answer says `none`."""
    asked = said.get("token_endpoint_auth_method", "none")
    for method in AUTH_METHODS:
        if method == asked:
            return method
    raise Unacceptable(
        "invalid_client_metadata", f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}."
    )
