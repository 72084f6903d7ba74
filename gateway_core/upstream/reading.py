"""Reading an HTTP answer of a server: whole, or event by event."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway_core.egress import Response
from gateway_core.errors import UpstreamClosed, UpstreamGarbage, UpstreamTooLarge
from gateway_core.protocol import sse
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.sse import MAX_EVENT_BYTES
from gateway_core.upstream.answers import Message, read_message


def is_stream(response: Response) -> bool:
    """True when the answer comes as server-sent events."""
    return response.headers.get("content-type", "").lower().startswith("text/event-stream")


async def read_whole(response: Response) -> bytes:
    """The body of an answer in one piece.

    Raises:
        UpstreamTooLarge: It is larger than any one message may be; parsing it could take all the memory there is.
    """
    pieces, size = [], 0
    async for chunk in response.chunks():
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_EVENT_BYTES:
            await response.close()
            raise UpstreamTooLarge(f"One message of the answer is larger than {MAX_EVENT_BYTES >> 20} MiB.")
    return b"".join(pieces)


async def read_events(response: Response) -> AsyncGenerator[sse.Event]:
    """The events of a stream as they arrive."""
    parser = sse.Parser()
    async for chunk in response.chunks():
        for event in parser.feed(chunk):
            yield event


async def read_answer(response: Response, call: Call, server_name: str) -> Message:
    """The one answer to `call`, whichever form it comes in; whatever precedes it is passed over.

    Raises:
        UpstreamError: There is none.
    """
    if not is_stream(response):
        message = read_message(await read_whole(response), call, server_name)
        if message.kind in ("answer", "error"):
            return message
        raise UpstreamGarbage(f"{server_name} answered another request than the one it was sent.")
    try:
        async with aclosing(read_events(response)) as events:
            async for event in events:
                if event.data:
                    message = read_message(event.data.encode(), call, server_name)
                    if message.kind in ("answer", "error"):
                        return message
    finally:
        await response.close()
    raise UpstreamClosed(f"{server_name} ended the stream before it answered.")
