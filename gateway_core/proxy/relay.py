"""Relaying a stream of an upstream, event by event, as it arrives."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from gateway_core.egress import Response
from gateway_core.errors import GatewayError, UpstreamClosed, UpstreamError, UpstreamTimedOut, UpstreamUnreachable
from gateway_core.protocol import reply, sse
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.answering import is_stream, note
from gateway_core.proxy.place import STOPPED, Place, stopped, stopped_early
from gateway_core.telemetry import outcome_of
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import UpstreamClient

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


@dataclass(slots=True)
class _Cursor:
    """Where a stream can be taken up again."""

    event_id: str | None = None
    retry_s: float = DEFAULT_RETRY_S


async def relay_answer(
    upstream: UpstreamClient, call: Call, response: Response, place: Place, deadline: float
) -> AsyncGenerator[bytes]:
    """The events that answer `call`, its result last. Ends with an error event when the upstream fails on the way."""
    try:
        async with aclosing(answer_events(upstream, call, response, place, deadline)) as events:
            async for event, _ in events:
                yield event
    except GatewayError as problem:
        yield _last_event(call, problem, place)
    except asyncio.CancelledError as cancellation:
        if not stopped(cancellation):
            raise
        yield _last_event(call, stopped_early(), place)


def _last_event(call: Call, problem: GatewayError, place: Place) -> bytes:
    """What ends a stream that its upstream did not: every request gets an answer."""
    in_time = isinstance(problem, UpstreamTimedOut) or problem.reason == STOPPED
    if call.method == "subscriptions/listen" and in_time:
        return sse.message(reply.subscription_ended(call))
    place.record.fail(*outcome_of(problem))
    return sse.message(reply.failure(call, problem, place.record.request_id))


async def answer_events(
    upstream: UpstreamClient, call: Call, response: Response, place: Place, deadline: float
) -> AsyncGenerator[tuple[bytes, Message | None]]:
    """The events that answer `call`, each with its message; the last one is the answer.

    A legacy stream that ends early after an event id is resumed by `Last-Event-ID`
    (2025-11-25 transports, Resumability and Redelivery); the call itself is never sent again.

    Raises:
        UpstreamError: The stream broke, or ended for good without an answer.
    """
    cursor, answered, begun = _Cursor(), False, time.perf_counter()
    try:
        for _ in range(MAX_RESUMES):
            async with aclosing(_events(response, call, place, cursor)) as events:
                async for event, message in events:
                    answered = message is not None and message.kind in ("answer", "error")
                    if message is not None and answered:
                        note(message, place)
                    yield event, message
                    if answered:
                        return
            await response.close()
            if call.era == "modern" or cursor.event_id is None:
                break
            response = await _resumed(upstream, call, place, cursor, deadline)
            if response.status != 200 or not is_stream(response):
                break
        raise UpstreamClosed(f"{place.server.name} ended the stream before it answered.")
    finally:
        place.record.upstream_s += time.perf_counter() - begun
        if answered:
            _drain(response)
        else:
            await response.close()


async def _resumed(upstream: UpstreamClient, call: Call, place: Place, cursor: _Cursor, deadline: float) -> Response:
    """The rest of a stream. The upstream has the call already, so nothing that fails here means it was not sent."""
    wait_s = min(max(cursor.retry_s, MIN_RETRY_S), MAX_RETRY_S)
    if asyncio.get_running_loop().time() + wait_s >= deadline:
        raise UpstreamTimedOut(f"{place.server.name} did not answer in the time there was.")
    await asyncio.sleep(wait_s)
    try:
        dialect = place.dialect(call.version)
        return await upstream.listen(place.server, dialect, cursor.event_id, deadline=deadline)
    except UpstreamUnreachable as error:
        raise UpstreamClosed(f"{place.server.name} could not be reached again before it answered.") from error


async def relay_session(response: Response, place: Place) -> AsyncGenerator[bytes]:
    """The events of a session's own stream until it ends, on either side or by time. The client opens it again."""
    begun = time.perf_counter()
    try:
        async for event, _ in _events(response, None, place, _Cursor()):
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
    response: Response, call: Call | None, place: Place, cursor: _Cursor
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
