"""Listening to what a server says on its own account: its changed lists, its updated resources.

Each ear is a line without a call. Its first message is `notifications/subscriptions/acknowledged`, once the server can
be heard, with the part of the wish that it honours; what follows is in the legacy form.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway_core.egress import Response
from gateway_core.errors import UpstreamGarbage, UpstreamTimedOut
from gateway_core.protocol import outbound
from gateway_core.protocol.bridge import notifications
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.answering import finished_message, whole_answer
from gateway_core.proxy.lines import new_id, notification
from gateway_core.proxy.lines.remote import TELL_S, Address, Remote
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import is_stream, read_events, read_whole
from gateway_core.upstream.sessions import Guest, end_session, open_session
from gateway_core.upstream.sse_sessions import SseSession, open_sse

ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
MAX_WATCHED: Final = 100
"""Resources that one stream may watch; each costs a request to a legacy server."""

Wish = Mapping[str, Any]
"""A `notifications` filter of `subscriptions/listen`."""


@dataclass(slots=True, eq=False, repr=False)
class ModernEar:
    """See proxy.lines.Line. A `subscriptions/listen` of ours (2026-07-28 subscriptions)."""

    upstream: UpstreamClient
    place: Place
    wish: Wish
    deadline: float

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        asked = outbound.own_call("subscriptions/listen", {"notifications": self.wish}, call_id=new_id())
        dialect = self.place.sessionless().within(asked.version, None)
        response = await self.upstream.post(self.place.server, asked, dialect, deadline=self.deadline)
        if response.status != 200 or not is_stream(response):
            refusal = finished_message(asked, response, await read_whole(response), self.place)
            raise UpstreamGarbage(f"{self.place.server.name} opens no subscription: {str(refusal.value)[:200]}")
        async with aclosing(_heard(response, asked, self.place)) as messages:
            async for message in messages:
                if message.kind in ("answer", "error"):
                    return
                if message.kind == "notification":
                    yield message

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply. A modern server asks nothing here."""

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel. Closing its stream has told the server."""


@dataclass(slots=True, eq=False, repr=False)
class LegacyEar:
    """See proxy.lines.Line. A session of its own at a Streamable HTTP server, and the stream of that session."""

    upstream: UpstreamClient
    place: Place
    guest: Guest
    wish: Wish
    deadline: float
    _remote: Remote | None = None

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        server, dialect = self.place.server, self.place.sessionless()
        session = await open_session(self.upstream, server, dialect, self.guest, deadline=self._soon())
        dialect = dialect.within(session.version, session.session_id)
        try:
            response = await self.upstream.listen(server, dialect, None, deadline=self.deadline)
            async with response:
                if response.status != 200 or not is_stream(response):
                    yield _acknowledged({})
                    return
                self._remote = Remote(self.upstream, self.place, Address("", session.version, session.session_id))
                honoured = notifications.honoured(self.wish, session.capabilities)
                yield _acknowledged(await _subscribed(honoured, self._takes))
                async with aclosing(_heard(response, None, self.place)) as messages:
                    async for message in messages:
                        yield message
        finally:
            await end_session(self.upstream, server, dialect, session)

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply."""
        if self._remote is not None:
            await self._remote.reply(response)

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel. There is no call to cancel."""

    async def _takes(self, call: Call) -> bool:
        assert self._remote is not None  # noqa: S101 - the stream is open
        at, deadline = self._remote.address, self._soon()
        dialect = self.place.sessionless().within(at.version, at.session_id)
        response = await self.upstream.post(self.place.server, call, dialect, deadline=deadline)
        if 400 <= response.status < 500 and response.status not in (401, 403, 429):
            # Some say no in HTTP alone. The rest of what is listened for does not depend on it.
            await response.close()
            return False
        # On a record of its own: what is refused here is no failure of the subscription.
        answer = await whole_answer(call, response, replace(self.place, record=self.place.record.part()))
        return answer.kind == "answer"

    def _soon(self) -> float:
        return min(self.deadline, asyncio.get_running_loop().time() + self.place.server.timeout_s)


@dataclass(slots=True, eq=False, repr=False)
class SseEar:
    """See proxy.lines.Line. A stream of its own at an HTTP+SSE server."""

    upstream: UpstreamClient
    place: Place
    guest: Guest
    wish: Wish
    deadline: float
    _session: SseSession | None = None

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        server, dialect = self.place.server, self.place.sessionless()
        session = await open_sse(self.upstream, server, dialect, self.guest, deadline=self._soon())
        self._session = session
        try:
            session.connection.last(self.deadline)
            yield _acknowledged(await _subscribed(notifications.honoured(self.wish, session.capabilities), self._takes))
            async with asyncio.timeout_at(self.deadline):
                while True:
                    yield await session.connection.next(None)
        except TimeoutError:
            return
        finally:
            await session.connection.close()

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply."""
        if self._session is not None:
            deadline = asyncio.get_running_loop().time() + TELL_S
            await self._session.connection.send(outbound.legacy_call(response), deadline=deadline)

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel. There is no call to cancel."""

    async def _takes(self, call: Call) -> bool:
        assert self._session is not None  # noqa: S101 - the stream is open
        deadline = self._soon()
        try:
            async with asyncio.timeout_at(deadline):
                await self._session.connection.send(call, deadline=deadline)
                return (await self._session.connection.answer(call)).kind == "answer"
        except TimeoutError:
            server = self.place.server
            told = f"{server.name} did not answer {call.method} within {server.timeout_s:g} s."
            raise UpstreamTimedOut(told) from None

    def _soon(self) -> float:
        return min(self.deadline, asyncio.get_running_loop().time() + self.place.server.timeout_s)


async def _subscribed(honoured: Wish, takes: Callable[[Call], Awaitable[bool]]) -> Wish:
    """Subscribe to each resource of a filter; what the server refuses is left out of it."""
    uris = list(honoured.get("resourceSubscriptions", []))[:MAX_WATCHED]
    taken = []
    for uri in uris:
        message = {"jsonrpc": "2.0", "id": new_id(), "method": "resources/subscribe", "params": {"uri": uri}}
        if await takes(outbound.legacy_call(message)):
            taken.append(uri)
    rest = {name: value for name, value in honoured.items() if name != "resourceSubscriptions"}
    return {**rest, "resourceSubscriptions": taken} if taken else rest


async def _heard(response: Response, call: Call | None, place: Place) -> AsyncGenerator[Message]:
    try:
        async with aclosing(read_events(response)) as events:
            async for event in events:
                if event.data:
                    yield read_message(event.data.encode(), call, place.server.name)
    finally:
        await response.close()


def _acknowledged(honoured: Wish) -> Message:
    return notification({"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": {"notifications": dict(honoured)}})
