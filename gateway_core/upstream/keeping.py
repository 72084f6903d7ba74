"""What a call for new tokens brought, written down: a token that was given must not get lost.

Everything is written on the version of the connection. What cannot be saved is kept in memory until it can.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from gateway_core.errors import Conflict, GatewayError
from gateway_core.parts import part
from gateway_core.ports import ABSENT, Unchanged
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.renewal import Standing

AGAIN_S, SLOWEST_AGAIN_S = 0.05, 1.0
"""Pause before an answer is saved once more; twice as long each time."""
MAX_UNSAVED: Final = 1_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """New tokens that the store does not know: those before them may be spent."""

    of: str
    """What was sealed before."""
    connection: Connection
    tokens: Tokens


@part
class Keeping:
    """One per process."""

    connections: Connections
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _unsaved: dict[str, _Unsaved] = field(default_factory=dict)
    """By connection."""

    async def standing(self, connection: Connection | None) -> Standing:
        """A connection with its tokens.

        Raises:
            StoreUnavailable: Nobody can open them now.
        """
        return Standing(connection, None if connection is None else await self.connections.tokens(connection))

    async def save(self, before: Connection | None, fresh: Connection, tokens: Tokens, *, until: float) -> Standing:
        """Keep new tokens in place of those of `before`, however many tries that takes until `until` (event loop time);
        then for this process alone."""
        pause_s, loop = AGAIN_S, asyncio.get_running_loop()
        made: Connection | None = None
        while True:
            try:
                # Sealed once: by that we know our own write again where the answer to it was lost.
                made = made or await self.connections.sealed(fresh, tokens)
                return await self.standing(await self.write(before, kept_beside(made)))
            except GatewayError as problem:
                if loop.time() + pause_s >= until:
                    return self._kept(before, fresh, tokens, problem)
            await self.sleep(pause_s)
            pause_s = min(pause_s * 2, SLOWEST_AGAIN_S)

    async def rescue(self, name: str, current: Connection | None) -> Standing | None:
        """Save what could not be saved before, if there is such a thing; None where there is not.

        Without a lease: nobody is asked for anything. `current` is what the store holds.
        """
        unsaved = self._unsaved.get(name)
        if unsaved is None or current is None or current.sealed != unsaved.of:
            # Somebody has connected it anew meanwhile, or was faster.
            self._unsaved.pop(name, None)
            return None
        try:
            made = await self.connections.sealed(unsaved.connection, unsaved.tokens)
            standing = await self.standing(await self.write(current, kept_beside(made)))
        except GatewayError:
            return Standing(unsaved.connection, unsaved.tokens)
        self._unsaved.pop(name, None)
        return standing

    def unsaved(self, name: str) -> bool:
        """True while this process alone knows the tokens of a connection."""
        return name in self._unsaved

    async def write(
        self, before: Connection | None, change: Callable[[Connection | None], Connection]
    ) -> Connection | None:
        """Write what `change` makes of the connection, for as long as it holds the tokens of `before`; returns what
        stands there then.

        Where the tokens are others by now, those count: somebody connected the account anew, or the answer to an
        earlier try of this very write was lost.

        Raises:
            StoreUnavailable, StoreFull: It is not written, as far as one can tell.
        """
        row = before
        while True:
            try:
                when = ABSENT if row is None else Unchanged(row.version)
                return await self.connections.put(change(row), when=when)
            except Conflict:
                made = change(row)
                row = await self.connections.get(made.server_id, made.holder)
                if row is None or row.sealed != ("" if before is None else before.sealed):
                    return row

    async def note_use(self, connection: Connection, at: int) -> None:
        """Write down that it was used, if nobody else writes on it now: the next use says the same."""
        with suppress(GatewayError):
            await self.connections.put(replace(connection, used_at=at), when=Unchanged(connection.version))

    def _kept(self, before: Connection | None, fresh: Connection, tokens: Tokens, problem: GatewayError) -> Standing:
        logger.error("renewal_not_saved", extra={"fields": {"connection": fresh.name, "reason": problem.reason}})
        if len(self._unsaved) >= MAX_UNSAVED:
            del self._unsaved[next(iter(self._unsaved))]
        self._unsaved[fresh.name] = _Unsaved("" if before is None else before.sealed, fresh, tokens)
        return Standing(fresh, tokens)


def kept_beside(fresh: Connection) -> Callable[[Connection | None], Connection]:
    """A change to `fresh` that leaves what calls note beside the tokens as it is."""

    def change(row: Connection | None) -> Connection:
        if row is None:
            return fresh
        return replace(fresh, wanted=row.wanted, step_ups=row.step_ups, used_at=row.used_at)

    return change


def noted_beside(failed: Connection) -> Callable[[Connection | None], Connection]:
    """The same for what brought no tokens: where a call has noted meanwhile that the account has to be connected anew,
    that stays."""
    change = kept_beside(failed)

    def noted(row: Connection | None) -> Connection:
        if row is None or row.state != "needs_consent":
            return change(row)
        return replace(change(row), state=row.state, why=row.why)

    return noted
