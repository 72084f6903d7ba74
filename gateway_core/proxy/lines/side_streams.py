"""The stream of a kept session itself, beside the calls in it.

Servers ask there too, without saying which call it is about: the session is one person's at one client, so whichever of
their calls is under way can pass the question on (2025-11-25 transports, Listening for Messages from the Server).

A stream ends with the last call that hears it. Many servers have one for each session: a process that kept it would
take what is meant for a call in another.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from gateway_core.egress import Response
from gateway_core.errors import GatewayError, UpstreamError
from gateway_core.parts import part
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import is_stream, read_events

OPEN_S: Final = 1.0
"""How long a call waits for the stream."""
CLOSING_S: Final = 0.5
"""How long a server may take to notice that we closed the last stream; until then it says that there is one."""
AGAIN_S: Final = 0.05
LIFE_S: Final = 600.0
REFUSED_S: Final = 300.0
"""How long a server is believed that it has no such stream, or is slow to open one."""
MAX_KNOWN: Final = 1_000
"""Sessions of which it is remembered."""

Hear = Callable[[Message], None]
Key = tuple[str, str, str]
"""Server, principal, session."""


@dataclass(slots=True, eq=False, repr=False)
class _Side:
    """One stream, and the calls that hear it, the oldest first."""

    key: Key
    place: Place
    before: asyncio.Task[None] | None
    """Reads a stream of the same session that is being closed."""
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    heard_by: dict[str, Hear] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


@part
class SideStreams:
    """One per process."""

    upstream: UpstreamClient
    _open: dict[Key, _Side] = field(default_factory=dict)
    _refused: dict[Key, float] = field(default_factory=dict)
    """Event loop time until which the server is not asked for a stream again."""
    _closed: dict[Key, float] = field(default_factory=dict)
    """Event loop time until which a server may not have noticed that this process has closed its stream."""
    _slow: dict[Key, float] = field(default_factory=dict)
    """Event loop time until which no call waits for the stream: the head of such an answer often comes with the first
    event only."""

    async def join(self, place: Place, token: str, hear: Hear) -> Callable[[], None]:
        """Hear what the session of `place` says beside its calls, until the function that is returned is called.

        Args:
            place: Within the session.
            token: Progress token of the call that hears.
            hear: Takes what is for this call.
        """
        assert place.session is not None  # noqa: S101 - the caller has opened one
        key = (place.server.id, place.caller.principal, place.session.upstream_id or "")
        if _lasts(self._refused, key):
            return lambda: None
        side = self._open.get(key)
        if side is None or not side.heard_by:
            side = self._begun(key, place, side)
        side.heard_by[token] = hear
        try:
            await self._until_open(side)
        except asyncio.CancelledError:
            _leave(side, token)
            raise
        return lambda: _leave(side, token)

    def _begun(self, key: Key, place: Place, before: _Side | None) -> _Side:
        side = self._open[key] = _Side(key, place, None if before is None else before.task)
        side.task = asyncio.create_task(self._read(side))
        side.task.add_done_callback(lambda _: self._forget(side))
        return side

    def _forget(self, side: _Side) -> None:
        if self._open.get(side.key) is side:
            del self._open[side.key]

    async def _until_open(self, side: _Side) -> None:
        if _lasts(self._slow, side.key):
            return
        try:
            async with asyncio.timeout(OPEN_S):
                await side.opened.wait()
        except TimeoutError:
            _remember(self._slow, side.key, REFUSED_S)
            # Whoever else waits for it has waited long enough too.
            side.opened.set()

    async def _read(self, side: _Side) -> None:
        try:
            if side.before is not None:
                await asyncio.wait([side.before])
                side.before = None
            response = await self._listened(side)
            if response is None:
                return
            async with response:
                side.opened.set()
                try:
                    await _hear_all(response, side)
                finally:
                    _remember(self._closed, side.key, CLOSING_S)
        except UpstreamError:
            # What came on it came; the calls have streams of their own.
            return
        finally:
            side.opened.set()

    async def _listened(self, side: _Side) -> Response | None:
        """The stream; None where the server gives none."""
        deadline = asyncio.get_running_loop().time() + LIFE_S
        response = await self._asked(side, deadline)
        while response is not None and response.status == 409 and _lasts(self._closed, side.key):
            await response.close()
            await asyncio.sleep(AGAIN_S)
            response = await self._asked(side, deadline)
        if response is not None and response.status == 200 and is_stream(response):
            return response
        if response is None or response.status != 409:
            # 409 says that the session has a stream already: another process's, which ends with its calls.
            _remember(self._refused, side.key, REFUSED_S)
        if response is not None:
            await response.close()
        return None

    async def _asked(self, side: _Side, deadline: float) -> Response | None:
        place = side.place
        try:
            return await self.upstream.listen(place.server, place.dialect(None), None, deadline=deadline)
        except GatewayError:
            return None


async def _hear_all(response: Response, side: _Side) -> None:
    async with aclosing(read_events(response)) as events:
        async for event in events:
            if event.data:
                _pass_on(read_message(event.data.encode(), None, side.place.server.name), side)


def _leave(side: _Side, token: str) -> None:
    side.heard_by.pop(token, None)
    if not side.heard_by and side.task is not None:
        side.task.cancel()


def _pass_on(message: Message, side: _Side) -> None:
    method, params = message.value.get("method"), message.value.get("params")
    hear: Hear | None = next(iter(side.heard_by.values()), None)
    if method == "notifications/progress" and isinstance(params, dict):
        hear = side.heard_by.get(str(params.get("progressToken")))
    if hear is not None and message.kind in ("request", "notification"):
        hear(message)


def _over(at: float) -> bool:
    return asyncio.get_running_loop().time() >= at


def _lasts(known: dict[Key, float], key: Key) -> bool:
    return not _over(known.get(key, 0.0))


def _remember(known: dict[Key, float], key: Key, for_s: float) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[key] = asyncio.get_running_loop().time() + for_s
