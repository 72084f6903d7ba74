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

from gateway_core.access.callers import Caller, CredentialEnded, no_longer_member
from gateway_core.errors import Unauthenticated

PREFIX: Final = "ghk_"
_FORM: Final = re.compile(r"ghk_(ws-[a-z0-9]{8})_(k-[a-z0-9]{8})_([A-Za-z0-9]{43})")
_ALPHABET: Final = string.ascii_letters + string.digits
SECRET_LENGTH: Final = 43
"""Characters of 62: 256 bits."""
LENGTH: Final = len(f"{PREFIX}ws-12345678_k-12345678_") + SECRET_LENGTH
"""Characters of a whole key."""
_ANEW: Final = "gatehouse keys create --workspace WORKSPACE --service NAME"


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
    removed: bool = False
    """True where it was revoked because that member was removed."""


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
    if match is None and token.startswith(PREFIX):
        raise Unauthenticated(
            f"This API key looks cut off or mistyped: a whole one has {LENGTH} characters, this one has {len(token)}. "
            f"Copy it again from where it is kept, or have a new one made: {_ANEW}",
            reason="malformed_credential",
        )
    if match is None:
        raise Unauthenticated(
            f"This is not a Gatehouse API key (they begin with {PREFIX}). Make one with: {_ANEW}",
            reason="malformed_credential",
        )
    return match[1], match[2]


def caller_of(token: str, key: ApiKey | None, now: int) -> Caller:
    """The caller that `token` proves.

    Raises:
        Unauthenticated: It is not known.
        CredentialEnded: Revoked, expired, or nobody's. Only who holds the whole key learns which.
    """
    if key is None or not hmac.compare_digest(digest(token), key.hash):
        raise Unauthenticated("This API key is not known here. Ask whoever gave it to you for a new one.",
                              reason="unknown_credential")  # fmt: skip
    servers = None if key.servers is None else frozenset(key.servers)
    caller = Caller(key.kind, key.subject, key.workspace_id, key.id, servers, member_id=key.member_id)
    if key.removed:
        raise CredentialEnded(no_longer_member(key.subject), caller, reason="removed_member")
    if key.revoked_at is not None:
        told = f"This API key was revoked on {day(key.revoked_at)} by {key.revoked_by}. Ask them for a new one."
        raise CredentialEnded(told, caller, reason="revoked_credential")
    if key.expires_at is not None and now >= key.expires_at:
        told = f"This API key expired on {day(key.expires_at)}. Ask {key.created_by} for a new one."
        raise CredentialEnded(told, caller, reason="expired_credential")
    if key.kind == "user" and key.member_id is None:
        told = (
            f"This API key was made for {key.subject} before people had accounts here. Ask an administrator for a new "
            f"one: gatehouse keys create --workspace WORKSPACE --user {key.subject}"
        )
        raise CredentialEnded(told, caller, reason="key_without_member")
    return caller


def day(at: int) -> str:
    """A Unix time as people write a date, e.g. `3 Nov 2026` (UTC)."""
    return time.strftime("%d %b %Y", time.gmtime(at)).removeprefix("0")


def minute(at: int) -> str:
    """The same with the time of day, e.g. `3 Nov 2026, 14:05 UTC`."""
    return f"{day(at)}, {time.strftime('%H:%M', time.gmtime(at))} UTC"


def to_data(key: ApiKey) -> dict[str, Any]:
    """The key as a JSON object for the store."""
    # Written where it is so alone: a process of before that does not know the field reads every other key.
    removed = {"removed": True} if key.removed else {}
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
        **removed,
    }


def from_data(data: Mapping[str, Any]) -> ApiKey:
    """The key that `to_data` wrote."""
    servers = data["servers"]
    return ApiKey(**{**data, "servers": None if servers is None else tuple(servers)})
