"""Clients that still speak HTTP+SSE (2024-11-05 transports): a stream down, POSTs up, and any process may get either.

To the rest of the gateway such a client is a legacy one like any other; only the way of its answers differs: they go
through the mailbox to whoever holds the stream.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from math import isinf
from typing import Final

from gateway_core.access.identify import Identify
from gateway_core.access.policy import Decision, decide
from gateway_core.errors import GatewayError, MethodNotAllowed, NotFound
from gateway_core.ports import Keyring, Records
from gateway_core.protocol import reply, session, sse
from gateway_core.protocol.inbound import Call, read_calls
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.proxy.client_sessions import SESSION_HEADER, ClientSessions
from gateway_core.proxy.describing import allow, describe
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.place import STOPPED, Place, stopped
from gateway_core.registry.directory import Directory
from gateway_core.telemetry import outcome_of

logger = logging.getLogger(__name__)

LIFE_S: Final = 86_400.0
"""How long a stream may last where the platform does not cut it. These clients do not come back by themselves."""
LETTERS_FOR_S: Final = 60.0
"""How long an answer waits for its stream."""
AGAIN_S, SLOWEST_AGAIN_S = 1.0, 30.0
"""Pause before a server is listened to again; twice as long each time that it cannot be."""
WATCH_AFTER_S: Final = 0.05
"""How long a call runs before it is looked whether its client is still there: most have ended by then."""
SESSION: Final = "SESSION"
"""Under what the client's session stands in the box of its stream."""
CLOSED: Final = "CLOSED"
"""The mark in the box of a stream that has ended."""
LOOK: Final = "look"
"""The letter that makes the holder of the stream look at the client's session. No JSON-RPC message reads like it."""
CHANGING: Final = frozenset({"initialize", "resources/subscribe", "resources/unsubscribe"})
"""Requests that change what there is to hear."""


