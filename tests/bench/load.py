"""A load generator on raw sockets: every connection is kept and has one request under way.

Reads only what it must (status, length or chunks), so that what it measures is the server and not itself.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
SESSION = re.compile(rb"\r\nmcp-session-id: *([^\r]+)", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
PROTOCOL = "2025-11-25"
MODERN = "2026-07-28"
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What a modern client says with each request instead of in a handshake (2026-07-28 basic, `_meta`)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go, with which key, in which revision."""

    name: str
    url: str
    key: str
    session: str = ""
    version: str = PROTOCOL

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        place = urlsplit(self.url)
        return place.hostname or "127.0.0.1", place.port or 80

    def request(self, message: Mapping[str, Any]) -> bytes:
        """A whole HTTP request for `message`, given in the legacy form, in the form of the target's revision."""
        place = urlsplit(self.url)
        fields = [f"Mcp-Session-Id: {self.session}"] if self.session else []
        if self.version == MODERN:
            params = message["params"]
            message = {**message, "params": {**params, "_meta": {**params.get("_meta", {}), **MODERN_META}}}
            fields.append(f"Mcp-Method: {message['method']}")
            if "name" in params:
                fields.append(f"Mcp-Name: {params['name']}")
        body = json.dumps(message).encode()
        lines = [
            f"POST {place.path} HTTP/1.1",
            f"Host: {place.netloc}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"MCP-Protocol-Version: {self.version}",
            f"Authorization: Bearer {self.key}",
            *fields,
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True)
class Load:
    """One burst: what is sent, for how many calls or seconds, and what came of it."""

    request: bytes
    calls: int
    seconds: float
    taken: list[float] = field(default_factory=list)
    """Seconds per call, to the last byte."""
    first: list[float] = field(default_factory=list)
    """Seconds per call, to the first byte of its body."""
    failed: int = 0
    started: float = 0.0
    ended: float = 0.0
    sent: int = 0

    @property
    def over(self) -> bool:
        """True when no further call shall start."""
        return self.sent >= self.calls or time.perf_counter() - self.started > self.seconds

    @property
    def per_second(self) -> float:
        """Calls answered per second."""
        return len(self.taken) / (self.ended - self.started)


class Caller(asyncio.Protocol):
    """One connection of a burst."""

    def __init__(self, load: Load, done: asyncio.Future[None]) -> None:
        self._load, self._done = load, done
        self._transport: Any = None
        self._sent_at = 0.0
        self._buffer = b""
        self._first = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first call."""
        self._transport = transport
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up in the middle fails the burst."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("The server closed a kept connection."))

    def _next(self) -> None:
        if self._load.over:
            self._done.set_result(None)
            self._transport.close()
            return
        self._load.sent += 1
        self._buffer, self._first = b"", False
        self._sent_at = time.perf_counter()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        """Collect one response."""
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        now = time.perf_counter()
        if not self._first and len(self._buffer) > head + 4:
            self._first = True
            self._load.first.append(now - self._sent_at)
        length = LENGTH.search(self._buffer, 0, head + 2)
        whole = len(self._buffer) >= head + 4 + int(length[1]) if length else self._buffer.endswith(LAST_CHUNK)
        if whole:
            self._load.taken.append(now - self._sent_at)
            if not self._buffer.startswith(b"HTTP/1.1 200") or b'"result"' not in self._buffer:
                self._load.failed += 1
            self._next()


async def burst(target: Target, message: Mapping[str, Any], *, width: int, calls: int, seconds: float = 60.0) -> Load:
    """Send `message` over `width` connections until `calls` or `seconds` are spent."""
    loop = asyncio.get_running_loop()
    load = Load(target.request(message), calls, seconds)
    load.started = time.perf_counter()
    ends = []
    for _ in range(width):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)
        await loop.create_connection(functools.partial(Caller, load, done), *target.address)
    await asyncio.gather(*ends)
    load.ended = time.perf_counter()
    return load


async def raw(target: Target, message: Mapping[str, Any]) -> bytes:
    """One request on a connection of its own; gives the whole response, head included."""
    reader, writer = await asyncio.open_connection(*target.address)
    writer.write(target.request(message).replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:", 1))
    answer = await reader.read()
    writer.close()
    return answer


async def introduced(target: Target) -> Target:
    """The target after the handshake, with the session that it gave, if any.

    Raises:
        AssertionError: It refused; the text is its answer.
    """
    params = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    hello = await raw(target, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    if not hello.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"{target.name} refused the handshake: {hello!r}")
    found = SESSION.search(hello)
    known = replace(target, session=found[1].decode() if found else "")
    await raw(known, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    return known
