"""A call at an HTTP+SSE server, on a stream that is its own for as long as it lasts."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.errors import GatewayError, UpstreamClosed, UpstreamForgot, UpstreamTimedOut
from gateway_core.protocol import outbound
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.answering import note
from gateway_core.proxy.lines.remote import TELL_S
from gateway_core.proxy.place import Place, midway
from gateway_core.upstream.answers import Message
from gateway_core.upstream.sessions import Guest
from gateway_core.upstream.sse_sessions import SseSession, SseSessions

SPARE_S: Final = 1.0
"""How much longer than its call a stream lasts, so that it is the call that says whose time was up."""


@dataclass(slots=True, eq=False, repr=False)
class SseLine:
    """See proxy.lines.Line."""

    sessions: SseSessions
    session: SseSession
    guest: Guest
    place: Place
    call: Call
    _asked: set[str | int] = field(default_factory=set)
    _done: bool = False
    _deadline: float = 0.0
    _limit: asyncio.Timeout | None = None

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        connection = self.session.connection
        connection.begin()
        self._allow(self.place.server.timeout_s)
        try:
            await connection.send(self.call, deadline=self._deadline)
            while not self._done:
                message = await self._next()
                if message.kind in ("answer", "error"):
                    note(message, self.place)
                    self._done = True
                if message.kind == "request":
                    self._asked.add(message.value["id"])
                    self._allow(self.place.ask_s + self.place.server.timeout_s)
                if message.kind != "foreign":
                    yield message
        finally:
            # What a call left open would be answered into the next one.
            if self._done and not self._asked:
                await self.sessions.give_back(self.session, self.guest)
            else:
                await connection.close()

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply."""
        self._asked.discard(response["id"])
        self._allow(self.place.server.timeout_s)
        try:
            await self._tell(outbound.legacy_call(response))
        except UpstreamForgot as problem:
            # The call was taken long before: that its stream is unknown now says nothing of what became of it.
            raise UpstreamClosed(f"{self.place.server.name} no longer knows the stream of this call.") from problem

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel."""
        if not self._done and self.session.connection.alive and self.call.id is not None:
            with suppress(GatewayError):
                await self._tell(outbound.cancelled(self.call.id))

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline) as self._limit:
                return await self.session.connection.next(self.call)
        except TimeoutError:
            told = f"{self.place.server.name} did not answer within {self.place.server.timeout_s:g} s."
            raise UpstreamTimedOut(told) from None
        finally:
            self._limit = None

    def _allow(self, for_s: float) -> None:
        """From now on the next message may take `for_s`: a person has been asked, or has answered."""
        self._deadline = self.place.deadline(asyncio.get_running_loop().time(), for_s)
        # What cuts a call off is its own time alone, not that of a stream which others had before it.
        self.session.connection.last(self._deadline + SPARE_S)
        if self._limit is not None:
            self._limit.reschedule(self._deadline)

    async def _tell(self, call: Call) -> None:
        deadline = asyncio.get_running_loop().time() + TELL_S
        with midway(self.place.server):
            await self.session.connection.send(call, deadline=deadline)
