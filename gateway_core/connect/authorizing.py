"""Sending somebody to a server's authorization server, so that they let the gateway use an account there.

What is found out here is shown to them first, and settled before they leave: what comes back is judged by that.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from gateway_core.connect.asking import EgressAsker
from gateway_core.connect.attempts import Attempt, Attempts
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.entered import entered
from gateway_core.connect.links import challenge_of, prompting, with_parameters
from gateway_core.connect.locations import origin_of, refusal_of
from gateway_core.connect.registration import Registration, Registrations
from gateway_core.egress import Egress
from gateway_core.errors import ConnectFailed
from gateway_core.protocol.challenges import scopes_among
from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth
from gateway_core.upstream.auth.held_secrets import HeldSecrets, secret_missing
from gateway_core.upstream.connections import Connection, Connections
from gateway_core.upstream.holders import Holder

VERIFIER_BYTES: Final = 48
"""64 characters: RFC 7636, section 4.1, wants 43 to 128."""


@dataclass(frozen=True, slots=True)
class Intent:
    """An account that somebody wants to connect, and from where."""

    server: Server
    auth: OAuth
    """The server's."""
    workspace_id: str
    holder: Holder
    """Whose account it will be."""
    member: Member
    """Who connects it."""
    browser: str
    """SHA-256 of their browser's cookie."""
    program: str = ""
    """Name of the program that they came from."""
    then: str = ""
    """See Attempt."""


@dataclass(frozen=True, slots=True)
class Authorizing:
    """Stateless but for what it keeps."""

    attempts: Attempts
    registrations: Registrations
    connections: Connections
    secrets: HeldSecrets
    egress: Egress

    async def look(self, server: Server) -> Found:
        """How an account at `server` is connected, found out anew.

        Raises:
            DiscoveryFailed: It cannot be; the message says why and what to do.
        """
        return await discover(server, EgressAsker(self.egress))

    async def begin(self, intent: Intent, found: Found, *, organisation: str) -> str:
        """The URL at the authorization server to send the browser to. Registers the gateway there where it must.

        Args:
            intent: What the person agreed to.
            found: What they were shown, not long ago.
            organisation: Whose gateway this is.

        Raises:
            DiscoveryFailed: There is no way to be known there; the message says what to enter.
            ConnectFailed: The address is none that a browser may be sent to.
            Refused: The secret of the client is not set.
        """
        endpoint = found.authorization_endpoint
        # Whatever was checked when it was found: this is where a browser goes (CVE-2025-6514).
        refusal = refusal_of(endpoint, plain_http=True)
        if refusal is not None:
            raise ConnectFailed(f"The log-in page of {intent.server.name} cannot be opened: its address {refusal}.")
        before = await self.connections.get(intent.server.id, intent.holder)
        if before is not None and before.state == "broken":
            # Refused for another reason than its tokens: one that registered itself is perhaps no longer known there,
            # and nobody comes back from a log-in page that says so.
            await self.registrations.forget(intent.server, before.issuer, before.client_id)
        client = await self.registrations.at(
            intent.server, found, EgressAsker(self.egress), organisation=organisation
        )  # fmt: skip
        await self._check_secret(intent, client)
        attempt = _attempt(intent, found, client, wanted_scopes(intent.auth, found, before))
        state = await self.attempts.begin(intent.browser, attempt)
        return with_parameters(endpoint, self._parameters(intent, attempt, state))

    def _parameters(self, intent: Intent, attempt: Attempt, state: str) -> dict[str, str]:
        """2026-07-28 authorization, Authorization Flow Steps."""
        given = dict(intent.auth.authorization_params)
        own = {
            **given,
            **prompting(attempt.asked, given),
            "response_type": "code",
            "client_id": attempt.client_id,
            "redirect_uri": self.registrations.own.callback,
            "state": state,
            "code_challenge": challenge_of(attempt.verifier),
            "code_challenge_method": "S256",
            "scope": " ".join(attempt.asked),
            "resource": attempt.resource or "",
        }
        # One without a value counts as left out (RFC 6749, section 3.1): so `prompt` can be taken away.
        return {name: value for name, value in own.items() if value}

    async def _check_secret(self, intent: Intent, client: Registration) -> None:
        """Better now than once the person has said yes over there."""
        name = intent.auth.client_secret
        if client.way != "entered" or name is None or client.auth_method == "none":
            return
        if await self.secrets.read(name, "") is None:
            raise secret_missing(intent.server.name, name)


def wanted_scopes(auth: OAuth, found: Found, before: Connection | None) -> tuple[str, ...]:
    """What to ask for: what was found, and beside it what the account has and what the server has wanted since: an
    answer replaces everything (2026-07-28 authorization, Step-Up Authorization Flow).

    Where an administrator has entered scopes, those and what the server has wanted beyond count: what was taken off
    that list is not asked for again. What another authorization server was asked for says nothing here.
    """
    if before is None or before.issuer != found.issuer:
        return found.scopes
    if auth.scopes is None:
        return scopes_among((*found.scopes, *before.asked, *before.wanted))
    beyond = (scope for scope in before.wanted if scope not in before.asked)
    return scopes_among((*found.scopes, *beyond))


def _attempt(intent: Intent, found: Found, client: Registration, scopes: tuple[str, ...]) -> Attempt:
    by_hand = entered(intent.auth)
    return Attempt(
        server_id=intent.server.id,
        workspace_id=intent.workspace_id,
        holder=intent.holder,
        member_id=intent.member.id,
        issuer=found.issuer,
        issuer_known=by_hand.issuer is not None or not by_hand.complete,
        issuer_demanded=found.iss_supported,
        origin=origin_of(intent.server.url),
        client_id=client.client_id,
        registered=client.way == "dynamic",
        auth_method=client.auth_method,
        token_endpoint=found.token_endpoint,
        revocation_endpoint=found.revocation_endpoint,
        resource=found.resource if intent.auth.resource_indicator else None,
        asked=scopes,
        verifier=secrets.token_urlsafe(VERIFIER_BYTES),
        client_secret=client.secret,
        program=intent.program,
        then=intent.then,
    )
