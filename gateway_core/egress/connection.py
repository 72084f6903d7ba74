"""One HTTP/1.1 connection to one origin (RFC 9112): writes a request, feeds the parser, notices its own end.

Never writes a request again, never pipelines.
"""

import asyncio
import select
import ssl
import sys
from typing import Final, Protocol, cast

import httptools

from gateway_core.egress.answer import GARBLED, MAX_HEAD_BYTES, Answer, head_too_large
from gateway_core.egress.policy import Origin
from gateway_core.errors import UpstreamClosed, UpstreamGarbage, UpstreamTimedOut

CLOSED: Final = "The server closed the connection before its answer was complete."


class Owner(Protocol):
    """Who is told what becomes of a connection."""

    def made(self, connection: "Connection") -> None:
        """It is open."""

    def idle(self, connection: "Connection", after: Answer) -> None:
        """An answer is complete, and the connection may be used again."""

    def lost(self, connection: "Connection") -> None:
        """Its socket is closed. Said once, and only of one that was made."""


class Connection(asyncio.Protocol):
    """Serves one request after the other, each with a parser and an `Answer` of its own: nothing carries over."""

    __slots__ = (
        "_answer", "_barren", "_loop", "_owner", "_parser", "_paused", "_seconds", "_timer", "_transport",
        "gone", "idle_since", "idle_until", "made_at", "origin",
    )  # fmt: skip

    def __init__(self, origin: Origin, owner: Owner) -> None:
        self.origin = origin
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: Answer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._paused = False
        self._barren = 0
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the socket is closed."""
        self.made_at = 0.0
        self.idle_since = 0.0
        self.idle_until = 0.0
        """The pool's notes, Unix seconds."""

    def send(self, request: bytes, *, deadline: float, max_bytes: int) -> Answer:
        """Write `request`, once, and return its answer to be. The whole of it must arrive by `deadline` (loop time)."""
        if self._transport is None or self._answer is not None:
            raise RuntimeError("the connection is not idle")
        answer = self._answer = Answer(self, max_bytes=max_bytes, bodiless=request.startswith(b"HEAD "))
        self._parser = httptools.HttpResponseParser(answer)
        self._barren = 0
        self._seconds = deadline - self._loop.time()
        self._timer = self._loop.call_at(deadline, self._expire)
        self._transport.write(request)
        return answer

    def extend(self, deadline: float) -> None:
        """See answer.Source.extend."""
        if self._answer is not None and self._timer is not None:
            self._timer.cancel()
            self._seconds += deadline - self._timer.when()
            self._timer = self._loop.call_at(deadline, self._expire)

    def usable(self) -> bool:
        """True when the peer has neither closed nor said anything since the last answer.

        The socket itself is asked, not only the callbacks: a frozen Lambda thaws with a FIN that the event loop has not
        read yet. The question does not block.
        """
        if not self.open or self._answer is not None or self._transport is None:
            return False
        return not readable(self._transport.get_extra_info("socket").fileno())

    @property
    def open(self) -> bool:
        """True from the moment it is connected until either side closes it, as far as the event loop has noticed."""
        return self._transport is not None and not self._transport.is_closing()

    def resume(self) -> None:
        """See answer.Source.resume."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close without waiting for anything. `gone` is done a moment later."""
        if self._transport is not None:
            self._transport.abort()

    def status(self) -> int:
        """See answer.Source.status."""
        return self._parser.get_status_code() if self._parser is not None else 0

    def version_and_persistence(self) -> tuple[str, bool]:
        """See answer.Source.version_and_persistence."""
        if self._parser is None:
            return "", False
        return self._parser.get_http_version(), self._parser.should_keep_alive()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        answer, parser = self._answer, self._parser
        if answer is None or parser is None:
            # Bytes that nobody asked for: the next answer could be a forged one.
            self.abort()
            return
        received = answer.body_bytes
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # After a complete answer this is junk behind it, which `fail` leaves alone.
            answer.spoiled = True
            answer.fail(UpstreamGarbage(GARBLED))
        # Endless headers, trailers and chunk extensions bring no body and are no progress.
        self._barren = 0 if answer.body_bytes > received else self._barren + len(data)
        if self._barren > 2 * MAX_HEAD_BYTES:
            answer.fail(head_too_large())
        if answer.complete or answer.error is not None:
            self._finish(answer)
        elif answer.flooded and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """See asyncio.Protocol. The transport closes itself afterwards."""
        if self._answer is not None:
            if not said_goodbye(self._transport):
                self._answer.fail(UpstreamClosed(CLOSED))
            self._answer.end_of_stream()
            self._finish(self._answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        if self._answer is not None:
            self._answer.fail(UpstreamClosed(CLOSED))
            self._forget()
        if not self.gone.done():
            self.gone.set_result(None)
        self._owner.lost(self)

    def _finish(self, answer: Answer) -> None:
        self._forget()
        transport = self._transport
        if transport is None:
            return
        if answer.complete and answer.persistent and not answer.spoiled and not transport.get_write_buffer_size():
            self._owner.idle(self, answer)
        else:
            self.abort()

    def _forget(self) -> None:
        self._answer = self._parser = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self._answer is not None:
            verb = "finish its answer" if self._answer.status else "answer"
            self._answer.fail(UpstreamTimedOut(f"The server did not {verb} within {round(self._seconds, 1):g} s."))
            self._forget()
            self.abort()


def said_goodbye(transport: asyncio.Transport | None) -> bool:
    """False when TLS ended without close_notify: anybody on the way can cut a connection (RFC 9112, section 9.8).

    Asyncio reports both ends as eof_received; the TLS object knows which it was.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    try:
        return tls is None or tls.read(1) == b""
    except ssl.SSLError:
        return False


def readable(descriptor: int) -> bool:
    """True when a read would not block: bytes are waiting, or the end."""
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
