"""Requests that go out as a connected account: with its token, with another one after a 401, or not at all.

What a server says in its challenges stays here: a client that heard it would go to somebody else's log-in.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway_core.errors import GatewayError, Refused, UpstreamUnreachable
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.protocol import challenges
from gateway_core.protocol.challenges import Challenge
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth
from gateway_core.upstream.auth.asked import Answered, Asked, AuthFlow, Fields, bearer
from gateway_core.upstream.auth.consent import Consents
from gateway_core.upstream.auth.held_secrets import HeldSecrets
from gateway_core.upstream.auth.places import TokenPlaces
from gateway_core.upstream.auth.sources import Consented, Own, Proof, moved
from gateway_core.upstream.connections import Connection, Connections
from gateway_core.upstream.holders import holder_of
from gateway_core.upstream.refreshing import Refreshing
from gateway_core.upstream.renewal import REFUSED_AGAIN_S, Standing

MAX_STEP_UPS: Final = 2
"""How often in a row somebody is asked for more permission before it is said that this leads nowhere (2026-07-28
authorization, Step-Up Authorization Flow: "no more than a few times")."""
USED_EVERY_S: Final = 3_600
"""How often at most it is written down that an account is used: a write to the store each time."""
MENDS: Final = "Whoever administers this server here should check its `auth` settings."

AccountAuth = OAuth | ClientCredentials
Source = Consented | Own


@part
class Accounts:
    """One per process."""

    refreshing: Refreshing
    secrets: HeldSecrets
    places: TokenPlaces
    consents: Consents
    clock: Clock

    async def flow(self, asked: Asked, auth: AccountAuth) -> AuthFlow:
        """A request as a connected account, or as the gateway's own.

        Raises:
            ConsentRequired: The caller has to connect it, or to connect it anew.
            Refused: Somebody else has to, or to mend a setting.
            UpstreamUnreachable: Its token cannot be renewed now.
            StoreUnavailable: Nobody can tell.
        """
        source = await self._source(asked, auth)
        standing = await self._ready(asked, source)
        answered = yield _proof(standing)
        if answered.status == 401:
            standing = await self._another(asked, source, standing)
            answered = yield _proof(standing)
            if answered.status == 401:
                raise await self._given_up(asked, source, standing)
        wanted = _more_wanted(answered)
        if wanted is not None:
            raise await self._step_up(asked, source, standing, wanted)
        if 200 <= answered.status < 300:
            self._used(asked)
            if asked.named:
                await self._taken(standing)

    async def _source(self, asked: Asked, auth: AccountAuth) -> Source:
        """Where the tokens for a request come from."""
        behalf, proof = asked.behalf, Proof(asked.server, self.secrets, asked.revision)
        holder = holder_of(auth.granularity, workspace_id=behalf.workspace.id, member_id=behalf.caller.member_id)
        if holder is None:
            raise await self.consents.needed(asked, auth.granularity, "")
        if isinstance(auth, OAuth):
            return Consented(asked.server, auth, holder, proof)
        return Own(asked.server, auth, holder, proof, self.places, self.clock)

    async def _ready(self, asked: Asked, source: Source) -> Standing:
        """The connection with a token that may be sent where the request goes."""
        seen = Connections.read(asked.behalf.connection_item)
        what = None if seen is None else moved(seen, asked.url, source.auth)
        if what is not None and source.consented:
            raise await self._elsewhere(asked, source, what)
        renew = self.refreshing.usable if what is None else self.refreshing.renewed
        try:
            standing = await renew(source, seen, asked.patience)
        except UpstreamUnreachable as problem:
            raise _later(asked, problem) from problem
        return await self._checked(asked, source, standing)

    async def _another(self, asked: Asked, source: Source, refused: Standing) -> Standing:
        """The connection with another token than one that the server does not take."""
        if not source.able(refused.tokens):
            raise await self._given_up(asked, source, refused)
        try:
            fresh = await self.refreshing.renewed(source, refused.connection, asked.patience)
        except UpstreamUnreachable as problem:
            raise _later(asked, problem) from problem
        if fresh.tokens == refused.tokens and _sealed(fresh) == _sealed(refused):
            # Nothing was renewed: the authorization server cannot be asked at the moment, or has refused.
            raise await self._why_not(asked, source, fresh)
        checked = await self._checked(asked, source, fresh)
        if _proof(checked) == _proof(refused):
            # Some give the same token again for as long as it lives.
            raise await self._given_up(asked, source, checked)
        return checked

    async def _checked(self, asked: Asked, source: Source, standing: Standing) -> Standing:
        """The same, where its token may be sent with this request."""
        connection = standing.connection
        if connection is None or not standing.sendable(self.clock()):
            raise await self._why_not(asked, source, standing)
        what = moved(connection, asked.url, source.auth)
        if what is not None and source.consented:
            raise await self._elsewhere(asked, source, what)
        if what is not None:
            # An account of the gateway's own that could not be got anew.
            raise await self._why_not(asked, source, standing)
        return standing

    async def _elsewhere(self, asked: Asked, source: Source, what: str) -> Refused:
        """What a caller hears whose account was connected for something else than what is set now."""
        told = f"The {what} of {asked.server.name} is another than when its account was connected"
        return await self._needed(asked, source, f"{told}, and what was given then is good for that alone.")

    async def _why_not(self, asked: Asked, source: Source, standing: Standing) -> GatewayError:
        """What a caller hears where there is no token to send."""
        connection = standing.connection
        if connection is None:
            return await self._needed(asked, source, _not_connected(asked, source))
        why = connection.why or ""
        # Where the client is one that the gateway registered by itself, connecting anew registers another.
        anew = source.consented and source.auth.client_id is None
        if connection.state == "needs_consent" or (connection.state == "broken" and anew):
            return await self._needed(asked, source, why)
        left_s = connection.not_before - self.clock()
        if connection.state == "broken":
            return Refused(f"{why}{_again(left_s)} {MENDS}", reason="account_refused")
        if left_s > 0:
            told = f"{why} Your call was not carried out. Try again in {left_s} s."
            return UpstreamUnreachable(told, reason="access_not_renewed")
        told = f"The permission that was given for {asked.server.name} has ended, and it cannot be renewed."
        return await self._over(asked, source, connection, told)

    async def _given_up(self, asked: Asked, source: Source, standing: Standing) -> GatewayError:
        """What a caller hears whose server takes no token that can be had."""
        assert standing.connection is not None  # noqa: S101 - its token was sent
        told = f"{asked.server.name} refused the access that it had been given (HTTP 401)."
        return await self._over(asked, source, standing.connection, told)

    async def _over(self, asked: Asked, source: Source, connection: Connection, why: str) -> GatewayError:
        """Note that a connection is of no use any more, and say so."""
        if source.consented:
            await self._note(connection, lambda row: replace(row, state="needs_consent", why=why))
            return await self._needed(asked, source, why)
        until = self.clock() + REFUSED_AGAIN_S
        await self._note(connection, lambda row: replace(row, state="broken", why=why, not_before=until))
        return Refused(f"{why}{_again(REFUSED_AGAIN_S)} {MENDS}", reason="account_refused")

    async def _step_up(self, asked: Asked, source: Source, standing: Standing, challenge: Challenge) -> GatewayError:
        """What a caller hears whose server wants more permission than the account has given."""
        connection, name = standing.connection, asked.server.name
        assert connection is not None  # noqa: S101 - its token was sent
        scopes = " ".join(challenge.scopes)
        told = f"{name} wants more permission for this than it was given{f': {scopes}' if scopes else ''}."
        if not source.consented:
            return Refused(f"{told} {MENDS}", reason="insufficient_scope")
        if connection.step_ups >= MAX_STEP_UPS and not connection.wanted:
            tried = f"It was asked for {MAX_STEP_UPS} times, and given, and that was not enough."
            return Refused(f"{told} {tried} {MENDS}", reason="insufficient_scope")
        await self._note(connection, lambda row: _wanting(row, challenge.scopes))
        return await self._needed(asked, source, told)

    def _used(self, asked: Asked) -> None:
        """Have it noted that the account is used. No call waits for that; one that has just renewed it leaves it."""
        connection, now = Connections.read(asked.behalf.connection_item), self.clock()
        if connection is not None and now >= connection.used_at + USED_EVERY_S:
            asked.behalf.afterwards.append(asyncio.create_task(self.refreshing.keeping.note_use(connection, now)))

    async def _taken(self, standing: Standing) -> None:
        """The server took a call: what it wanted it has."""
        connection = standing.connection
        if connection is not None and connection.step_ups and not connection.wanted:
            await self._note(connection, lambda row: replace(row, step_ups=0))

    async def _note(self, connection: Connection, change: Callable[[Connection], Connection]) -> None:
        """Write something on a connection, unless its tokens are others by now. Nobody's call depends on it."""
        with suppress(GatewayError):
            await self.refreshing.keeping.write(connection, lambda row: change(row or connection))

    async def _needed(self, asked: Asked, source: Source, why: str) -> Refused:
        return await self.consents.needed(asked, source.auth.granularity, why.strip())


