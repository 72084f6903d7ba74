"""Looking at one server step by step, as a call would meet it: which step fails, and what to do.

No tool is called, nothing is registered, and no consent is asked for. What a call does on its way happens here too: a
token that has ended is renewed, and a permission that has ended is noted.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Final

from gateway_core.access.roles import Actor, may
from gateway_core.connect.asking import EgressAsker
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.examined_with import Means
from gateway_core.connect.knocking import knock
from gateway_core.connect.quoting import quoted, readable
from gateway_core.connect.steps import DiscoveryFailed, Outcome, Step, StepName, Trail
from gateway_core.egress import check_url
from gateway_core.errors import GatewayError, Invalid, StoreUnavailable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import (
    ClientCredentials,
    NoAuth,
    OAuth,
    StaticHeaders,
    TokenExchange,
    granularity_of,
    secrets_of,
)
from gateway_core.telemetry import traceparent_for
from gateway_core.upstream.auth import Asked
from gateway_core.upstream.auth.held_secrets import secret_missing
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.client import Dialect
from gateway_core.upstream.connections import Connection
from gateway_core.upstream.holders import holder_of
from gateway_core.upstream.listing import Listing
from gateway_core.upstream.probing import Probe
from gateway_core.upstream.spoken import Spoken, pinned

WHOLE_S: Final = 25.0
"""Longest time for all of it: API Gateway cuts an answer off after 29 s."""
DISCOVERY_S: Final = 11.0
"""Longest time for what is asked without a credential. What is left is enough to renew a token (`upstream.refreshing`
begins only where 13 s are left) and to ask for the tools."""
NOT_OURS: Final = frozenset({"nothing_to_exchange", "no_token_of_their_own"})
"""Reasons of refusals that only whoever has a token of another issuer does not get."""

NOT_YET: Final = "Not looked at: what failed above has to be mended first."


@dataclass(frozen=True, slots=True)
class Examination:
    """One look at one server, on behalf of somebody who uses it from a workspace."""

    means: Means
    server: Server
    behalf: Behalf
    steps: list[Step] = field(default_factory=list)

    async def run(self) -> tuple[Step, ...]:
        """The steps, in order. One that failed ends it only where the next would say nothing new."""
        try:
            reached = self._address() and await self._log_in()
            # Each step so far has its exchange with it.
            self.means.egress.take()
            if not reached:
                self._note("tools", "skipped", NOT_YET)
            else:
                await self._secrets()
                if await self._credential():
                    await self._tools()
        finally:
            # What an authorization server has answered must be kept before the egress is closed; `ends_at` bounds it.
            if self.behalf.afterwards:
                await asyncio.wait(self.behalf.afterwards)
        return tuple(self.steps)

    def _address(self) -> bool:
        try:
            check_url(self.server.url, self.means.policy)
        except Invalid as problem:
            told = f"{self.server.name} cannot be called at {quoted(self.server.url)}. {problem.message}"
            self._note("address", "failed", told)
            return False
        self._note("address", "ok", f"{quoted(self.server.url)} is an address that may be called.")
        return True

    async def _log_in(self) -> bool:
        """How one logs in; False where the server cannot be called at all."""
        ask = EgressAsker(self.means.egress, whole_s=DISCOVERY_S)
        if isinstance(self.server.auth, NoAuth | StaticHeaders):
            return await self._knocked(Trail(ask))
        try:
            found = await discover(self.server, ask)
        except DiscoveryFailed as problem:
            self.means.search.outcome = problem
            self._add(*problem.steps)
            return problem.steps[-1].name != "challenge"
        self.means.search.outcome = found
        self._add(*found.steps)
        await self._client(found, Trail(ask))
        return True

    async def _knocked(self, trail: Trail) -> bool:
        """A server that is used without tokens."""
        try:
            knocked = await knock(self.server, trail, pinned(self.server))
        except DiscoveryFailed as problem:
            self._add(*problem.steps)
            return False
        step, name = trail.steps[-1], self.server.name
        bare = isinstance(self.server.auth, NoAuth) and self.server.identity is None
        if knocked.demanded and bare:
            told = (
                f"{name} demands a log-in, and its auth here is `none`. Set it to `oauth`, so that people connect "
                "their accounts, or to `headers` with a key of the server."
            )
            self._add(replace(step, outcome="failed", told=told))
            return False
        if knocked.demanded:
            step = replace(step, outcome="ok", told=f"{name} demands a credential.")
        elif step.exchange is not None and step.exchange.status == 200:
            step = replace(step, outcome="ok")
        self._add(step)
        return True

    async def _client(self, found: Found, trail: Trail) -> None:
        auth = self.server.auth
        if isinstance(auth, TokenExchange) and auth.client_id is None:
            trail.note("client", "ok", "No client was entered: tokens are asked for without one.")
        else:
            try:
                await self.means.registrations.foresee(self.server, found, trail)
            except DiscoveryFailed:
                # It is the last step of the trail.
                pass
            except StoreUnavailable as problem:
                trail.note("client", "skipped", _not_here(problem))
        self._add(*trail.steps)

    async def _secrets(self) -> None:
        named = secrets_of(self.server.auth)
        if not named:
            return
        try:
            missing = sorted(named - set(await self.means.secret_names()))
        except StoreUnavailable as problem:
            self._note("secrets", "skipped", _not_here(problem))
            return
        for name in missing:
            self._note("secrets", "failed", secret_missing(self.server.name, name).message)
        if not missing:
            self._note("secrets", "ok", f"Set: {', '.join(sorted(named))}.")

    async def _credential(self) -> bool:
        """Get ready what a call would be sent with; False where there is nothing to send."""
        server, behalf = self.server, self.behalf
        if isinstance(server.auth, NoAuth):
            return True
        if granularity_of(server.auth) == "user" and behalf.member is None:
            told = (
                f"{server.name} acts as whoever calls, and the administrator's key is nobody. To look at your own "
                "account, log in as yourself: gatehouse login"
            )
            self._note("account", "skipped", told)
            return False
        asked = Asked(server, behalf, "", server.url, behalf.ends_at, False)
        flow = self.means.upstream.ways.flow(asked)
        try:
            await anext(flow)
        except GatewayError as problem:
            self._refused("account", problem)
            return False
        finally:
            await flow.aclose()
        await self._account()
        return True

    async def _account(self) -> None:
        """What there is to say of a credential that can be sent."""
        auth, name = self.server.auth, self.server.name
        if isinstance(auth, StaticHeaders):
            self._note("account", "ok", f"Sent with each call: {', '.join(header.name for header in auth.headers)}.")
            return
        if not isinstance(auth, OAuth | ClientCredentials):
            self._note("account", "ok", f"A token for {name} was exchanged.")
            return
        connection = await self._connection(auth)
        if connection is None:
            return
        told = _account_told(connection) if self._may_see(connection) else f"An account at {name} is connected."
        if connection.why is not None or connection.wanted:
            more = connection.why or f"{name} has wanted more since: connect it again to give it that."
            self._note("account", "warning", f"{told} {more}")
        else:
            self._note("account", "ok", told)

    def _may_see(self, connection: Connection) -> bool:
        """Whose account it is, is told to whoever may list it: their own, or one of a place that they see into."""
        member, holder = self.behalf.member, connection.holder
        if holder.granularity == "user":
            return True
        place = holder.id if holder.granularity == "workspace" else None
        return may(Actor("" if member is None else member.email, member), "connections.read", place)

    async def _connection(self, auth: OAuth | ClientCredentials) -> Connection | None:
        """The account as it is by now: it may have been renewed, or made, a moment ago."""
        behalf = self.behalf
        holder = holder_of(auth.granularity, workspace_id=behalf.workspace.id, member_id=behalf.caller.member_id)
        return None if holder is None else await self.means.connections.get(self.server.id, holder)

    async def _tools(self) -> None:
        """Call it as a client would: open, and list the tools."""
        self.means.egress.take()
        try:
            async with asyncio.timeout_at(self.behalf.ends_at):
                spoken, count = await self._listed()
        except TimeoutError:
            told = f"{self.server.name} did not list its tools in the time there was ({WHOLE_S:g} s for all steps)."
            self._note("tools", "failed", f"{told} Ask whoever runs it.")
        except GatewayError as problem:
            self._refused("tools", problem)
        else:
            told = f"{self.server.name} lists {count} tool{'' if count == 1 else 's'}, by {_speech(spoken)}."
            self._note("tools", "ok" if count else "warning", told)

    async def _listed(self) -> tuple[Spoken, int]:
        upstream, server = self.means.upstream, self.server
        dialect = Dialect("", None, None, traceparent_for(secrets.token_hex(16)), self.behalf)
        spoken = pinned(server) or await Probe(upstream, server, dialect)()
        return spoken, await Listing(upstream, server, dialect, self.behalf.ends_at).count(spoken)

    def _refused(self, name: StepName, problem: GatewayError) -> None:
        if problem.reason == DiscoveryFailed.reason:
            self._note(name, "skipped", "Where its tokens come from was not found out, see above.")
        elif name == "account" and self._failed_by(problem):
            self._note(name, "skipped", NOT_YET)
        elif isinstance(problem, StoreUnavailable):
            self._note(name, "skipped", _not_here(problem))
        elif problem.reason in NOT_OURS:
            self._note(name, "skipped", problem.message)
        else:
            passed = "" if self.server.forward_headers is None else " (No headers of a client were there to pass on.)"
            self._note(name, "failed", problem.message + passed)

    def _failed_by(self, problem: GatewayError) -> bool:
        """True where a step that failed stands in the way of this one, too."""
        failed = {step.name for step in self.steps if step.outcome == "failed"}
        if problem.reason == "secret_missing":
            return "secrets" in failed
        return bool(failed) and problem.reason == "not_connected"

    def _note(self, name: StepName, outcome: Outcome, told: str) -> None:
        self._add(Step(name, outcome, readable(told), self.means.egress.take()))

    def _add(self, *steps: Step) -> None:
        self.steps.extend(self.means.egress.hidden(step) for step in steps)


def _not_here(problem: StoreUnavailable) -> str:
    return f"This cannot be looked at from here. {problem.message}"


def _account_told(connection: Connection) -> str:
    who = f"As {connection.account}" if connection.account else "As an account that the server does not name"
    told = f"{who}, connected {_moment(connection.connected_at)} by {connection.connected_by}"
    until = "" if connection.expires_at is None else f", good until {_moment(connection.expires_at)}"
    return f"{told}; its token is of {_moment(connection.refreshed_at)}{until}."


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _speech(spoken: Spoken) -> str:
    legacy = {"http": "revisions up to 2025-11-25", "sse": "HTTP+SSE (2024-11-05)", None: ""}[spoken.legacy]
    return " and ".join(word for word in ("2026-07-28" if spoken.modern else "", legacy) if word)
