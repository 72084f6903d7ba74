"""Relaying a stream of an upstream, event by event, as it arrives."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from gateway_core.egress import Response
from gateway_core.errors import (
    GatewayError,
    Refused,
    UpstreamClosed,
    UpstreamError,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from gateway_core.protocol import reply, sse
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Reply, Stream
from gateway_core.proxy.answering import note
from gateway_core.proxy.place import STOPPED, Place, stopped, stopped_early
from gateway_core.telemetry import outcome_of
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.reading import is_stream

MAX_RESUMES: Final = 100
"""How often one call's stream is taken up again. A polling server closes it every few seconds."""
DEFAULT_RETRY_S: Final = 1.0
MIN_RETRY_S, MAX_RETRY_S = 0.05, 30.0
"""Bounds of the wait that an upstream may ask for: one that says 0 must not be asked in a tight loop."""
BREATHE_EVERY: Final = 64
"""Chunks that are read in one go."""
DRAIN_S: Final = 0.25
"""How long to wait, after the answer, for the stream's end, so that the connection can be used again."""

_draining: Final[set[asyncio.Task[None]]] = set()
"""asyncio keeps no reference to a running task; this does."""


@dataclass(slots=True, eq=False, repr=False)
class Cursor:
    """Where a stream can be taken up again."""

    event_id: str | None = None
    retry_s: float = DEFAULT_RETRY_S


@dataclass(slots=True, eq=False, repr=False)
class Sent:
    """A request as it went to an upstream, and the answer that has begun to come."""

    call: Call
    dialect: Dialect
    response: Response
    deadline: float
    cursor: Cursor = field(default_factory=Cursor)

    def extend(self, deadline: float) -> None:
        """Let the answer take until `deadline`, if that is later."""
        if deadline > self.deadline:
            self.deadline = deadline
            self.response.extend(deadline)


def relay_answer(upstream: UpstreamClient, sent: Sent, place: Place) -> Stream:
    """The events that answer a call, its result last. Ends with an error event when the upstream fails on the way."""
    return Stream(told(sent.call, _blocks(upstream, sent, place), place), release=sent.response.close)


async def _blocks(upstream: UpstreamClient, sent: Sent, place: Place) -> AsyncGenerator[bytes]:
    async with aclosing(answer_events(upstream, sent, place)) as events:
        async for event, _ in events:
            yield event


