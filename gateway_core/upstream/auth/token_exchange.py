"""Requests that go out with a token which was exchanged for whoever calls (RFC 8693). Kept in memory alone, for each
caller; nobody can consent to anything here."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway_core.access.callers import Caller
from gateway_core.errors import Refused, UpstreamError, UpstreamUnreachable
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.registry.upstream_auth import TokenExchange
from gateway_core.upstream.auth.asked import Asked, AuthFlow, bearer
from gateway_core.upstream.auth.held_secrets import HeldSecrets
from gateway_core.upstream.auth.places import TokenPlace, TokenPlaces, auth_method, secret_unwanted
from gateway_core.upstream.auth.sources import Proof
from gateway_core.upstream.token_answers import Granted, ServerError, TokenAnswer, Unreachable
from gateway_core.upstream.token_endpoint import (
    ACCESS_TOKEN,
    JWT,
    Client,
    TokenEndpoints,
    TokenRequest,
    exchange_grant,
)

MAX_HELD: Final = 1_000
"""Tokens in memory, 5 KB each at most."""
HELD_S: Final = 300
"""How long a token is used of which nobody said how long it lives."""

SignIdentity = Callable[[Asked, str], Awaitable[str]]
"""A token that says who calls, signed by the gateway for the audience that is named."""
_Name = tuple[str, str, TokenExchange, Caller, str]


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    until: float


@part
class Exchanges:
    """One per process. `sign_identity` is None where the gateway has no key to sign with."""

    endpoints: TokenEndpoints
    places: TokenPlaces
    secrets: HeldSecrets
    clock: Clock
    sign_identity: SignIdentity | None
    _held: dict[_Name, _Held] = field(default_factory=dict)
    _asking: dict[_Name, asyncio.Task[_Held]] = field(default_factory=dict)

    async def flow(self, asked: Asked, auth: TokenExchange) -> AuthFlow:
        """A request with a token that was exchanged for its caller; once more with a new one after a 401.

        Raises:
            Refused: There is nothing to exchange, or it was refused.
            UpstreamUnreachable: It cannot be exchanged now.
        """
        name = _name(asked, auth)
        sent = await self._token(name, asked, auth)
        answered = yield bearer(sent.token)
        if answered.status == 401:
            if self._held.get(name) is sent:
                del self._held[name]
            yield bearer((await self._token(name, asked, auth)).token)

    async def _token(self, name: _Name, asked: Asked, auth: TokenExchange) -> _Held:
        held = self._held.get(name)
        if held is not None and self.clock() < held.until:
            return held
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._exchanged(name, asked, auth))
            asking.add_done_callback(lambda done: self._finished(name, done))
        return await asyncio.shield(asking)

    def _finished(self, name: _Name, asking: asyncio.Task[_Held]) -> None:
        del self._asking[name]
        if not asking.cancelled():
            # Looked at here, in case that nobody waits any more.
            asking.exception()

    async def _exchanged(self, name: _Name, asked: Asked, auth: TokenExchange) -> _Held:
        try:
            place = await self.places.of(asked.server, auth)
        except UpstreamUnreachable as problem:
            told = f"{asked.server.name} was not called: {problem.message} Try again in a moment."
            raise UpstreamUnreachable(told, reason=problem.reason) from problem
        method = auth_method(auth, place.auth_methods)
        if method is None:
            raise secret_unwanted(asked.server.name, place)
        secret = await Proof(asked.server, self.secrets, asked.revision).value(auth.client_secret, method)
        scopes = place.scopes if auth.scopes is None else auth.scopes
        grant = exchange_grant(
            await self._subject(asked, auth, place),
            JWT if auth.subject == "identity" else ACCESS_TOKEN,
            audience=auth.audience,
            scopes=scopes,
        )
        client = Client(auth.client_id or "", method, secret, place.issuer)
        resource = place.resource if auth.resource_indicator else None
        asked_at = self.clock()
        answer = await self.endpoints.ask(TokenRequest(place.token_endpoint, client, grant, resource))
        if not isinstance(answer, Granted):
            raise _refused(asked, answer)
        life_s = HELD_S if answer.expires_in is None else answer.expires_in
        # As long before its end as `upstream.renewal` lets go of a token.
        return self._hold(name, _Held(answer.access_token, asked_at + life_s - min(60.0, life_s / 10)))

    async def _subject(self, asked: Asked, auth: TokenExchange, place: TokenPlace) -> str:
        """What is exchanged."""
        name = asked.server.name
        if auth.subject == "identity":
            if self.sign_identity is None:
                told = f"{name} is told who calls by a token that this gateway signs, and it has no key to sign with."
                raise Refused(told, reason="no_signing_key")
            return await self.sign_identity(asked, place.issuer)
        if not asked.behalf.bearer:
            told = f"{name} takes callers by the token of their own issuer, and this request has one of the gateway."
            raise Refused(f"{told} Call with a token of that issuer.", reason="nothing_to_exchange")
        return asked.behalf.bearer

    def _hold(self, name: _Name, held: _Held) -> _Held:
        if len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[name] = held
        return held


def _name(asked: Asked, auth: TokenExchange) -> _Name:
    """Whose token it is: of one caller, with one token of theirs, at one server as it is set now. What a caller is told
    as follows from their credential, too."""
    digest = hashlib.sha256(asked.behalf.bearer.encode()).hexdigest() if auth.subject == "bearer" else ""
    return asked.server.id, asked.server.url, auth, asked.behalf.caller, digest


def _refused(asked: Asked, answer: TokenAnswer) -> Refused | UpstreamError:
    name = asked.server.name
    assert not isinstance(answer, Granted)  # noqa: S101 - the caller has looked
    if isinstance(answer, Unreachable | ServerError):
        told = f"{name} was not called: its authorization server gave no token. {answer.told} Try again in a moment."
        return UpstreamUnreachable(told, reason="access_not_renewed")
    told = f"The authorization server of {name} gives no token for you. {answer.told}"
    return Refused(f"{told} Whoever administers this server here should check its `auth` settings.",
                   reason="exchange_refused")  # fmt: skip
