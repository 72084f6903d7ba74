"""The stream of an HTTP+SSE client (2024-11-05 transports, HTTP with SSE): what goes down it, and what ends with it.

Whichever process holds the stream empties the box of it. The client's session is kept in that box, for every process,
and ends with the stream.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from math import isinf
from typing import Any, Final

from gateway_core.access.identify import Identify
from gateway_core.access.policy import decide
from gateway_core.errors import GatewayError, MethodNotAllowed, NotFound, StoreUnavailable
from gateway_core.parts import part
from gateway_core.protocol import sse
from gateway_core.proxy.client_sessions import ClientSessions
from gateway_core.proxy.describing import allow
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.place import Place, stopped
from gateway_core.registry.directory import Directory
from gateway_core.upstream.holders import connection_key

logger = logging.getLogger(__name__)

LIFE_S: Final = 86_400.0
"""How long a stream may last where the platform does not cut it. These clients do not come back by themselves."""
AHEAD: Final = 64
"""Messages that are read before the client takes them."""
AGAIN_S, SLOWEST_AGAIN_S = 1.0, 30.0
"""Pause before a server is listened to again; twice as long each time that it cannot be."""
CLOSED: Final = "CLOSED"
"""The mark in the box of a stream that has ended, for calls that are under way."""
LOOK: Final = "look"
"""The letter that makes the holder of the stream look at the client's session. No JSON-RPC message reads like it."""
_SESSION: Final = "SESSION"
"""Under what the client's session stands in the box."""
_ENDED: Final[Any] = {"closed": True}
"""What stands there instead once the stream has ended."""

Outbox = asyncio.Queue[bytes]


