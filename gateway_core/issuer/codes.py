"""Authorization codes: what was approved, for a minute and one redemption. Pure.

A code is `ghc_` and 256 random bits; its SHA-256 is stored. A code that was used stays for a day, so that who shows it
again is noticed: one of the two has stolen it (RFC 9700, section 4.5).
"""

import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway_core.access.grants import ClientKind

PREFIX: Final = "ghc_"
SECRET_LENGTH: Final = 43
"""Characters of 62: 256 bits."""
LIFE_S: Final = 60
"""RFC 6749 allows ten minutes; a client redeems within a second."""
KEPT_S: Final = 86_400
"""How long a code that was used is remembered."""
_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Approved:
    """What a person approved. Times are Unix seconds."""

    client_id: str
    client_name: str
    client_kind: ClientKind
    redirect_uri: str
    redirect_uri_named: bool
    """False where the client has one redirect URI and left it out of the request."""
    challenge: str
    scope: str
    resource: str
    resource_named: bool
    """False where the client named no resource, and the person chose a workspace."""
    member_id: str
    place: str
    expires_at: int
    grant_id: str | None = None
    """The grant that it was redeemed for."""


def new_code() -> str:
    """A new authorization code."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))


def digest(secret: str) -> str:
    """SHA-256 of a code or a token. It is 256 random bits, so no salt or stretching is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def to_data(approved: Approved) -> dict[str, Any]:
    """It as a JSON object for the store."""
    return asdict(approved)


def from_data(data: Mapping[str, Any]) -> Approved:
    """What `to_data` wrote."""
    return Approved(**data)
