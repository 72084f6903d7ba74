"""API keys, `ghk_<workspace id>_<key id>_<secret>`: the ids let one read fetch the key; its hash is stored. Pure."""

import hashlib
import hmac
import re
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway_core.access.callers import Caller
from gateway_core.errors import Unauthenticated

PREFIX: Final = "ghk_"
_FORM: Final = re.compile(r"ghk_(ws-[a-z0-9]{8})_(k-[a-z0-9]{8})_([A-Za-z0-9]{43})")
_ALPHABET: Final = string.ascii_letters + string.digits
SECRET_LENGTH: Final = 43
"""Characters of 62: 256 bits."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the store holds it. Times are Unix seconds."""

    id: str
    workspace_id: str
    hash: str
    kind: Literal["user", "service"]
    subject: str
    servers: tuple[str, ...] | None
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None
    revoked_by: str | None = None
    member_id: str | None = None
    """Whose key it is; None for a service's."""


def generate(workspace_id: str, key_id: str) -> str:
    """A new key; shown once, never stored."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
    return f"{PREFIX}{workspace_id}_{key_id}_{secret}"


def digest(token: str) -> str:
    """SHA-256 of a key. A key is 256 random bits, so no salt or stretching is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def locate(token: str) -> tuple[str, str]:
    """Workspace id and key id that a key spells out.

    Raises:
        Unauthenticated: It is no key of ours.
    """
    match = _FORM.fullmatch(token)
    if match is None:
        raise Unauthenticated(
            f"This is not a Gatehouse API key (they begin with {PREFIX}). "
            "Make one with: gatehouse keys create --workspace WORKSPACE --service NAME",
            reason="malformed_credential",
        )
    return match[1], match[2]


def caller_of(token: str, key: ApiKey | None, now: int) -> Caller:
    """The caller that `token` proves.

    Raises:
        Unauthenticated: Unknown, revoked or expired. Only who holds the whole key learns which.
    """
    if key is None or not hmac.compare_digest(digest(token), key.hash):
        raise Unauthenticated("This API key is not known here. Ask whoever gave it to you for a new one.",
                              reason="unknown_credential")  # fmt: skip
    if key.revoked_at is not None:
        raise Unauthenticated(
            f"This API key was revoked on {day(key.revoked_at)} by {key.revoked_by}. Ask them for a new one.",
            reason="revoked_credential",
        )
    if key.expires_at is not None and now >= key.expires_at:
        raise Unauthenticated(
            f"This API key expired on {day(key.expires_at)}. Ask {key.created_by} for a new one.",
            reason="expired_credential",
        )
    servers = None if key.servers is None else frozenset(key.servers)
    return Caller(key.kind, key.subject, key.workspace_id, key.id, servers)


def member_of(key: ApiKey) -> str | None:
    """The id of the member whose key it is; None for a service's.

    Raises:
        Unauthenticated: Nobody can say whose it is.
    """
    if key.kind == "user" and key.member_id is None:
        raise Unauthenticated(
            f"This API key was made for {key.subject} before people had accounts here. Ask an administrator for a new "
            f"one: gatehouse keys create --workspace WORKSPACE --user {key.subject}",
            reason="key_without_member",
        )
    return key.member_id


def day(at: int) -> str:
    """A Unix time as people write a date, e.g. `3 Nov 2026` (UTC)."""
    return time.strftime("%d %b %Y", time.gmtime(at)).removeprefix("0")


def to_data(key: ApiKey) -> dict[str, Any]:
    """The key as a JSON object for the store."""
    return {
        "id": key.id,
        "workspace_id": key.workspace_id,
        "hash": key.hash,
        "kind": key.kind,
        "subject": key.subject,
        "servers": None if key.servers is None else list(key.servers),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "revoked_by": key.revoked_by,
        "member_id": key.member_id,
    }


def from_data(data: Mapping[str, Any]) -> ApiKey:
    """The key that `to_data` wrote."""
    servers = data["servers"]
    return ApiKey(**{**data, "servers": None if servers is None else tuple(servers)})
