"""Leases: who may ask for new tokens of a connection, one at a time over all processes. They lapse by themselves.

A lease is an item of its own, so that taking and giving it back never gets in the way of what is written on the
connection.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from gateway_core.errors import Conflict, GatewayError
from gateway_core.parts import part
from gateway_core.ports import ABSENT, Clock, Item, Key, Table, Unchanged
from gateway_core.upstream.token_endpoint import CALL_S

LEASE_S: Final = 22
"""Life of a lease. Longer than a call, a write and the difference of two clocks together, or it is none."""
WRITE_S: Final = 3.0
"""How long saving an answer takes at most, as a rule; it is tried for longer."""
SKEW_S: Final = 4.0
"""By how much the clocks of two processes may differ: each may be wrong by two seconds."""
HELD_S: Final = LEASE_S - SKEW_S - 1
"""How long a lease is held by every clock. Leases lapse at whole seconds, so up to one is lost."""
CALL_WITHIN_S: Final = HELD_S - CALL_S - WRITE_S
"""How old a lease may be when a call begins."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease of this process."""

    item: Item
    since: float
    """When it was asked for, by the event loop's clock."""

    @property
    def time_for_a_call(self) -> bool:
        """True while a call that begins now is over, and its answer saved, before the lease lapses."""
        return asyncio.get_running_loop().time() - self.since <= CALL_WITHIN_S

    @property
    def lapses_at(self) -> float:
        """Event loop time from which on others may hold it, by the clock that is most ahead."""
        return self.since + HELD_S

    @property
    def inherited(self) -> bool:
        """True where whoever had it before did not give it back: it died, or is slow. A lease that was given back is
        gone, and the next one counts from 1."""
        return self.item.version > 1


@part
class Leases:
    """Stateless."""

    table: Table
    clock: Clock

    async def take(self, key: Key) -> Lease | None:
        """The lease, or None while somebody has it.

        Raises:
            StoreUnavailable: Nobody can tell; then nobody has it.
        """
        since = asyncio.get_running_loop().time()
        # A look is cheaper than a write that fails, and nearly all of those who wait find it taken.
        if await self.table.get(key) is not None:
            return None
        try:
            return Lease(await self.table.put(key, {}, when=ABSENT, expires_at=self.clock() + LEASE_S), since)
        except Conflict:
            return None

    async def give_back(self, lease: Lease) -> None:
        """Let others go on at once. Where that fails they wait until it lapses."""
        try:
            await self.table.delete(lease.item.key, when=Unchanged(lease.item.version))
        except GatewayError as problem:
            logger.info("lease_not_given_back", extra={"fields": {"reason": problem.reason}})