@part
class SseStreams:
    """Stateless: a stream is its box."""

    identify: Identify
    directory: Directory
    forwarding: Forwarding
    sessions: ClientSessions
    mailbox: Mailbox
    listen_s: int

    async def events(self, place: Place, box: str, address: str) -> AsyncGenerator[bytes]:
        """Where to post, then everything that is for this client, until it leaves."""
        outbox: Outbox = asyncio.Queue(AHEAD)
        reading = asyncio.create_task(self._read(place, box, outbox))
        taking = asyncio.create_task(outbox.get())
        try:
            yield sse.write(sse.Event(address, name="endpoint"))
            while taking.done() or not (reading.done() and outbox.empty()):
                await asyncio.wait({taking, reading}, return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    yield taking.result()
                    taking = asyncio.create_task(outbox.get())
        except asyncio.CancelledError as cancellation:
            if not stopped(cancellation):
                raise
        finally:
            taking.cancel()
            reading.cancel()
            _, outcome = await asyncio.gather(taking, reading, return_exceptions=True)
            _log(outcome)
            await self._close(place, box)

    async def inside(self, place: Place, box: str) -> Place:
        """The place within the client's session, where it has one. Raises NotFound once the stream has ended."""
        kept = await self.mailbox.kept(box, _SESSION)
        if kept == _ENDED:
            raise stream_gone()
        return await self._in_session(place, kept)

    async def remember(self, token: str, place: Place, box: str) -> None:
        """Keep the session that the client has opened. Where its stream has ended in the meantime, so has the session.

        Raises:
            NotFound: The stream has ended.
            GatewayError: It cannot be kept.
        """
        kept, before = {"token": token}, _ENDED
        try:
            before = await self.mailbox.swap(box, _SESSION, kept, unless=_ENDED, for_s=LIFE_S)
        finally:
            if before == _ENDED:
                await self._end(place, kept)
        if before == _ENDED:
            raise stream_gone()
        # A client that initializes again leaves the session behind that it had on this stream.
        await self._end(place, before)

    async def _close(self, place: Place, box: str) -> None:
        """The session ends with its stream, and so do the calls under way: each whatever becomes of the others."""
        with suppress(GatewayError):
            await self.mailbox.mark(box, CLOSED, for_s=LIFE_S)
        with suppress(GatewayError):
            await self._end(place, await self._ended(box))

    async def _ended(self, box: str) -> Any:
        """What was kept of the session, which from now on is over; also where nobody can be told so."""
        try:
            return await self.mailbox.swap(box, _SESSION, _ENDED, unless=_ENDED, for_s=LIFE_S)
        except GatewayError:
            return await self.mailbox.kept(box, _SESSION)

    async def _end(self, place: Place, kept: Any) -> None:
        with suppress(GatewayError):
            inside = await self._in_session(place, kept)
            if inside.session is not None:
                await self.forwarding.end(inside)

    async def _in_session(self, place: Place, kept: Any) -> Place:
        if not kept or "token" not in kept:
            return place
        found = await self.sessions.by_token(kept["token"], place.caller, place.server)
        return place if found is None else place.in_session(found)

    async def _read(self, place: Place, box: str, outbox: Outbox) -> None:
        """Empty the box, for as long as the client may have what is in there."""
        loop = asyncio.get_running_loop()
        # A platform that cuts streams does not say when a client has left; there the operator's bound counts.
        for_s = LIFE_S if isinf(place.request.ends_at) else float(self.listen_s)
        ends_at, listening = place.deadline(loop.time(), for_s), None
        known_until = loop.time() + self.listen_s
        try:
            while loop.time() < ends_at:
                try:
                    if loop.time() >= known_until:
                        place = await self._afresh(place)
                        known_until = loop.time() + self.listen_s
                    async with aclosing(self.mailbox.received(box, deadline=min(known_until, ends_at))) as letters:
                        async for text in letters:
                            if text == LOOK:
                                listening = await self._look(place, box, outbox, listening)
                            else:
                                await outbox.put(sse.message(text.encode()))
                except StoreUnavailable:
                    # These clients do not come back by themselves, and nothing reaches them while it lasts.
                    await asyncio.sleep(AGAIN_S)
        finally:
            if listening is not None:
                listening.cancel()
                _log(*await asyncio.gather(listening, return_exceptions=True))

    async def _look(
        self, place: Place, box: str, outbox: Outbox, listening: asyncio.Task[None] | None
    ) -> asyncio.Task[None] | None:
        """Listen to the server as soon as the client has a session there."""
        inside = await self._found(place, box)
        if inside.session is None:
            return listening
        if listening is None or listening.done():
            return asyncio.create_task(self._listen(place, box, outbox))
        self.sessions.nudge(inside.session)
        return listening

    async def _found(self, place: Place, box: str) -> Place:
        """See `inside`; as soon as the store can say, because nobody asks once more."""
        while True:
            try:
                return await self.inside(place, box)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    async def _listen(self, place: Place, box: str, outbox: Outbox) -> None:
        """What the server says on its own account, for as long as it can be listened to."""
        pause_s = AGAIN_S
        while True:
            try:
                place = await self._afresh(place)
                allow(decide(place.caller, place.workspace, place.server))
                stream = await self.forwarding.listen(await self.inside(place, box))
                pause_s = AGAIN_S
                async with aclosing(bodies(stream.events)) as told:
                    async for body in told:
                        await outbox.put(sse.message(body))
                await asyncio.sleep(AGAIN_S)
            except (MethodNotAllowed, NotFound):
                return
            except GatewayError:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, SLOWEST_AGAIN_S)

    async def _afresh(self, place: Place) -> Place:
        """The place of a stream as it is now.

        What policy refuses is told as the answer to a call; a stream alone gives nothing away.

        Raises:
            GatewayError: Who opened it would not find it any more, or nobody can say.
        """
        request = place.request
        known = await self.identify(request.endpoint, request.headers)
        caller, revision = known.caller, known.organisation.revision
        workspace = await self.directory.workspace(request.endpoint.workspace or caller.workspace_id, revision)
        server = await self.directory.server(request.endpoint.server, revision)
        if workspace is None or server is None or server.id != place.server.id:
            raise stream_gone()
        if decide(caller, workspace, server).answer == "out_of_reach":
            raise stream_gone()
        account = await self.identify.beside(known.guessed, connection_key(server, workspace.id, caller.member_id))
        taken = await self.directory.token_headers(server, revision)
        return replace(place, caller=caller, organisation=known.organisation, workspace=workspace, server=server,
                       member=known.member, connection=account, bearer=known.bearer, token_headers=taken)  # fmt: skip


def _log(outcome: object) -> None:
    """Leave a trace of a fault of the gateway itself: what else ends a stream is the client's or the server's doing."""
    if isinstance(outcome, Exception) and not isinstance(outcome, GatewayError):
        logger.error("stream_failed", exc_info=outcome)


def stream_gone() -> NotFound:
    """What is told of a stream that has ended, or is another caller's."""
    return NotFound("This stream has ended. Connect again: GET opens a new one.", reason="session_gone")


async def bodies(events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The messages in a stream of ours, which ends with them."""
    parser = sse.Parser()
    async with aclosing(events):
        async for block in events:
            for event in parser.feed(block):
                if event.data:
                    yield event.data.encode()
