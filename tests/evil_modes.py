"""What the evil upstream can do to a request: one function per mode."""

import asyncio
import functools
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DRIP_S = 0.02
"""Seconds between two drops."""


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """1 for the first connection that was accepted, 2 for the second."""


@dataclass
class Wire:
    """The connection that a mode plays with."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def end(self) -> None:
        """Close in order: everything written arrives, then FIN."""
        await self.writer.drain()
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_client_closes(self) -> None:
        await self.reader.read()

    async def pause(self) -> bool:
        """Let one beat pass; False when the client has gone."""
        beat = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(DRIP_S, beat.set_result, None)
        await beat
        return not self.reader.at_eof()


Mode = Callable[[Wire, Request], Awaitable[None]]
MODES: dict[str, Mode] = {}


def mode(function: Mode) -> Mode:
    """Offer `function` under its own name, with dashes."""
    MODES[function.__name__.replace("_", "-")] = function
    return function


def whole(body: bytes = ANSWER, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer as it should be."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@mode
async def good(wire: Wire, request: Request) -> None:
    """An honest answer on a connection that stays."""
    wire.write(whole())


@mode
async def keep_alive(wire: Wire, request: Request) -> None:
    """/keep-alive/N: says that it keeps the connection for N seconds."""
    wire.write(whole(ANSWER, b"Keep-Alive: timeout=" + request.path.split("/")[2].encode()))


@mode
async def echo(wire: Wire, request: Request) -> None:
    """What was sent, so that answers can be told apart."""
    wire.write(whole(request.body))


@mode
async def sized(wire: Wire, request: Request) -> None:
    """/sized/N: a body of N bytes with a length."""
    wire.write(whole(b"x" * int(request.path.split("/")[2])))


@mode
async def rst(wire: Wire, request: Request) -> None:
    wire.reset()


@mode
async def rst_in_body(wire: Wire, request: Request) -> None:
    wire.write(HEAD + b"Content-Length: 100\r\n\r\npart")
    await wire.writer.drain()
    await wire.pause()
    wire.reset()


@mode
async def no_answer(wire: Wire, request: Request) -> None:
    """Closes without a word."""
    await wire.end()


@mode
async def slow_header(wire: Wire, request: Request) -> None:
    """One header byte at a time, for ever."""
    wire.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while await wire.pause():
        wire.write(b"s")


@mode
async def silent(wire: Wire, request: Request) -> None:
    """Never says anything."""
    await wire.until_client_closes()


@mode
async def drip(wire: Wire, request: Request) -> None:
    """An endless event stream, one comment at a time: no read time-out ever fires."""
    wire.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    while await wire.pause():
        wire.write(b"3\r\n:\n\n\r\n")


@mode
async def half_close(wire: Wire, request: Request) -> None:
    """A chunked body that stops in the middle of a message."""
    wire.write(CHUNKED + b"1e\r\n" + b'data: {"jsonrpc":"2.0","id":1,' + b"\r\n")
    await wire.end()


@mode
async def short_length(wire: Wire, request: Request) -> None:
    """A body shorter than its Content-Length."""
    wire.write(HEAD + b"Content-Length: 100\r\n\r\n" + ANSWER)
    await wire.end()


@mode
async def giant_header(wire: Wire, request: Request) -> None:
    wire.write(HEAD + b"X-Giant: " + b"g" * 20_000 + b"\r\nContent-Length: 2\r\n\r\n{}")


@mode
async def endless_headers(wire: Wire, request: Request) -> None:
    wire.write(HEAD)
    while not wire.writer.is_closing():
        wire.write(b"X-More: " + b"m" * 1000 + b"\r\n")
        await wire.writer.drain()


@mode
async def endless_trailer(wire: Wire, request: Request) -> None:
    wire.write(CHUNKED + b"2\r\n{}\r\n0\r\nX-Trailer: ")
    while not wire.writer.is_closing():
        wire.write(b"t" * 1000)
        await wire.writer.drain()


@mode
async def endless_interim(wire: Wire, request: Request) -> None:
    while not wire.writer.is_closing():
        wire.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 10)
        await wire.writer.drain()


@mode
async def oversize(wire: Wire, request: Request) -> None:
    """A chunked body without end."""
    wire.write(CHUNKED)
    while not wire.writer.is_closing():
        wire.write(b"10000\r\n" + b"o" * 65536 + b"\r\n")
        await wire.writer.drain()


@mode
async def oversize_length(wire: Wire, request: Request) -> None:
    """Says at once that it is too much."""
    wire.write(HEAD + b"Content-Length: 999999999999\r\n\r\n")
    await wire.until_client_closes()


@mode
async def gzip_bomb(wire: Wire, request: Request) -> None:
    """100 MB in 100 KB."""
    wire.write(whole(bomb(), b"Content-Encoding: gzip"))


@mode
async def garbage(wire: Wire, request: Request) -> None:
    wire.write(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n")


@mode
async def redirect(wire: Wire, request: Request) -> None:
    wire.write(whole(b"", b"Location: http://169.254.169.254/latest/meta-data/", status=b"307 Temporary Redirect"))


@mode
async def upgrade(wire: Wire, request: Request) -> None:
    wire.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello")


@mode
async def close_after(wire: Wire, request: Request) -> None:
    """Closes after every answer without saying so."""
    wire.write(whole(request.body or ANSWER))
    await wire.end()


@mode
async def close_soon(wire: Wire, request: Request) -> None:
    """Closes 3 ms after every answer without saying so, and reads nothing in between."""
    wire.write(whole(request.body or ANSWER))
    await wire.writer.drain()
    sock = wire.writer.get_extra_info("socket")
    asyncio.get_running_loop().call_later(0.003, sock.shutdown, socket.SHUT_RDWR)
    await wire.pause()


@mode
async def close_said(wire: Wire, request: Request) -> None:
    """Closes after every answer and says so."""
    wire.write(whole(request.body or ANSWER, b"Connection: close"))
    await wire.end()


@mode
async def http10(wire: Wire, request: Request) -> None:
    """A body that ends with the connection."""
    wire.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + ANSWER)
    await wire.end()


@mode
async def until_close(wire: Wire, request: Request) -> None:
    """The same in HTTP/1.1."""
    wire.write(HEAD + b"\r\n" + ANSWER)
    await wire.end()


@mode
async def interim(wire: Wire, request: Request) -> None:
    wire.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole())


@mode
async def junk_behind(wire: Wire, request: Request) -> None:
    """A forged second answer in the same segment as the first."""
    wire.write(whole(request.body) + whole(b'"forged"'))


@mode
async def junk_later(wire: Wire, request: Request) -> None:
    """A forged second answer a moment after the first."""
    wire.write(whole(request.body))
    await wire.writer.drain()
    await wire.pause()
    wire.write(whole(b'"forged"'))


@functools.cache
def bomb() -> bytes:
    """100 MB of zeros as 100 KB of gzip."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return b"".join([packer.compress(bytes(1_000_000)) for _ in range(100)]) + packer.flush()


@mode
async def until_cut(wire: Wire, request: Request) -> None:
    """A body that ends with the connection, which is cut without TLS's goodbye."""
    wire.write(HEAD + b"\r\n" + ANSWER)
    await wire.writer.drain()
    await wire.pause()
    wire.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
