"""One connection to a server over HTTP+SSE (2024-11-05 transports, HTTP with SSE): a stream down, POSTs up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from gateway_core.connect.locations import origin_of
from gateway_core.egress import Response
from gateway_core.errors import UpstreamClosed, UpstreamForgot, UpstreamGarbage, UpstreamTimedOut
from gateway_core.protocol import sse
from gateway_core.protocol.inbound import Call
from gateway_core.registry.servers import Server
from gateway_core.upstream.answers import Message, read_message, refused
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.reading import is_stream, read_events
from gateway_core.upstream.spoken import pinned

MAX_ENDPOINT: Final = 2048
"""Characters of the address that a server names for messages."""
OPEN_S: Final = 10.0
"""How long the head of the stream may take, and then the `endpoint` event: it is the first thing that a server of this
transport says."""


@dataclass(slots=True, eq=False, repr=False)
class SseConnection:
    """An open stream of a server and the address that takes messages. One reader at a time."""

    client: UpstreamClient
    server: Server
    dialect: Dialect
    response: Response
    endpoint: str
    _events: AsyncIterator[sse.Event]
    _until: float
    """Event loop time until which the stream may last."""
    alive: bool = field(default=True)
    """False once the stream has ended, as far as its reader has noticed."""

    @property
    def open(self) -> bool:
        """True while nothing has ended the stream yet, whether somebody reads or not."""
        return self.response.open

    def last(self, until: float) -> None:
        """Let the stream last until `until` (event loop time) at least."""
        if until > self._until:
            self._until = until
            self.response.extend(until)

    def begin(self) -> None:
        """A call begins: as much may come in its course as in that of any other."""
        self.response.refill()

    async def send(self, call: Call, *, deadline: float) -> None:
        """Post one message; what it leads to comes on the stream.

        Raises:
            UpstreamForgot: The server does not know this connection any more, and did not take the message.
            UpstreamError: It was not taken, or it is not known whether it was.
        """
        sending = self.client.post_to(self.endpoint, self.server, call, self.dialect, deadline=deadline)
        async with await sending as taken:
            if taken.status in (400, 404, 410):
                raise UpstreamForgot(f"{self.server.name} no longer knows this connection.")
            if not 200 <= taken.status < 300:
                raise refused(taken.status, taken.headers, self.server)

    async def next(self, call: Call | None) -> Message:
        """The next message of the stream; `call` is what is awaited an answer to.

        Raises:
            UpstreamClosed: The stream has ended.
        """
        try:
            while (event := await anext(self._events, None)) is not None:
                if event.data and event.name in (None, "message"):
                    return read_message(event.data.encode(), call, self.server.name)
        except BaseException:
            # A read that was given up has cut the stream.
            self.alive = False
            raise
        self.alive = False
        raise UpstreamClosed(f"{self.server.name} ended its stream.")

    async def answer(self, call: Call) -> Message:
        """The answer to `call`, whatever comes before it.

        Raises:
            UpstreamClosed: The stream has ended without one.
        """
        while True:
            message = await self.next(call)
            if message.kind in ("answer", "error"):
                return message

    async def close(self) -> None:
        """Cut the stream; that is how a session of this transport ends."""
        self.alive = False
        await self.response.close()


async def connect(client: UpstreamClient, server: Server, dialect: Dialect, *, deadline: float) -> SseConnection | None:
    """Open the stream of an HTTP+SSE server and wait for its `endpoint` event; None where it is no such server.

    Raises:
        UpstreamError: It cannot be told: no connection, no credential, not a word.
        UpstreamGarbage: It names no address, or one of another origin, which would be given our credentials.
    """
    try:
        # The deadline is that of the stream: a server that never answers would be waited for as long.
        async with asyncio.timeout(OPEN_S):
            response = await client.listen(server, dialect, None, deadline=deadline)
    except TimeoutError:
        raise UpstreamTimedOut(f"{server.name} did not answer the opening of its stream.") from None
    try:
        if response.status != 200 or not is_stream(response):
            await response.close()
            _check_able(server, response)
            return None
        events = read_events(response)
        async with asyncio.timeout(OPEN_S):
            first = await anext(events, None)
    except TimeoutError:
        await response.close()
        return None
    except BaseException:
        await response.close()
        raise
    if first is None or first.name != "endpoint" or not first.data or len(first.data) > MAX_ENDPOINT:
        await response.close()
        return None
    try:
        endpoint = _endpoint(first.data.strip(), server)
    except UpstreamGarbage:
        await response.close()
        raise
    return SseConnection(client, server, dialect, response, endpoint, events, deadline)


def _endpoint(named: str, server: Server) -> str:
    """The address that takes messages. Raises UpstreamGarbage where there is none that may be used."""
    try:
        endpoint = urljoin(server.url, named)
        same = origin_of(endpoint) == origin_of(server.url)
    except ValueError:
        raise UpstreamGarbage(f"{server.name} wants its messages at an address that is none.") from None
    if not same:
        raise UpstreamGarbage(f"{server.name} wants its messages at another origin, which the gateway does not follow.")
    return endpoint


def _check_able(server: Server, response: Response) -> None:
    """Raise what a refusal says that has nothing to do with the transport. Where that can be found out, whoever finds
    it out says so."""
    status = response.status
    if pinned(server) is not None and (status in (401, 403, 429) or 300 <= status < 400 or status >= 500):
        raise refused(status, response.headers, server)
