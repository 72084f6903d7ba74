"""Crossed listening: the stream of a legacy session from a modern server, a modern subscription from a legacy one."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final

from gateway_core.errors import NotFound, Refused, UpstreamError
from gateway_core.parts import part
from gateway_core.protocol import reply, sse
from gateway_core.protocol.bridge import notifications
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Stream
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import META_SUBSCRIPTION_ID, METHOD_NOT_FOUND
from gateway_core.proxy.answering import session_gone
from gateway_core.proxy.client_sessions import ClientSessions
from gateway_core.proxy.guests import nobody
from gateway_core.proxy.lines import Line
from gateway_core.proxy.lines.ears import ACKNOWLEDGED, LegacyEar, ModernEar, SseEar, Wish
from gateway_core.proxy.lines.pump import Pump
from gateway_core.proxy.place import Place, stopped
from gateway_core.upstream.answers import Message
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.spoken import Spoken

LOOK_S: Final = 1.0
"""How often the stream of a session looks whether its client has subscribed to something else meanwhile."""
LISTS: Final = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


@part
class Listening:
    """Stateless between calls."""

    upstream: UpstreamClient
    sessions: ClientSessions
    listen_s: int

    async def subscription(self, call: Call, place: Place, spoken: Spoken) -> Stream:
        """`subscriptions/listen` of a modern client at a legacy server.

        Raises:
            UpstreamError: The server cannot be heard.
        """
        asked = call.message["params"].get("notifications")
        pump, first = await _opened(self._ear(place, spoken, asked if isinstance(asked, dict) else {}))
        events = self._subscription_events(call, pump, first.value["params"]["notifications"])
        return Stream(events, release=pump.close)

    async def session_stream(self, place: Place, session: Session, spoken: Spoken) -> Stream:
        """The stream of a legacy client's session at a server that has no such session.

        Raises:
            UpstreamError: The server cannot be heard.
        """
        pump = await self._heard(place, session, spoken)
        return Stream(self._session_events(place, session, spoken, pump), release=pump.close)

    async def _subscription_events(self, call: Call, pump: Pump, honoured: Wish) -> AsyncGenerator[bytes]:
        assert call.id is not None  # noqa: S101 - a request has one
        try:
            params = {"notifications": honoured, "_meta": {META_SUBSCRIPTION_ID: call.id}}
            yield sse.message(reply.dump({"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": params}))
            with suppress(UpstreamError):
                while honoured:
                    message = await pump.next()
                    if message.kind == "request":
                        await _decline(message, pump.line)
                        continue
                    value = notifications.for_subscription(message.value, subscription_id=call.id, wanted=honoured)
                    if value is not None:
                        yield sse.message(reply.dump(value))
            yield sse.message(reply.subscription_ended(call))
        except asyncio.CancelledError as cancellation:
            if not stopped(cancellation):
                raise
            yield sse.message(reply.subscription_ended(call))
        finally:
            await pump.close()

    async def _session_events(self, place: Place, now: Session, spoken: Spoken, pump: Pump) -> AsyncGenerator[bytes]:
        """What the server says, until the session's time is up. The client's subscriptions may change meanwhile."""
        loop = asyncio.get_running_loop()
        ends_at = place.deadline(loop.time(), self.listen_s)
        watch = self.sessions.watch(now, pump.nudge)
        # An HTTP+SSE client's stream is told when there is something to look at.
        look_s = LOOK_S if place.request.endpoint.door == "mcp" else float(self.listen_s)
        look_at = loop.time() + look_s
        try:
            while loop.time() < ends_at and not pump.ended:
                # A server that always has something to say must not keep us from looking.
                message = await pump.soon(max(look_at - loop.time(), 0))
                if message is None or message.kind == "foreign":
                    # What interrupts the closing of the old ear must not leave the new one open.
                    before, (now, pump) = pump, await self._looked(place, now, spoken, pump)
                    if before is not pump:
                        await before.close()
                    watch.hears(now.uris, pump.nudge)
                    look_at = loop.time() + look_s
                elif (block := await _for_session(message, pump.line)) is not None:
                    yield block
        except (UpstreamError, NotFound, Refused):
            # The client opens it again, and is told then.
            return
        except asyncio.CancelledError as cancellation:
            if not stopped(cancellation):
                raise
        finally:
            self.sessions.unwatch(watch)
            await pump.close()

    async def _looked(self, place: Place, before: Session, spoken: Spoken, pump: Pump) -> tuple[Session, Pump]:
        """The session as it is now, and an ear for what it wants to hear now, `pump` or a new one.

        Raises:
            NotFound: The session was ended.
            UpstreamError: The server cannot be heard.
        """
        now = await self.sessions.again(before)
        if now.ended:
            raise session_gone()
        if now.uris == before.uris:
            return now, pump
        # The old one is closed after that: what comes meanwhile comes twice, not never.
        return now, await self._heard(place, now, spoken)

    async def _heard(self, place: Place, session: Session, spoken: Spoken) -> Pump:
        """An ear for what `session` wants to hear, open."""
        wish = {**LISTS, "resourceSubscriptions": sorted(session.uris)}
        pump, _ = await _opened(self._ear(place, spoken, wish))
        return pump

    def _ear(self, place: Place, spoken: Spoken, wish: Wish) -> Line:
        deadline = place.deadline(asyncio.get_running_loop().time(), self.listen_s)
        if spoken.modern and spoken.legacy is None:
            return ModernEar(self.upstream, place, wish, deadline)
        # Of somebody who can be asked nothing: nobody would hear it here.
        guest = nobody(place)
        if spoken.legacy == "sse":
            return SseEar(self.upstream, place, guest, wish, deadline)
        return LegacyEar(self.upstream, place, guest, wish, deadline)


async def _opened(ear: Line) -> tuple[Pump, Message]:
    """A started pump, and what the ear said when it was open."""
    pump = Pump(ear)
    pump.start()
    try:
        return pump, await pump.next()
    except BaseException:
        await pump.close()
        raise


async def _for_session(message: Message, ear: Line) -> bytes | None:
    if message.kind == "request":
        await _decline(message, ear)
        return None
    value = notifications.to_legacy(message.value) if message.kind == "notification" else None
    return None if value is None else sse.message(reply.dump(value))


async def _decline(message: Message, ear: Line) -> None:
    """Answer what a server asks where no call is under way that its client could be asked in."""
    request: Mapping[str, Any] = message.value
    error = {"code": METHOD_NOT_FOUND, "message": "The client can be asked in the course of a call only."}
    answer = {"result": {}} if request.get("method") == "ping" else {"error": error}
    with suppress(UpstreamError):
        await ear.reply({"jsonrpc": "2.0", "id": request["id"], **answer})
