"""Relaying a stream of an upstream, event by event, as it arrives."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from gateway_core.egress import Response
from gateway_core.errors import UpstreamClosed, UpstreamError, UpstreamTimedOut
from gateway_core.protocol import reply, sse
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.answering import note
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import Message, read_message
from gateway_core.upstream.client import UpstreamClient

MAX_RESUMES: Final = 100
"""How often one call's stream is taken up again. A polling server closes it every few seconds."""
DEFAULT_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 30.0
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
    except UpstreamError as problem:
        if call.method == "subscriptions/listen" and isinstance(problem, UpstreamTimedOut):
            yield sse.message(reply.subscription_ended(call))
            return
        place.record.fail("failed", problem.reason)
        yield sse.message(reply.failure(call, problem, place.record.request_id))


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
            async for event, message in _events(response, call, place, cursor):
                answered = message is not None and message.kind in ("answer", "error")
                if message is not None and answered:
                    note(message, place)
                yield event, message
                if answered:
                    return
            await response.close()
            if call.era == "modern" or cursor.event_id is None:
                break
            await asyncio.sleep(min(cursor.retry_s, MAX_RETRY_S))
            dialect = place.dialect(call.version)
            response = await upstream.listen(place.server, dialect, cursor.event_id, deadline=deadline)
            if response.status != 200:
                break
        raise UpstreamClosed(f"{place.server.name} ended the stream before it answered.")
    finally:
        place.record.upstream_s += time.perf_counter() - begun
        if answered:
            _drain(response)
        else:
            await response.close()


async def relay_session(response: Response, place: Place) -> AsyncGenerator[bytes]:
    """The events of a session's own stream until it ends, on either side or by time. The client opens it again."""
    try:
        async for event, _ in _events(response, None, place, _Cursor()):
            yield event
    except UpstreamError as problem:
        if problem.reason != "upstream_timed_out":
            place.record.fail("failed", problem.reason)
    finally:
        await response.close()


async def _events(
    response: Response, call: Call | None, place: Place, cursor: _Cursor
) -> AsyncGenerator[tuple[bytes, Message | None]]:
    """Events that may pass, each with the message it carries."""
    parser = sse.Parser()
    async for chunk in response.chunks():
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
