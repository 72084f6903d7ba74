"""New tokens for a connection: one call to the token endpoint at a time, whoever asks in whichever process.

The lease is taken before the call, because an authorization server that rotates refresh tokens takes the second of two
equal ones for a theft and ends them all. What comes back is saved on the connection's version, and not on the lease: a
late answer must still be kept. Nobody calls without the lease, also when the store fails: the store is the truth.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import field, replace
from typing import Final

from gateway_core.errors import GatewayError, UpstreamUnreachable
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.storage import keys
from gateway_core.upstream.behalf import Patience
from gateway_core.upstream.connections import Connection
from gateway_core.upstream.keeping import Keeping, noted_beside
from gateway_core.upstream.leases import WRITE_S, Lease, Leases
from gateway_core.upstream.renewal import Plan, Source, Standing, drawn_early, due, failed_by, name_of, renewed_by
from gateway_core.upstream.token_answers import Granted, InvalidClient, InvalidGrant, TokenAnswer, TokenRefusal
from gateway_core.upstream.token_endpoint import CALL_S, TokenEndpoints

POLL_S: Final = (0.03, 0.08)
"""Between two looks of whoever waits for another process; at random, so that not all look at once."""
WAIT_S: Final = 8.0
"""How long they look."""
PREDECESSOR_S: Final = 1.0
"""How long the late answer of a process is waited for that seemed dead, before a refusal is believed."""
SPARE_S: Final = 2.0
"""What is left when a renewal is done, before the platform cuts everything off."""
ROUNDS: Final = 2
"""Whoever finds that others were faster may find that those tokens have ended, too: a stream goes on with what was read
long ago."""

logger = logging.getLogger(__name__)


@part
class Refreshing:
    """One per process."""

    leases: Leases
    keeping: Keeping
    endpoints: TokenEndpoints
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    _running: dict[tuple[str, str], asyncio.Task[Standing]] = field(default_factory=dict)
    """By connection and what is sealed in it: those who hold the same tokens wait for the same new ones."""

    async def usable(self, source: Source, seen: Connection | None, patience: Patience) -> Standing:
        """The connection with a token that can be sent, or as it stands where there is none.

        Args:
            source: Where its tokens come from.
            seen: The connection as it was read for this call.
            patience: Of the call.

        Raises:
            UpstreamUnreachable: Not now; the message says why.
            StoreUnavailable: Nobody can tell.
            Refused: A setting is missing.
        """
        standing, now = await self.keeping.standing(seen), self.clock()
        if not _good(standing, now):
            return await self._another(source, standing, patience)
        if (
            seen is not None
            and _open(seen, now)
            and drawn_early(seen, now, self.random())
            and source.able(standing.tokens)
        ):
            # Everybody goes on with the old one, this call too.
            self._begin(source, seen, patience)
        return standing

    async def renewed(self, source: Source, seen: Connection | None, patience: Patience) -> Standing:
        """The connection with other tokens than `seen` has, or as it stands where there are none. See `usable`."""
        task = self._begin(source, seen, patience)
        left_s = min(patience.deadline - asyncio.get_running_loop().time(), CALL_S + WRITE_S)
        done, _ = await asyncio.wait({task}, timeout=max(left_s, 0))
        if not done:
            raise _not_now("its access is being renewed, which takes longer than this call can wait.")
        return task.result()

    async def _another(self, source: Source, standing: Standing, patience: Patience) -> Standing:
        """Another token than one that is not good enough; while there is none, one that is still alive."""
        before = standing
        for _ in range(ROUNDS):
            if not source.able(standing.tokens) or not _open(standing.connection, self.clock()):
                break
            try:
                standing = await self.renewed(source, standing.connection, patience)
            except GatewayError:
                if not before.sendable(self.clock()):
                    raise
                return before
            if _good(standing, self.clock()):
                break
        return standing

    def _begin(self, source: Source, seen: Connection | None, patience: Patience) -> asyncio.Task[Standing]:
        """The renewal under way of what `seen` holds, or a new one. It goes on when nobody waits for it any more: what
        an authorization server has answered must be saved."""
        name = name_of(source), "" if seen is None else seen.sealed
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(self._renew(source, seen, patience.ends_at))
            task.add_done_callback(lambda done: self._finished(name, done))
            patience.afterwards.append(asyncio.create_task(_ended(task)))
        return task

    def _finished(self, name: tuple[str, str], task: asyncio.Task[Standing]) -> None:
        del self._running[name]
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, GatewayError):
            logger.warning("tokens_not_renewed", extra={"fields": {"connection": name[0], "reason": problem.reason}})
        elif problem is not None:
            # Whoever began it early does not wait for it.
            logger.error("renewal_failed", exc_info=problem, extra={"fields": {"connection": name[0]}})

    async def _renew(self, source: Source, seen: Connection | None, ends_at: float) -> Standing:
        """New tokens, from here or from whichever process is faster."""
        waited_s = 0.0
        while True:
            current = await self.keeping.connections.get(source.server.id, source.holder)
            rescued = await self.keeping.rescue(name_of(source), current)
            if rescued is not None:
                return rescued
            if not self._still(current, seen):
                return await self.keeping.standing(current)
            if not _time_for_a_call(ends_at):
                raise _not_now("its access has to be renewed, and this request ends before that would be done.")
            lease = await self.leases.take(keys.refresh_lease(source.server.id, source.holder.id))
            if lease is not None:
                return await self._under(lease, source, seen, ends_at)
            if waited_s >= WAIT_S:
                raise _not_now("its access is being renewed elsewhere, which takes long.")
            pause_s = POLL_S[0] + (POLL_S[1] - POLL_S[0]) * self.random()
            await self.sleep(pause_s)
            waited_s += pause_s

    async def _under(self, lease: Lease, source: Source, seen: Connection | None, ends_at: float) -> Standing:
        """New tokens, now that nobody else asks for them."""
        try:
            standing, plan = await self._planned(lease, source, seen)
        except BaseException:
            # Nothing was sent.
            await self.leases.give_back(lease)
            raise
        if plan is not None:
            # From here on, where this process dies, the lease lapses by itself: whoever takes it then knows of that.
            standing = await self._called(lease, source, plan, standing, ends_at)
        if not self.keeping.unsaved(name_of(source)):
            await self.leases.give_back(lease)
        return standing

    async def _planned(self, lease: Lease, source: Source, seen: Connection | None) -> tuple[Standing, Plan | None]:
        """The connection as it is under the lease, and what to ask; None where nothing is to be asked any more."""
        current = await self.keeping.connections.get(source.server.id, source.holder)
        standing = await self.keeping.standing(current)
        if not self._still(current, seen) or not source.able(standing.tokens):
            return standing, None
        plan = await source.plan(*standing)
        if not lease.time_for_a_call:
            raise _not_now("its access could not be renewed in the time there was.")
        return standing, plan

    async def _called(self, lease: Lease, source: Source, plan: Plan, before: Standing, ends_at: float) -> Standing:
        """What came of the call."""
        asked_at = self.clock()
        answer = await self._answer(lease, source, plan, before, ends_at)
        if isinstance(answer, Standing):
            return answer
        if isinstance(answer, Granted):
            fresh, until = renewed_by(plan, answer, asked_at), min(ends_at - SPARE_S, lease.lapses_at)
            tokens = source.tokens(before.tokens, answer)
            logger.info("tokens_renewed", extra={"fields": {"connection": name_of(source)}})
            return await self.keeping.save(before.connection, fresh, tokens, until=until)
        return await self._refused(source, plan, before, answer)

    async def _answer(
        self, lease: Lease, source: Source, plan: Plan, before: Standing, ends_at: float
    ) -> TokenAnswer | Standing:
        """What the token endpoint says, or the connection where another process has saved its tokens meanwhile."""
        answer = await self.endpoints.ask(plan.request)
        if isinstance(answer, InvalidClient) and lease.time_for_a_call and await source.proof_changed():
            answer = await self.endpoints.ask((await source.plan(*before)).request)
        if isinstance(answer, InvalidGrant) and lease.inherited:
            # Whoever had the lease before may have been slow and not dead: its answer may come yet. And a server that
            # has spent the token for it may give the same answer again for a while.
            await self.sleep(PREDECESSOR_S)
            current = await self.keeping.connections.get(source.server.id, source.holder)
            if not self._still(current, before.connection) or not (lease.time_for_a_call and _time_for_a_call(ends_at)):
                # Where it is too late for that, whoever has the next lease asks: that one is not inherited.
                return await self.keeping.standing(current)
            answer = await self.endpoints.ask(plan.request)
        return answer

    async def _refused(self, source: Source, plan: Plan, before: Standing, refusal: TokenRefusal) -> Standing:
        """Note what the token endpoint says instead of a token. What the connection holds stays.

        It is written on the connection as it was read under the lease: a refusal of tokens that somebody has replaced
        meanwhile says nothing.
        """
        server = f"The authorization server of {source.server.name}"
        if isinstance(refusal, InvalidGrant) and source.consented:
            why = f"{server} has ended the permission that was given. {refusal.told}"
            failed = replace(plan.connection, state="needs_consent", why=why)
        else:
            why = f"{server} gives the gateway no new token. {refusal.told}"
            failed = failed_by(plan, refusal, why, self.clock())
        fields = {"connection": name_of(source), "state": failed.state, "answer": type(refusal).__name__}
        logger.warning("renewal_refused", extra={"fields": fields})
        return await self.keeping.standing(await self.keeping.write(before.connection, noted_beside(failed)))

    def _still(self, current: Connection | None, seen: Connection | None) -> bool:
        """True while the tokens are those that were seen, and others may be asked for."""
        if current is None or seen is None:
            return current is seen
        return current.sealed == seen.sealed and _open(current, self.clock())


def _time_for_a_call(ends_at: float) -> bool:
    """True where a call that begins now is over, and its answer saved, before the platform cuts this request off."""
    return ends_at - asyncio.get_running_loop().time() >= CALL_S + WRITE_S + SPARE_S


def _open(connection: Connection | None, now: int) -> bool:
    """True where new tokens may be asked for."""
    return connection is None or (connection.state != "needs_consent" and connection.not_before <= now)


def _good(standing: Standing, now: int) -> bool:
    """True for a token that is sent without another thought."""
    connection = standing.connection
    return connection is not None and standing.sendable(now) and not due(connection, now)


def _not_now(why: str) -> UpstreamUnreachable:
    return UpstreamUnreachable(why, reason="access_not_renewed")


async def _ended(task: asyncio.Task[Standing]) -> None:
    await asyncio.wait({task})