async def told(call: Call, events: AsyncGenerator[bytes], place: Place) -> AsyncGenerator[bytes]:
    """`events`, ended by one that says what went wrong where they fail: every request gets an answer."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except GatewayError as problem:
        yield _last_event(call, problem, place)
    except asyncio.CancelledError as cancellation:
        if not stopped(cancellation):
            raise
        yield _last_event(call, stopped_early(), place)


async def reply_or_stream(call: Call, answer: AsyncGenerator[Reply | bytes], place: Place) -> Reply | Stream:
    """`answer` as what it begins with says: one finished reply, or events of which the last is the answer."""
    first = await anext(answer)
    if isinstance(first, bytes):
        return Stream(told(call, _from(first, answer), place), release=answer.aclose)
    # Left to the garbage collector, its clearing away would be a task behind the answer, when a Lambda is frozen.
    await answer.aclose()
    return first


async def _from(first: bytes, answer: AsyncGenerator[Reply | bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(answer) as rest:
        yield first
        async for event in rest:
            if isinstance(event, bytes):
                yield event


def _last_event(call: Call, problem: GatewayError, place: Place) -> bytes:
    """What ends a stream that its upstream did not: every request gets an answer."""
    in_time = isinstance(problem, UpstreamTimedOut) or problem.reason == STOPPED
    if call.method == "subscriptions/listen" and in_time:
        return sse.message(reply.subscription_ended(call))
    place.record.fail(*outcome_of(problem))
    return sse.message(reply.failure(call, problem, place.record.request_id))


async def answer_events(
    upstream: UpstreamClient, sent: Sent, place: Place
) -> AsyncGenerator[tuple[bytes, Message | None]]:
    """The events that answer a call, each with its message; the last one is the answer.

    A legacy stream that ends early after an event id is resumed by `Last-Event-ID`
    (2025-11-25 transports, Resumability and Redelivery); the call itself is never sent again.

    Raises:
        UpstreamError: The stream broke, or ended for good without an answer.
    """
    call, cursor, answered, begun = sent.call, sent.cursor, False, time.perf_counter()
    try:
        for _ in range(MAX_RESUMES):
            async with aclosing(_events(sent.response, call, place, cursor)) as events:
                async for event, message in events:
                    answered = message is not None and _ends(message, sent, place)
                    yield event, message
                    if answered:
                        return
            await sent.response.close()
            if call.era == "modern" or cursor.event_id is None:
                break
            sent.response = await _resumed(upstream, sent, place)
            if sent.response.status != 200 or not is_stream(sent.response):
                break
        raise UpstreamClosed(f"{place.server.name} ended the stream before it answered.")
    finally:
        place.record.upstream_s += time.perf_counter() - begun
        if answered:
            _drain(sent.response)
        else:
            await sent.response.close()


def _ends(message: Message, sent: Sent, place: Place) -> bool:
    """True for the answer. A question on the way gives the call the time that a person may need."""
    if message.kind == "request":
        now = asyncio.get_running_loop().time()
        sent.extend(place.deadline(now, place.ask_s + place.server.timeout_s))
    if message.kind not in ("answer", "error"):
        return False
    note(message, place)
    return True


async def _resumed(upstream: UpstreamClient, sent: Sent, place: Place) -> Response:
    """The rest of a stream. The upstream has the call already, so nothing that fails here means it was not sent."""
    cursor = sent.cursor
    wait_s = min(max(cursor.retry_s, MIN_RETRY_S), MAX_RETRY_S)
    if asyncio.get_running_loop().time() + wait_s >= sent.deadline:
        raise UpstreamTimedOut(f"{place.server.name} did not answer in the time there was.")
    await asyncio.sleep(wait_s)
    try:
        return await upstream.listen(place.server, sent.dialect, cursor.event_id, deadline=sent.deadline)
    except (UpstreamUnreachable, Refused) as error:
        raise UpstreamClosed(f"{place.server.name} could not be reached again before it answered.") from error


def relay_session(response: Response, place: Place) -> Stream:
    """The events of a session's own stream until it ends, on either side or by time. The client opens it again."""
    return Stream(_session_events(response, place), release=response.close)


async def _session_events(response: Response, place: Place) -> AsyncGenerator[bytes]:
    begun = time.perf_counter()
    try:
        async for event, _ in _events(response, None, place, Cursor()):
            yield event
    except UpstreamError as problem:
        if problem.reason != "upstream_timed_out":
            place.record.fail("failed", problem.reason)
    except asyncio.CancelledError as cancellation:
        if not stopped(cancellation):
            raise
    finally:
        place.record.upstream_s += time.perf_counter() - begun
        await response.close()


async def _events(
    response: Response, call: Call | None, place: Place, cursor: Cursor
) -> AsyncGenerator[tuple[bytes, Message | None]]:
    """Events that may pass, each with the message it carries."""
    parser, turn = sse.Parser(), 0
    async for chunk in response.chunks():
        turn += 1
        if turn % BREATHE_EVERY == 0:
            # What has arrived already is read without waiting: others must get their turn.
            await asyncio.sleep(0)
        for event in parser.feed(chunk):
            if event.id is not None:
                cursor.event_id = event.id
            if event.retry_ms is not None:
                cursor.retry_s = event.retry_ms / 1000
            message = None
            if event.data:
                message = read_message(event.data.encode(), call, place.server.name)
                if _strays(message, call):
                    continue
            yield _block(event, message), message


def _block(event: sse.Event, message: Message | None) -> bytes:
    """The event as it goes on: untouched, unless its message was."""
    if message is None or message.body == (event.data or "").encode():
        return sse.write(event)
    return sse.write(sse.Event(message.body.decode(), event.id, event.name, event.retry_ms))


def _strays(message: Message, call: Call | None) -> bool:
    """True for what must not reach the client: answers to somebody else, and requests on a modern stream
    (2026-07-28 streamable-http, Receiving Messages)."""
    return message.kind == "foreign" or (message.kind == "request" and call is not None and call.era == "modern")


def _drain(response: Response) -> None:
    async def drain() -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                async for _ in response.chunks():
                    pass
        except (TimeoutError, UpstreamError):
            pass
        finally:
            await response.close()

    task = asyncio.create_task(drain())
    _draining.add(task)
    task.add_done_callback(_draining.discard)