def _sealed(standing: Standing) -> str:
    return "" if standing.connection is None else standing.connection.sealed


def _proof(standing: Standing) -> Fields:
    assert standing.tokens is not None  # noqa: S101 - it was checked
    return bearer(standing.tokens.access_token)


def _more_wanted(answered: Answered) -> Challenge | None:
    """The challenge of a server that wants more permission (RFC 6750, section 3.1)."""
    challenge = challenges.bearer(answered.challenge) if answered.status == 403 else None
    found = challenge is not None and challenge.parameters.get("error") == "insufficient_scope"
    return challenge if found else None


def _wanting(row: Connection, scopes: tuple[str, ...]) -> Connection:
    """The connection with more to ask for the next time: beside what it was given, or that would be lost. Until
    somebody is asked, whatever more is wanted belongs to the same question."""
    wanted = challenges.scopes_among((*row.asked, *row.wanted, *scopes))
    return replace(row, wanted=wanted, step_ups=row.step_ups if row.wanted else row.step_ups + 1)


def _not_connected(asked: Asked, source: Source) -> str:
    name = asked.server.name
    match source.holder.granularity:
        case "user":
            return f"{name} acts as you, and you have not connected your account there."
        case "workspace":
            return f"{name} uses one account for the workspace {asked.behalf.workspace.name}, which is not connected."
        case "organisation":
            return f"{name} uses one account for the whole organisation, which is not connected."


def _again(left_s: int) -> str:
    """How long a refusal is remembered: whoever has mended its cause would take the old one for a new one."""
    if left_s <= 0:
        return ""
    return f" Your call was not carried out. This answer stands for {left_s} s: try again after that."


def _later(asked: Asked, problem: UpstreamUnreachable) -> UpstreamUnreachable:
    told = f"Your call to {asked.server.name} was not carried out: {problem.message} Try again in a moment."
    return UpstreamUnreachable(told, reason=problem.reason)
