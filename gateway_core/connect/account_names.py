"""What an account at an authorization server is called, as far as it tells: a label for people, and nothing else. Pure.

Nobody is let in, and nothing is decided, by what is read here.
"""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

from gateway_core import json_text
from gateway_core.errors import BadRequest

CLAIMS: Final = ("email", "preferred_username", "name")
"""The best first (OpenID Connect Core 1.0, section 5.1)."""
MAX_NAME: Final = 200
"""Characters that are kept."""
MAX_TOKEN: Final = 32_768
"""Characters of an ID token that is looked at; with hundreds of groups they have 12 KB."""


def account_name(told: Mapping[str, Any], *, issuer: str, client_id: str) -> str | None:
    """The name of the account in a token endpoint's answer; None where it says none.

    The signature of the ID token is not checked: it came from the token endpoint itself, over TLS (OpenID Connect Core
    1.0, section 3.1.3.7, item 6). One that another issuer has made, or for another client, says nothing.
    """
    claims = _claims(told.get("id_token"))
    audience = claims.get("aud")
    if claims.get("iss") != issuer or client_id not in (audience if isinstance(audience, list) else [audience]):
        return None
    return next((name for claim in CLAIMS if (name := _readable(claims.get(claim)))), None)


def _claims(token: object) -> Mapping[str, Any]:
    parts = token.split(".") if isinstance(token, str) and len(token) <= MAX_TOKEN and token.isascii() else []
    if len(parts) != 3:
        return {}
    try:
        claims = json_text.parse(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, BadRequest):
        return {}
    return claims if isinstance(claims, dict) else {}


def _readable(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * MAX_NAME]).split())[:MAX_NAME]
