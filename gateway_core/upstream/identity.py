"""Who calls, as a server is told where its `identity` says so, and an authorization server in exchange for a token."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, assert_never

from gateway_core.access.callers import Caller
from gateway_core.connect.locations import origin_of
from gateway_core.errors import Refused
from gateway_core.parts import part
from gateway_core.registry.forwarded import CLAIMS
from gateway_core.upstream.auth.asked import Asked, Fields
from gateway_core.upstream.behalf import Behalf

MAX_CLIENT_ID: Final = 256
"""Characters of a client's id that are told. Longer ones are sealed ids of clients that registered themselves: they say
nothing to anybody else, and would fill the header."""

Claims = Mapping[str, str]
Sign = Callable[[Claims, str], Awaitable[str]]
"""A token of these claims for an audience, signed by the gateway."""
OwnUrl = Callable[[], Awaitable[str]]
"""The gateway's own address; empty where nobody has said it. Raises StoreUnavailable while that is being found out."""


@part
class Identities:
    """One per process."""

    sign: Sign

    async def told(self, asked: Asked) -> Fields:
        """The header that tells the server of a request who calls; none where it is not told.

        Raises:
            Refused: It is told by the caller's own token, and there is none; or the gateway cannot sign one.
            StoreUnavailable: Nobody can sign one now.
        """
        identity = asked.server.identity
        if identity is None:
            return []
        match identity.method:
            case "claims_header":
                value = json.dumps(claims_of(asked.behalf, identity.claims), separators=(",", ":"))
            case "jwt_header":
                value = await self.signed(asked, origin_of(asked.server.url))
            case "bearer":
                value = f"Bearer {_own_token(asked)}"
            case _:
                assert_never(identity.method)
        return [(identity.sent_as, value)]

    async def signed(self, asked: Asked, audience: str) -> str:
        """A token for `audience` that says who makes a request: what its server is told, else all there is.

        Raises:
            Refused: The gateway cannot sign one.
            StoreUnavailable: Nobody can sign one now.
        """
        identity = asked.server.identity
        chosen = CLAIMS if identity is None else identity.claims
        return await self.sign(claims_of(asked.behalf, ("sub", *chosen)), audience)


def claims_of(behalf: Behalf, chosen: Iterable[str]) -> dict[str, str]:
    """Those of the `chosen` claims that there are of a caller; see `registry.forwarded.CLAIMS`. Pure."""
    caller, member = behalf.caller, behalf.member
    service = caller.subject if caller.kind == "service" else None
    there = {
        "sub": subject_of(caller),
        "email": None if member is None else member.email,
        "user_id": caller.member_id,
        "name": service if member is None else member.name,
        "workspace_id": behalf.workspace.id,
        "workspace": behalf.workspace.slug,
        "organisation": behalf.organisation,
        "client_id": _client_of(caller),
        "credential_kind": _kind_of(caller),
    }
    return {name: value for name in chosen if (value := there[name])}


def subject_of(caller: Caller) -> str:
    """Who it is, the same for nobody else: a member by their id, anybody else behind the name of whoever gave them
    theirs, who could have chosen one that is somebody's here. No id and no service's name has a space or is a URL."""
    if caller.member_id is not None:
        return caller.member_id
    if caller.issuer:
        return f"{caller.issuer} {caller.subject}"
    return f"{caller.workspace_id}/service/{caller.subject}"


def _kind_of(caller: Caller) -> str:
    if caller.issuer:
        return "jwt"
    return "oauth" if caller.client_id else "api_key"


def _client_of(caller: Caller) -> str:
    """The OAuth client, or the key."""
    shown = caller.credential_id if _kind_of(caller) == "api_key" else caller.client_id
    return shown if len(shown) <= MAX_CLIENT_ID else ""


def _own_token(asked: Asked) -> str:
    if asked.behalf.bearer:
        return asked.behalf.bearer
    told = f"{asked.server.name} knows callers by the token of their own issuer, and this request came with a "
    raise Refused(
        f"{told}credential of the gateway, which goes nowhere else. Call with a token of that issuer.",
        reason="no_token_of_their_own",
    )
