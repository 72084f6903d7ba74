"""Connections that wait for their next request, by origin, and what is known about origins that close them early."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway_core.egress.answer import Answer
from gateway_core.egress.connection import Connection
from gateway_core.egress.policy import Origin

IDLE_S: Final = 4
"""Seconds. Common servers (Node, uvicorn) close after 5; a request written in that moment would be lost."""
MAX_IDLE_S: Final = 60
"""Seconds, for servers that name a longer time in Keep-Alive."""
MAX_AGE_S: Final = 300
"""Seconds. Then a name is resolved and its addresses are vetted anew, however busy the connection is."""
MAX_IDLE_PER_ORIGIN: Final = 64
MAX_IDLE: Final = 256
MAX_ORIGINS: Final = 1024

PROBATION_S: Final = 0.01
"""Seconds that the first connection to an origin must stay open after an answer before it carries another request.
Some servers close after each answer without saying so. Their FIN comes right behind the answer, and a request that is
written in between may not be sent again (D16)."""
EARLY_S: Final = 1.0
"""Seconds. A peer that closes sooner than this after an answer is not worth keeping connections to."""
DISTRUST_S: Final = 60
"""Seconds until such an origin gets another chance."""

_TIMEOUT: Final = re.compile(r"\btimeout=([0-9]{1,5})\b", re.IGNORECASE)


@dataclass(slots=True, eq=False, repr=False)
class _Known:
    """What is known about one origin."""

    idle: deque[Connection] = field(default_factory=deque)
    keeps: bool = False
    distrusted_until: float = 0.0


class Pool:
    """Idle connections. What is taken out belongs to the taker alone.

    Args:
        clock: Unix time with fractions. Not the event loop's: that may stand still while a Lambda is frozen.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[Origin, _Known] = {}
        self._idle = 0
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def take(self, origin: Origin) -> Connection | None:
        """An idle connection to `origin` that is open as far as anybody can know, or None."""
        known = self._known.get(origin)
        while known is not None and known.idle:
            connection = known.idle.pop()
            self._idle -= 1
            if not self._fresh(connection):
                connection.abort()
            elif (known.keeps or await self._survives(connection, known)) and connection.usable():
                return connection
            else:
                self._died(connection, known)
        return None

    async def close(self) -> None:
        """Close every connection, busy ones too, and wait until the sockets are closed."""
        if self._sweep is not None:
            self._sweep.cancel()
        connections = list(self._all)
        for connection in connections:
            connection.abort()
        if connections:
            await asyncio.wait([connection.gone for connection in connections], timeout=1)

    def drop_stale(self) -> None:
        """Close what nobody would be given any more. Runs by itself while anything is idle."""
        self._sweep = None
        for known in self._known.values():
            for connection in [one for one in known.idle if not self._fresh(one)]:
                known.idle.remove(connection)
                self._idle -= 1
                connection.abort()
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_S, self.drop_stale)

    def made(self, connection: Connection) -> None:
        """See connection.Owner.made."""
        connection.made_at = self._clock()
        self._all.add(connection)

    def idle(self, connection: Connection, after: Answer) -> None:
        """See connection.Owner.idle."""
        known = self._known_for(connection.origin)
        now = self._clock()
        if now < known.distrusted_until or len(known.idle) >= MAX_IDLE_PER_ORIGIN or self._idle >= MAX_IDLE:
            connection.abort()
            return
        connection.idle_since = now
        connection.idle_until = now + _idle_s(after.headers.get("keep-alive"))
        known.idle.append(connection)
        self._idle += 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_S, self.drop_stale)

    def lost(self, connection: Connection) -> None:
        """See connection.Owner.lost."""
        self._all.discard(connection)
        known = self._known.get(connection.origin)
        if known is not None and connection in known.idle:
            known.idle.remove(connection)
            self._idle -= 1
            self._died(connection, known)

    async def _survives(self, connection: Connection, known: _Known) -> bool:
        left = connection.idle_since + PROBATION_S - self._clock()
        try:
            if 0 < left <= PROBATION_S:
                await asyncio.wait([connection.gone], timeout=left)
        except asyncio.CancelledError:
            connection.abort()
            raise
        known.keeps = connection.usable()
        return known.keeps

    def _fresh(self, connection: Connection) -> bool:
        now = self._clock()
        # A clock that was set back tells nothing, so the connection is given up.
        return connection.idle_since <= now < connection.idle_until and now - connection.made_at < MAX_AGE_S

    def _died(self, connection: Connection, known: _Known) -> None:
        connection.abort()
        now = self._clock()
        if now - connection.idle_since < EARLY_S:
            known.keeps = False
            known.distrusted_until = now + DISTRUST_S

    def _known_for(self, origin: Origin) -> _Known:
        known = self._known.get(origin)
        if known is None:
            if len(self._known) >= MAX_ORIGINS:
                self._known = {other: one for other, one in self._known.items() if one.idle}
            known = self._known[origin] = _Known()
        return known


def _idle_s(keep_alive: str | None) -> float:
    """How long to keep a connection: a second less than the server says, `IDLE_S` when it says nothing."""
    said = _TIMEOUT.search(keep_alive) if keep_alive else None
    return min(int(said[1]) - 1, MAX_IDLE_S) if said else IDLE_S
