"""Sessions at HTTP+SSE servers: each lives as long as its stream, in one process, and serves one call at a time.

Nothing that such a server sends says which call it belongs to, so two calls never share a stream.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.errors import UpstreamChangedEra, UpstreamTimedOut
from gateway_core.parts import part
from gateway_core.ports import Key
from gateway_core.protocol import outbound
from gateway_core.registry.servers import Server
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.http_sse import SseConnection, connect
from gateway_core.upstream.sessions import Guest, initialize_result

IDLE_S: Final = 30.0
"""How long a stream waits for the next call of the same caller."""
LIFE_S: Final = 900.0
"""How old a stream may be that a call begins on. It lasts until that call has ended."""
MAX_IDLE: Final = 50


@dataclass(slots=True, eq=False, repr=False)
class SseSession:
    """An initialized session and the stream that it lives on."""

    connection: SseConnection
    initialized: Mapping[str, Any]
    old_at: float
    """Event loop time from which on no call begins on it."""
    log_level: str | None = None
    idle_since: float = field(default=0.0)
    expiry: asyncio.TimerHandle | None = field(default=None)
    """What closes it when it has been idle for too long."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the server offers."""
        found = self.initialized.get("capabilities")
        return found if isinstance(found, dict) else {}

    @property
    def usable(self) -> bool:
        """True while a call may begin on the stream, as far as one can see."""
        now = asyncio.get_running_loop().time()
        there = self.connection.alive and self.connection.open
        return there and now - self.idle_since < IDLE_S and now < self.old_at

    def stay(self) -> None:
        """Not to be closed for having been idle, from now on."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


@part
class SseSessions:
    """One per process. Idle sessions are kept for their owner's next call."""

    client: UpstreamClient
    _idle: dict[tuple[Key, str | None], list[SseSession]] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)
    """An event loop keeps no task alive that nobody else holds."""

    async def take(
        self, server: Server, dialect: Dialect, guest: Guest, *, deadline: float, log_level: str | None = None
    ) -> SseSession:
        """A session of `guest` that nobody else uses until it is given back or closed.

        Args:
            server: Whose session it is.
            dialect: On whose word it is opened.
            guest: For whom.
            deadline: Event loop time by which it must be open.
            log_level: A session whose level was set to another is left alone: what is set cannot be unset.

        Raises:
            UpstreamChangedEra: The server opens no such stream any more.
            UpstreamError: None can be opened.
        """
        waiting = self._idle.get((guest.key(server), log_level), [])
        while waiting:
            session = waiting.pop()
            session.stay()
            if session.usable and session.connection.server == server:
                # The credential and the trace are this call's, not those of whoever opened the stream.
                session.connection.dialect = dialect.within(None, None)
                return session
            await session.connection.close()
        return await open_sse(self.client, server, dialect, guest, deadline=deadline)

    async def give_back(self, session: SseSession, guest: Guest) -> None:
        """Keep it for the next call; it must be at rest."""
        if not session.connection.alive:
            return
        loop = asyncio.get_running_loop()
        await self._make_room()
        waiting = self._idle.setdefault((guest.key(session.connection.server), session.log_level), [])
        waiting.append(session)
        session.idle_since = loop.time()
        session.expiry = loop.call_later(IDLE_S, self._expire, session, waiting)

    def _expire(self, session: SseSession, waiting: list[SseSession]) -> None:
        """Close it: the server keeps a connection and a session for it."""
        waiting.remove(session)
        closing = asyncio.get_running_loop().create_task(session.connection.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _make_room(self) -> None:
        everyone = [(one, waiting) for waiting in self._idle.values() for one in waiting]
        for one, waiting in everyone:
            if one in waiting and (not one.usable or len(everyone) >= MAX_IDLE):
                waiting.remove(one)
                one.stay()
                await one.connection.close()
        for key in [key for key, waiting in self._idle.items() if not waiting]:
            del self._idle[key]


async def open_sse(
    client: UpstreamClient, server: Server, dialect: Dialect, guest: Guest, *, deadline: float
) -> SseSession:
    """Open a stream and initialize on it.

    Raises:
        UpstreamChangedEra: The server opens no such stream.
        UpstreamError: It gave no usable answer.
    """
    # The stream outlives the call that opens it; the opening does not.
    lives_until = asyncio.get_running_loop().time() + LIFE_S
    try:
        async with asyncio.timeout_at(deadline):
            connection = await connect(client, server, dialect.within(None, None), deadline=lives_until)
            if connection is None:
                raise UpstreamChangedEra(f"{server.name} opens no HTTP+SSE stream.")
            return await _initialized(connection, guest, deadline=deadline, old_at=lives_until)
    except TimeoutError:
        raise UpstreamTimedOut(f"{server.name} did not answer initialize in the time there was.") from None


async def _initialized(connection: SseConnection, guest: Guest, *, deadline: float, old_at: float) -> SseSession:
    asked = outbound.initialize(
        "gatehouse-open", version=guest.version, capabilities=guest.capabilities, client=guest.client
    )
    try:
        await connection.send(asked, deadline=deadline)
        result = initialize_result(await connection.answer(asked), connection.server)
        await connection.send(outbound.INITIALIZED, deadline=deadline)
    except BaseException:
        await connection.close()
        raise
    return SseSession(connection, result, old_at)