@dataclass(frozen=True, slots=True)
class SseClients:
    """Stateless between calls."""

    identify: Identify
    directory: Directory
    forwarding: Forwarding
    sessions: ClientSessions
    mailbox: Mailbox
    keyring: Keyring
    records: Records
    listen_s: int

    async def handle(self, place: Place, decision: Decision) -> Reply | Stream:
        """Answer one request at the HTTP+SSE endpoint.

        Raises:
            MethodNotAllowed: Neither the opening of a stream nor a message for one.
            NotFound: The stream is none of this caller's.
            BadRequest: The message cannot be read.
        """
        request = place.request
        if self.listen_s == 0:
            raise MethodNotAllowed(
                "This gateway holds no streams, which HTTP+SSE is made of. Use the same URL with /mcp at its end "
                "(Streamable HTTP), or ask its operator to set LISTEN_S.",
                allow="",
            )
        if request.method == "GET":
            return await self._open(place)
        if request.method != "POST" or request.ticket is None:
            raise MethodNotAllowed("Open a stream with GET; it says where messages are to be posted.", allow="GET")
        box = await self._box(place)
        inside = await self._inside(place, box)
        posted = read_calls(request.body, request.headers)
        # Each call has a record of its own, written when it has ended.
        place.record.method = ""
        for call in posted if isinstance(posted, list) else [posted]:
            work = self._carry(call, replace(inside, record=place.record.part()), decision, box)
            request.afterwards.append(asyncio.create_task(work))
        return ACCEPTED

    async def _open(self, place: Place) -> Stream:
        box = secrets.token_hex(16)
        ticket = session.to_header(await self.keyring.seal(box.encode(), context=_context(place)))
        return Stream(self._events(place, box, f"{place.request.address}?sessionId={ticket}"))

    async def _box(self, place: Place) -> str:
        sealed = session.from_header(place.request.ticket or "")
        plain = None if sealed is None else await self.keyring.open(sealed, context=_context(place))
        if plain is None:
            raise _stream_gone()
        return plain.decode()

    async def _events(self, place: Place, box: str, address: str) -> AsyncGenerator[bytes]:
        """Where to post, then everything that is for this client, until it leaves."""
        yield sse.write(sse.Event(address, name="endpoint"))
        outbox: asyncio.Queue[bytes] = asyncio.Queue(64)
        reading = asyncio.create_task(self._read(place, box, outbox))
        taking = asyncio.create_task(outbox.get())
        try:
            while not (reading.done() and outbox.empty()):
                if taking.done():
                    taking = asyncio.create_task(outbox.get())
                await asyncio.wait({taking, reading}, return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    yield taking.result()
        except asyncio.CancelledError as cancellation:
            if not stopped(cancellation):
                raise
        finally:
            taking.cancel()
            reading.cancel()
            await asyncio.gather(taking, reading, return_exceptions=True)
            await self._close(place, box)

    async def _read(self, place: Place, box: str, outbox: "asyncio.Queue[bytes]") -> None:
        """Empty the box, for as long as the client may have what is in there."""
        loop = asyncio.get_running_loop()
        # A platform that cuts streams does not say when a client has left; there the operator's bound counts.
        for_s = LIFE_S if isinf(place.request.ends_at) else float(self.listen_s)
        ends_at, listening = place.deadline(loop.time(), for_s), None
        try:
            while loop.time() < ends_at:
                until = min(loop.time() + self.listen_s, ends_at)
                async with aclosing(self.mailbox.received(box, deadline=until)) as letters:
                    async for text in letters:
                        if text == LOOK:
                            listening = await self._look(place, box, outbox, listening)
                        else:
                            await outbox.put(sse.message(text.encode()))
                place = await self._afresh(place)
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _look(
        self, place: Place, box: str, outbox: "asyncio.Queue[bytes]", listening: asyncio.Task[None] | None
    ) -> asyncio.Task[None] | None:
        """Listen to the server as soon as the client has a session there."""
        inside = await self._inside(place, box)
        if inside.session is None:
            return listening
        if listening is None or listening.done():
            return asyncio.create_task(self._listen(place, box, outbox))
        self.sessions.nudge(inside.session)
        return listening

    async def _listen(self, place: Place, box: str, outbox: "asyncio.Queue[bytes]") -> None:
        """What the server says on its own account, for as long as it can be listened to."""
        pause_s = AGAIN_S
        while True:
            try:
                place = await self._afresh(place)
                allow(decide(place.caller, place.workspace, place.server))
                stream = await self.forwarding.listen(await self._inside(place, box))
                pause_s = AGAIN_S
                async with aclosing(stream.events):
                    async for body in _bodies(stream.events):
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
        caller, organisation, _ = await self.identify(request.headers)
        revision = organisation.revision
        workspace = await self.directory.workspace(request.workspace or caller.workspace_id, revision)
        server = await self.directory.server(request.server, revision)
        if workspace is None or server is None or server.id != place.server.id:
            raise _stream_gone()
        if decide(caller, workspace, server).answer == "out_of_reach":
            raise _stream_gone()
        return replace(place, caller=caller, revision=revision, workspace=workspace, server=server)

    async def _carry(self, call: Call, inside: Place, decision: Decision, box: str) -> None:
        """Forward one call for as long as its client is there, and send what comes of it to the stream."""
        carrying, record = asyncio.current_task(), inside.record
        assert carrying is not None  # noqa: S101 - it is started as a task
        watching = asyncio.create_task(self._watch(box, carrying))
        try:
            describe(call, inside)
            await self._answer(call, inside, decision, box)
        except asyncio.CancelledError:
            if not watching.done():
                record.fail("failed", STOPPED)
                raise
            record.fail("gone", "client_left")
        except Exception:
            # The edge of this work: nobody above would tell the client, which waits on its stream.
            logger.exception("request_failed", extra={"fields": {"request_id": record.request_id}})
            record.fail("failed", "internal_error")
            await self._send(call, reply.broken(record.request_id, call.id), box)
        finally:
            self.records.write(record.line())
            watching.cancel()

    async def _watch(self, box: str, carrying: asyncio.Task[None]) -> None:
        """Cancel a call whose client has left, whichever process held its stream."""
        await asyncio.sleep(WATCH_AFTER_S)
        while not carrying.cancelling():
            # The store may stutter; it is looked again a second later.
            with suppress(GatewayError):
                await self.mailbox.until_marked(box, CLOSED)
                carrying.cancel()

    async def _answer(self, call: Call, inside: Place, decision: Decision, box: str) -> None:
        record = inside.record
        try:
            allow(decision)
            answer = await self.forwarding.forward(call, inside)
            await self._remember(call, answer, box)
        except GatewayError as problem:
            record.fail(*outcome_of(problem))
            answer = reply.refusal(problem, call, record.request_id)
        try:
            await self._send(call, answer, box)
        except GatewayError as problem:
            record.fail(*outcome_of(problem))
            await self._send(call, Reply(200, reply.failure(call, problem, record.request_id)), box)
        if call.method in CHANGING:
            # Nothing of the server's own comes before the answer to initialize (2024-11-05 lifecycle).
            await self.mailbox.send(box, LOOK, for_s=LETTERS_FOR_S)

    async def _send(self, call: Call, answer: Reply | Stream, box: str) -> None:
        if isinstance(answer, Stream):
            async with aclosing(answer.events):
                async for body in _bodies(answer.events):
                    await self.mailbox.send(box, body.decode(), for_s=LETTERS_FOR_S)
        elif call.kind == "request":
            await self.mailbox.send(box, answer.body.decode(), for_s=LETTERS_FOR_S)

    async def _remember(self, call: Call, answer: Reply | Stream, box: str) -> None:
        """Keep the session that was opened: the client may use it as soon as it has the answer."""
        token = dict(answer.headers).get(SESSION_HEADER.encode()) if call.method == "initialize" else None
        if token is not None:
            await self.mailbox.keep(box, SESSION, {"token": token.decode()}, for_s=LIFE_S)

    async def _inside(self, place: Place, box: str) -> Place:
        """The place within the client's session, where it has one. Raises NotFound once the stream has ended."""
        kept = await self.mailbox.kept(box, SESSION) or {}
        if "closed" in kept:
            raise _stream_gone()
        token = kept.get("token")
        found = None if token is None else await self.sessions.by_token(token, place.caller, place.server)
        return place if found is None else place.in_session(found)

    async def _close(self, place: Place, box: str) -> None:
        """The session ends with its stream."""
        with suppress(GatewayError):
            inside = await self._inside(place, box)
            await self.mailbox.keep(box, SESSION, {"closed": True}, for_s=LIFE_S)
            await self.mailbox.mark(box, CLOSED, for_s=LIFE_S)
            if inside.session is not None:
                await self.forwarding.end(inside)


def _stream_gone() -> NotFound:
    return NotFound("This stream has ended. Connect again: GET opens a new one.", reason="session_gone")


def _context(place: Place) -> str:
    return f"sse|{place.caller.principal}|{place.server.id}"


async def _bodies(events: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The messages in a stream of ours."""
    parser = sse.Parser()
    async for block in events:
        for event in parser.feed(block):
            if event.data:
                yield event.data.encode()
