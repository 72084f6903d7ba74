"""One answer as it comes off the wire: filled by the parser, emptied by the reader, bounded in between."""

import asyncio
from collections import deque
from typing import Final, Protocol

from gateway_core.errors import UpstreamClosed, UpstreamError, UpstreamGarbage, UpstreamTooLarge

MAX_HEAD_BYTES: Final = 16 * 1024
"""Names and values of all headers together, interim answers and trailers included."""
HIGH_WATER_BYTES: Final = 256 * 1024
"""With this much unread, the socket is read no further until the reader catches up."""
LOW_WATER_BYTES: Final = 64 * 1024

GARBLED: Final = "The server's answer is no HTTP that can be read."


class Source(Protocol):
    """What an answer asks of the connection that fills it."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """The rest is not wanted."""

    def extend(self, deadline: float) -> None:
        """The whole may take until `deadline` (loop time)."""

    def status(self) -> int:
        """The status code that the parser has just read."""

    def version_and_persistence(self) -> tuple[str, bool]:
        """The HTTP version, and whether the connection may be used again after this message."""


class Answer:
    """Head, body and end of one answer. The `on_…` methods are the parser's (httptools), in the order it calls them."""

    __slots__ = (
        "_bodiless", "_fields", "_head_bytes", "_interim", "_last_byte", "_max_bytes", "_size", "_source", "_unread",
        "_waiter", "body_bytes", "complete", "error", "headers", "persistent", "spoiled", "status", "until_close",
    )  # fmt: skip

    def __init__(self, source: Source, *, max_bytes: int, bodiless: bool) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._last_byte = max_bytes
        self._bodiless = bodiless
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._interim = False
        self._size = 0
        self._unread: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        """0 until the head has arrived."""
        self.headers: dict[str, str] = {}
        self.body_bytes = 0
        self.complete = False
        self.error: UpstreamError | None = None
        self.persistent = False
        """True when the connection may serve another request after this answer."""
        self.spoiled = False
        """True when something followed the end of the answer that nobody had asked for."""
        self.until_close = False
        """True when only the end of the connection tells the end of the body (RFC 9112, section 6.3, item 8)."""

    def on_message_begin(self) -> None:
        """Nobody asks for two answers at once."""
        self.spoiled = self.spoiled or self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here as well: they are counted and dropped (RFC 9110, section 6.5.1)."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self.fail(head_too_large())
        elif not self.status:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Wake whoever waits for the head."""
        status = self._source.status()
        if self.complete or self.error:
            return
        if status < 200:
            # Of a 101 the parser itself makes an error: nobody asked to change the protocol.
            self._interim = True
            self._fields.clear()
            return
        self._read_head(status)
        self._wake()

    def on_body(self, data: bytes) -> None:
        """Keep it until it is read."""
        if self._bodiless or self.complete or self.error:
            self.spoiled = True
            return
        self.body_bytes += len(data)
        if self.body_bytes > self._last_byte:
            self.fail(body_too_large(self._max_bytes))
            return
        self._unread.append(data)
        self._size += len(data)
        self._wake()

    def on_message_complete(self) -> None:
        """The end, unless it was an interim answer (RFC 9110, section 15.2)."""
        if self._interim:
            self._interim = False
        elif not self.complete and not self.error:
            version, persistent = self._source.version_and_persistence()
            self.persistent = persistent and version == "1.1"
            self.complete = True
            self._wake()

    def end_of_stream(self) -> None:
        """The peer will send no more: the end of a body without a length, too early for any other."""
        if self.status and self.until_close and not self.error:
            self.complete = True
            self._wake()
        elif not self.status:
            self.fail(UpstreamClosed("The server closed the connection before it answered."))
        else:
            self.fail(UpstreamClosed("The server's answer stopped early."))

    def fail(self, error: UpstreamError) -> None:
        """Give this to the reader once it has taken what came before. The first failure counts."""
        if not self.complete and self.error is None:
            self.error = error
            self._wake()

    @property
    def flooded(self) -> bool:
        """True when the reader is far behind."""
        return self._size > HIGH_WATER_BYTES

    async def head(self) -> None:
        """Return when status and headers are there. Raises what `fail` was given."""
        while not self.status:
            if self.error is not None:
                raise self.error
            await self._wait()

    def take(self) -> bytes:
        """The next bytes of the body, if they are there already; else b""."""
        if not self._unread:
            return b""
        data = self._unread.popleft()
        before, self._size = self._size, self._size - len(data)
        if before > LOW_WATER_BYTES >= self._size and not self.complete:
            self._source.resume()
        return data

    async def more(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises what `fail` was given."""
        while not self._unread:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            await self._wait()
        return self.take()

    def extend(self, deadline: float) -> None:
        """Let the rest take until `deadline` (loop time)."""
        self._source.extend(deadline)

    def refill(self) -> None:
        """Let as many bytes come from here on as could at the beginning."""
        self._last_byte = self.body_bytes + self._max_bytes

    def abandon(self) -> None:
        """Nobody reads any further: what has not arrived yet is not wanted."""
        if not self.complete:
            self.fail(UpstreamClosed("The answer was not read to its end."))
            self._source.abort()
        self._unread.clear()
        self._size = 0

    def _read_head(self, status: int) -> None:
        headers = self.headers
        for raw_name, raw_value in self._fields:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._fields.clear()
        transfer, length = headers.get("transfer-encoding"), headers.get("content-length")
        if transfer is not None and transfer.lower() != "chunked":
            self.fail(UpstreamGarbage(GARBLED))
        elif length is not None and length.isdigit() and int(length) > self._max_bytes and not self._bodiless:
            self.fail(body_too_large(self._max_bytes))
        self.until_close = transfer is None and length is None
        self.status = status
        # An answer to HEAD has the headers of a body and no body; the parser cannot know, so the connection ends here.
        self.complete = self._bodiless and self.error is None

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except BaseException:
            self.abandon()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def head_too_large() -> UpstreamTooLarge:
    """The refusal of a head over `MAX_HEAD_BYTES`."""
    return UpstreamTooLarge(f"The headers of the server's answer are larger than {MAX_HEAD_BYTES >> 10} KiB.")


def body_too_large(limit: int) -> UpstreamTooLarge:
    """The refusal of a body over `limit` bytes."""
    size = f"{limit >> 20} MiB" if limit and limit % (1 << 20) == 0 else f"{limit} bytes"
    return UpstreamTooLarge(f"The server's answer is larger than {size}.")
