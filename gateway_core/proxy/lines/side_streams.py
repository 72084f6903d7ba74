"""The stream of a kept session itself, beside the calls in it.

Servers ask there too, without saying which call it is about: the session is one person's at one client, so whichever of
their calls is under way can pass the question on (2025-11-25 transports, Listening for Messages from the Server).
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from gateway_core.errors import UpstreamError
from gateway_core.protocol.versions import METHOD_NOT_FOUND
from gateway_core.proxy.lines.remote import Address, Remote
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import is_stream, read_events

OPEN_S: Final = 1.0
"""How long a call waits for the stream. A server that is slower to open one is not asked to be heard there."""
LIFE_S: Final = 600.0
IDLE_S: Final = 30.0
"""How long the stream stays open for the next call."""
REFUSED_S: Final = 300.0
"""How long a server is believed that it has no such stream."""
MAX_OPEN: Final = 200

Hear = Callable[[Message], None]


@dataclass(slots=True)
class _Side:
    """One stream, and the calls that hear it, the oldest first."""

    place: Place
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    heard_by: dict[str, Hear] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    closing: asyncio.TimerHandle | None = None
    refused_until: float = 0.0
    """Event loop time until which the server is not asked for a stream again, having none."""


@dataclass(frozen=True, slots=True)
class SideStreams:
    """One per process."""

    upstream: UpstreamClient
    _open: dict[tuple[str, str, str], _Side] = field(default_factory=dict)

    async def join(self, place: Place, token: str, hear: Hear) -> Callable[[], None]:
        """Hear what the session of `place` says beside its calls, until the function that is returned is called.

        Args:
            place: Within the session.
            token: Progress token of the call that hears.
            hear: Takes what is for this call.
        """
        assert place.session is not None  # noqa: S101 - the caller has opened one
        key = (place.server.id, place.caller.principal, place.session.upstream_id or "")
        side = self._open.get(key)
        if side is None or side.task is None or side.task.done():
            if side is not None and asyncio.get_running_loop().time() < side.refused_until:
                return lambda: None
            self._make_room()
            side = self._open[key] = _Side(place)
            side.task = asyncio.create_task(self._read(side))
        if side.closing is not None:
            side.closing.cancel()
        side.heard_by[token] = hear
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_S):
                await side.opened.wait()
        return lambda: self._leave(side, token)

    def _leave(self, side: _Side, token: str) -> None:
        side.heard_by.pop(token, None)
        if not side.heard_by and side.task is not None:
            side.closing = asyncio.get_running_loop().call_later(IDLE_S, side.task.cancel)

    def _make_room(self) -> None:
        for key, side in list(self._open.items()):
            idle = not side.heard_by and side.task is not None
            over = side.task is None or (side.task.done() and not side.refused_until)
            if over or (idle and len(self._open) >= MAX_OPEN):
                if side.task is not None:
                    side.task.cancel()
                del self._open[key]

    async def _read(self, side: _Side) -> None:
        place = side.place
        try:
            deadline = asyncio.get_running_loop().time() + LIFE_S
            response = await self.upstream.listen(place.server, place.dialect(None), None, deadline=deadline)
            async with response:
                side.opened.set()
                if response.status != 200 or not is_stream(response):
                    side.refused_until = asyncio.get_running_loop().time() + REFUSED_S
                    return
                async with aclosing(read_events(response)) as events:
                    async for event in events:
                        if event.data:
                            await self._pass_on(read_message(event.data.encode(), None, place.server.name), side)
        except UpstreamError:
            # What came on it came; the calls have streams of their own.
            return
        finally:
            side.opened.set()

    async def _pass_on(self, message: Message, side: _Side) -> None:
        method, params = message.value.get("method"), message.value.get("params")
        hear: Hear | None = next(iter(side.heard_by.values()), None)
        if method == "notifications/progress" and isinstance(params, dict):
            hear = side.heard_by.get(str(params.get("progressToken")))
        if hear is not None and message.kind in ("request", "notification"):
            hear(message)
        elif message.kind == "request":
            await self._decline(message, side.place)

    async def _decline(self, message: Message, place: Place) -> None:
        session = place.session
        at = Address("", None if session is None else session.version, None if session is None else session.upstream_id)
        told = "The client can be asked in the course of a call only."
        answer = {"error": {"code": METHOD_NOT_FOUND, "message": told}}
        if message.value.get("method") == "ping":
            answer = {"result": {}}
        with suppress(UpstreamError):
            await Remote(self.upstream, place, at).reply({"jsonrpc": "2.0", "id": message.value["id"], **answer})
