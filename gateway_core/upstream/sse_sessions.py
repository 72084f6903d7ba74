"""Sessions at HTTP+SSE servers: each lives as long as its stream, in one process, and serves one call at a time.

Nothing that such a server sends says which call it belongs to, so two calls never share a stream.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.errors import UpstreamChangedEra, UpstreamTimedOut
from gateway_core.ports import Key
from gateway_core.protocol import outbound
from gateway_core.registry.servers import Server
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.http_sse import SseConnection, connect
from gateway_core.upstream.sessions import Guest, initialize_result

IDLE_S: Final = 30.0
"""How long a stream waits for the next call of the same caller."""
LIFE_S: Final = 900.0
"""How long a stream may live at all."""
MAX_IDLE: Final = 50


@dataclass(slots=True)
class SseSession:
    """An initialized session and the stream that it lives on."""

    connection: SseConnection
    initialized: Mapping[str, Any]
    log_level: str | None = None
    idle_since: float = field(default=0.0)

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the server offers."""
        found = self.initialized.get("capabilities")
        return found if isinstance(found, dict) else {}

    @property
    def usable(self) -> bool:
        """True while the stream is open, as far as one can see."""
        loop = asyncio.get_running_loop()
        return self.connection.alive and self.connection.open and loop.time() - self.idle_since < IDLE_S


@dataclass(frozen=True, slots=True)
class SseSessions:
    """One per process. Idle sessions are kept for their owner's next call."""

    client: UpstreamClient
    _idle: dict[tuple[Key, str | None], list[SseSession]] = field(default_factory=dict)

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
        session.idle_since = asyncio.get_running_loop().time()
        await self._make_room()
        self._idle.setdefault((guest.key(session.connection.server), session.log_level), []).append(session)

    async def _make_room(self) -> None:
        everyone = [(one, waiting) for waiting in self._idle.values() for one in waiting]
        for one, waiting in everyone:
            if one in waiting and (not one.usable or len(everyone) >= MAX_IDLE):
                waiting.remove(one)
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
    lives_until = asyncio.get_running_loop().time() + LIFE_S
    connection = await connect(client, server, dialect.within(None, None), deadline=lives_until)
    if connection is None:
        raise UpstreamChangedEra(f"{server.name} opens no HTTP+SSE stream.")
    try:
        asked = outbound.initialize(
            "gatehouse-open", version=guest.version, capabilities=guest.capabilities, client=guest.client
        )
        async with asyncio.timeout_at(deadline):
            await connection.send(asked, deadline=deadline)
            result = initialize_result(await connection.answer(asked), server)
            await connection.send(outbound.INITIALIZED, deadline=deadline)
        return SseSession(connection, result)
    except TimeoutError:
        await connection.close()
        raise UpstreamTimedOut(f"{server.name} did not answer initialize in the time there was.") from None
    except BaseException:
        await connection.close()
        raise
