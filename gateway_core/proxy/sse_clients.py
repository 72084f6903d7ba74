"""Clients that still speak HTTP+SSE (2024-11-05 transports): a stream down, POSTs up, and any process may get either.

To the rest of the gateway such a client is a legacy one like any other; only the way of its answers differs: they go
through the mailbox to whoever holds the stream (`proxy.sse_streams`).
"""

import asyncio
import logging
import secrets
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from gateway_core.access.policy import Decision
from gateway_core.errors import GatewayError, MethodNotAllowed
from gateway_core.parts import part
from gateway_core.ports import Keyring, Records
from gateway_core.protocol import reply, session
from gateway_core.protocol.inbound import Call, read_calls
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.proxy.client_sessions import SESSION_HEADER
from gateway_core.proxy.describing import allow, describe
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.place import STOPPED, Place
from gateway_core.proxy.sse_streams import CLOSED, LOOK, SseStreams, bodies, stream_gone
from gateway_core.telemetry import outcome_of

logger = logging.getLogger(__name__)

LETTERS_FOR_S: Final = 60.0
"""How long an answer waits for its stream."""
WATCH_AFTER_S: Final = 0.05
"""How long a call runs before it is looked whether its client is still there: most have ended by then."""
CHANGING: Final = frozenset({"initialize", "resources/subscribe", "resources/unsubscribe"})
"""Requests that change what there is to hear."""


@part
class SseClients:
    """Stateless between calls."""

    streams: SseStreams
    forwarding: Forwarding
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
        inside = await self.streams.inside(place, box)
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
        return Stream(self.streams.events(place, box, f"{place.request.address}?sessionId={ticket}"))

    async def _box(self, place: Place) -> str:
        sealed = session.from_header(place.request.ticket or "")
        plain = None if sealed is None else await self.keyring.open(sealed, context=_context(place))
        if plain is None:
            raise stream_gone()
        return plain.decode()

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
        await self.mailbox.until_marked(box, CLOSED)
        carrying.cancel()

    async def _answer(self, call: Call, inside: Place, decision: Decision, box: str) -> None:
        record = inside.record
        try:
            allow(decision)
            answer = await self.forwarding.forward(call, inside)
            if (token := _opened(call, answer)) is not None:
                # The client may use the session as soon as it has the answer.
                await self.streams.remember(token, inside, box)
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
            async with aclosing(bodies(answer.events)) as told:
                async for body in told:
                    await self.mailbox.send(box, body.decode(), for_s=LETTERS_FOR_S)
        elif call.kind == "request":
            await self.mailbox.send(box, answer.body.decode(), for_s=LETTERS_FOR_S)


def _opened(call: Call, answer: Reply | Stream) -> str | None:
    """The token of the session that an answer to `initialize` gives."""
    token = dict(answer.headers).get(SESSION_HEADER.encode()) if call.method == "initialize" else None
    return None if token is None else token.decode()


def _context(place: Place) -> str:
    return f"sse|{place.caller.principal}|{place.server.id}"
