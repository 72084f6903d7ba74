"""OAuth access tokens at an MCP endpoint: whose, for what, and until when. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway_core.access import api_keys, grants
from gateway_core.access.callers import Caller
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.grants import ACCESS_PREFIX, ORGANISATION_PLACE, REFRESH_PREFIX, Grant, Located
from gateway_core.errors import Unauthenticated
from gateway_core.ports import Item, Key
from gateway_core.storage import keys

SCOPE: Final = "mcp"
"""The scope of everything that is MCP."""
AGAIN: Final = "Sign in again: your client opens the page for it (Claude Code: /mcp)."


class Proven(NamedTuple):
    """What a credential of ours proves, before its member is looked up."""

    caller: Caller
    client: str = ""
    """The OAuth client that shows it."""


def is_token(text: str) -> bool:
    """True for what is made like an access or refresh token of this gateway."""
    return text.startswith((ACCESS_PREFIX, REFRESH_PREFIX))


def keys_of(token: str) -> list[Key]:
    """What to read to judge an access token: it and its grant.

    Raises:
        Unauthenticated: It is none, or for administering.
    """
    located = _located(token)
    return [keys.access_token(located.place, api_keys.digest(token)), keys.grant(*located)]


def proven(token: str, found: Sequence[Item | None], endpoint: Endpoint, *, public_url: str, now: int) -> Proven:
    """What an access token proves at an endpoint.

    Args:
        token: As it was sent.
        found: The items under `keys_of(token)`.
        endpoint: What is called. A token for anything else is refused (MCP authorization, Token Audience Binding).
        public_url: The gateway's own.
        now: Unix time.

    Raises:
        Unauthenticated: Unknown, expired, revoked, or for something else.
    """
    item, grant_item = found
    located = _located(token)
    grant = None if grant_item is None else grants.from_data(grant_item.data)
    if item is None or grant is None or not _belongs(item, grant, located) or now >= grant.expires_at:
        # One answer for all of these: who makes a token up must not learn which grants there are.
        raise Unauthenticated(f"This access token has expired or was revoked. {AGAIN}", reason="unknown_token")
    if SCOPE not in grant.scope.split() or not endpoint.takes(grant.resource, public_url):
        raise Unauthenticated(
            f"This access token is for {grant.resource}, and not for the URL that was called. {AGAIN}",
            reason="wrong_audience",
        )
    client = grant.client_id
    caller = Caller("user", grant.removed, grant.place, grant.id, None, member_id=grant.member_id, client_id=client)
    return Proven(caller, grant.client_name or grant.client_id)


def _located(token: str) -> Located:
    located = grants.locate(token)
    if located is None:
        raise Unauthenticated(f"This is no whole access token of this gateway. {AGAIN}", reason="malformed_credential")
    if token.startswith(REFRESH_PREFIX):
        raise Unauthenticated(
            "This is a refresh token: a client exchanges it for an access token, and sends that.",
            reason="malformed_credential",
        )
    if located.place == ORGANISATION_PLACE:
        raise Unauthenticated(
            f"This access token is for administering the gateway, and opens no MCP endpoint. {AGAIN}",
            reason="wrong_audience",
        )
    return located


def _belongs(item: Item, grant: Grant, located: Located) -> bool:
    return item.data["grant_id"] == grant.id == located.grant_id and grant.place == located.place
