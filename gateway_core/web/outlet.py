"""One answer on its way out of ASGI: when its head is sent, what goes out in silence, and when the client leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import suppress
from typing import Any, Final

from gateway_core.protocol import sse
from gateway_core.protocol.reply import STREAM_HEADERS, RawHeaders, Reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

PING_EVERY_S: Final = 15.0
"""Silence after which a comment is sent: half of the shortest idle limit on the way (CloudFront and edge, 30 s)."""
MIND_AFTER_S: Final = 0.05
"""Calls shorter than this are over before anybody needs to watch the line; watching costs a task."""


class Outlet:
    """Sends one answer. `bytes_out` and `status` are what went out.

    Args:
        receive: ASGI's.
        send: ASGI's.
        may_stream: True once it is known that an event stream can be the answer.
        extra: Headers of every answer.
    """

    def __init__(self, receive: Receive, send: Send, *, may_stream: Callable[[], bool], extra: RawHeaders) -> None:
        self.receive = receive
        self._send = send
        self._may_stream = may_stream
        self._extra = extra
        self._loop = asyncio.get_running_loop()
        self._answering = asyncio.current_task()
        self._minder: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(MIND_AFTER_S, self._start_minding)
        self._last_sent = self._loop.time()
        self._finished = False
        self.afterwards: list[asyncio.Task[None]] = []
        """Work that goes on behind this answer when it has ended."""
        self.client_left = False
        self.streaming = False
        self.status = 0
        self.bytes_out = 0

    async def reply(self, reply: Reply) -> None:
        """Send a finished answer; as an event where a stream was begun in the meantime."""
        if self.streaming:
            await self.event(sse.message(reply.body))
            await self.end()
            return
        self.status, self._finished = reply.status, True
        headers = [*reply.headers, *self._extra]
        if reply.status != 204:
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body})
        self.bytes_out += len(reply.body)

    async def start_stream(self, headers: RawHeaders = STREAM_HEADERS) -> None:
        """Send the head of an event stream, once."""
        if not self.streaming:
            self.streaming, self.status = True, 200
            await self._send({"type": "http.response.start", "status": 200, "headers": [*headers, *self._extra]})
            # The Lambda runtime sends the head along with the first of the body: a stream that has nothing to tell yet
            # would look like no answer at all until the first ping.
            await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def event(self, block: bytes) -> None:
        """Send one event, now."""
        self._last_sent = self._loop.time()
        self.bytes_out += len(block)
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def end(self) -> None:
        """End the stream."""
        self._finished = True
        await self._send({"type": "http.response.body", "body": b""})

    async def stop(self) -> None:
        """End what was begun, and say that the gateway is going where nothing was."""
        if self._finished:
            return
        if self.streaming:
            await self.end()
        else:
            await self.reply(Reply(503, b'{"error":"The gateway is stopping. Send this again in a moment."}'))

    async def close(self) -> None:
        """Stop watching. Always call it."""
        self._timer.cancel()
        if self._minder is not None:
            self._minder.cancel()
            with suppress(asyncio.CancelledError):
                await self._minder

    def _start_minding(self) -> None:
        self._minder = self._loop.create_task(self._mind())

    async def _mind(self) -> None:
        leaving = self._loop.create_task(self._left())
        try:
            while not self._finished:
                silent_s = self._loop.time() - self._last_sent
                done, _ = await asyncio.wait({leaving}, timeout=max(PING_EVERY_S - silent_s, 0.01))
                try:
                    if not done:
                        await self._break_silence()
                        continue
                except ConnectionError:
                    # On Lambda a write that fails is the only sign there is.
                    pass
                self.client_left = True
                if self._answering is not None and not self._finished:
                    self._answering.cancel()
                return
        finally:
            leaving.cancel()

    async def _left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _break_silence(self) -> None:
        if self._loop.time() - self._last_sent < PING_EVERY_S or self._finished:
            return
        if self.streaming or self._may_stream():
            await self.start_stream()
            await self.event(sse.PING)
        else:
            self._last_sent = self._loop.time()
