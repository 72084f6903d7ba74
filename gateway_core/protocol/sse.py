"""Server-sent events, read as they arrive and written again (WHATWG HTML, section 9.2). Pure."""

from typing import Final, NamedTuple

from gateway_core.errors import UpstreamTooLarge

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""One event is held in memory until it is whole; the response as a whole is bounded by egress."""

PING: Final = b": ping\n\n"
"""A comment: keeps proxies and clients from taking silence for death."""


class Event(NamedTuple):
    """One event. `data` is None when the block had no data line."""

    data: str | None
    id: str | None = None
    name: str | None = None
    retry_ms: int | None = None


class Parser:
    """Feed it chunks, take events."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._half_line_end = False
        self._started = False
        self._data: list[bytes] = []
        self._id: str | None = None
        self._name: str | None = None
        self._retry_ms: int | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Takes time in proportion to what it is fed, however that is cut.

        Raises:
            UpstreamTooLarge: An event is larger than `MAX_EVENT_BYTES`.
        """
        if not self._started:
            self._started = True
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        self._pieces.append(chunk)
        self._waiting += len(chunk)
        if self._size + self._waiting > MAX_EVENT_BYTES and b"\n" not in chunk and b"\r" not in chunk:
            raise _too_large()
        if b"\n" not in chunk and b"\r" not in chunk and not self._half_line_end:
            return []
        text = b"".join(self._pieces)
        # A CR at the very end may be the first half of CRLF: wait for what follows.
        self._half_line_end = text.endswith(b"\r")
        held = text[-1:] if self._half_line_end else b""
        lines = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + held
        self._pieces, self._waiting = [rest], len(rest)
        events = []
        for line in lines:
            if line:
                self._field(line)
            elif (event := self._block()) is not None:
                events.append(event)
        return events

    def _field(self, line: bytes) -> None:
        self._size += len(line)
        if self._size > MAX_EVENT_BYTES:
            raise _too_large()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id":
            self._id = None if b"\0" in value else value.decode("utf-8", "replace")
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self._retry_ms = int(value)

    def _block(self) -> Event | None:
        data = b"\n".join(self._data).decode("utf-8", "replace") if self._data else None
        event = Event(data, self._id, self._name, self._retry_ms)
        self._clear()
        return None if event == _NOTHING else event

    def _clear(self) -> None:
        self._data = []
        self._id = self._name = self._retry_ms = None
        self._size = 0


def _too_large() -> UpstreamTooLarge:
    return UpstreamTooLarge(f"One message of the answer is larger than {MAX_EVENT_BYTES >> 20} MiB.")


_NOTHING: Final = Event(None)


def write(event: Event) -> bytes:
    """The event as one block of the wire."""
    lines = []
    if event.name is not None:
        lines.append(f"event: {event.name}")
    if event.id is not None:
        lines.append(f"id: {event.id}")
    if event.retry_ms is not None:
        lines.append(f"retry: {event.retry_ms}")
    if event.data is not None:
        lines.extend(f"data: {line}" for line in event.data.split("\n"))
    return ("\n".join(lines) + "\n\n").encode()


def message(body: bytes) -> bytes:
    """A JSON-RPC message as an event of its own."""
    return b"event: message\ndata: " + body + b"\n\n"
