"""Grants: what a person let an OAuth client do, and the tokens that hang on it. Pure.

An access token is `gha_<place>_<grant id>_<secret>`, a refresh token `ghr_…`: place and grant id are no secrets, they
let one read fetch the grant. Only SHA-256 digests are stored. `place` is a workspace's id, or `org` where a grant is
for administering and belongs to no workspace.
"""

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from gateway_core.registry.slugs import new_id

ORGANISATION_PLACE: Final = "org"
ACCESS_PREFIX: Final = "gha_"
REFRESH_PREFIX: Final = "ghr_"
SECRET_LENGTH: Final = 43
"""Characters of 62: 256 bits."""
_FORM: Final = re.compile(r"gh[ar]_(ws-[a-z0-9]{8}|org)_(g-[a-z0-9]{16})_([A-Za-z0-9]{43})")
_ALPHABET: Final = string.ascii_letters + string.digits

ClientKind = Literal["registered", "metadata_document", "dynamic", "built_in"]
"""How the gateway knows a client: entered by an administrator, by its metadata document (CIMD), by dynamic
registration (RFC 7591), or as its own command line."""


class Located(NamedTuple):
    """What a token spells out about itself."""

    place: str
    grant_id: str


class Previous(NamedTuple):
    """The refresh token before the current one: for a minute it gets the same answer once more (decision 0010)."""

    hash: str
    rotated_at: int
    answer: str
    """The token response, sealed, base64."""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What one member let one client do. Times are Unix seconds."""

    id: str
    place: str
    member_id: str
    client_id: str
    client_name: str
    client_kind: ClientKind
    redirect_uri: str
    resource: str
    """The one URL that its tokens are for (RFC 8707): an MCP endpoint, a workspace's, or the admin API's."""
    scope: str
    created_at: int
    expires_at: int
    """The end of it, however often it is refreshed."""
    refresh_hash: str
    refreshed_at: int
    previous: Previous | None = None
    spent: tuple[str, ...] = ()
    """Digests of older refresh tokens, the newest first: whoever shows one has stolen it, or was stolen from."""
    removed: str = ""
    """E-mail address of the member, once they were removed: the grant opens nothing any more (there is no such member),
    is in no list, and is kept for as long as its tokens, to tell whoever shows one why."""


def new_grant_id() -> str:
    """An id for a grant, e.g. `g-` and sixteen characters."""
    return f"{new_id('g')}{new_id('')[1:]}"


def new_token(prefix: Literal["gha_", "ghr_"], place: str, grant_id: str) -> str:
    """A new access or refresh token."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
    return f"{prefix}{place}_{grant_id}_{secret}"


def locate(token: str) -> Located | None:
    """Where the grant of an access or refresh token is, or None for what is neither."""
    match = _FORM.fullmatch(token)
    return None if match is None else Located(match[1], match[2])


def to_data(grant: Grant) -> dict[str, Any]:
    """The grant as a JSON object for the store."""
    previous = grant.previous
    return {
        "id": grant.id,
        "place": grant.place,
        "member_id": grant.member_id,
        "client_id": grant.client_id,
        "client_name": grant.client_name,
        "client_kind": grant.client_kind,
        "redirect_uri": grant.redirect_uri,
        "resource": grant.resource,
        "scope": grant.scope,
        "created_at": grant.created_at,
        "expires_at": grant.expires_at,
        "refresh_hash": grant.refresh_hash,
        "refreshed_at": grant.refreshed_at,
        "previous": None
        if previous is None
        else {
            "hash": previous.hash,
            "rotated_at": previous.rotated_at,
            "answer": previous.answer,
            "repeated": previous.repeated,
        },
        "spent": list(grant.spent),
        # Written where it is so alone: a process of before that does not know the field reads every other grant.
        **({"removed": grant.removed} if grant.removed else {}),
    }


def from_data(data: Mapping[str, Any]) -> Grant:
    """The grant that `to_data` wrote."""
    previous = data["previous"]
    return Grant(
        **{**data, "previous": None if previous is None else Previous(**previous), "spent": tuple(data["spent"])}
    )
