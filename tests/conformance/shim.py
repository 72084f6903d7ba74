"""A reverse proxy for the official suite, which knows no credentials and one path: it adds the key and moves the path.

Bytes pass as they come, in both directions; only the head of each request is edited. For tests on loopback alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

PATH = b"/mcp"
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    url: str
    key: str
    own: str = ""
    """The proxy's own host and port."""

    @property
    def host(self) -> str:
        """Host and port of the target."""
        return urlsplit(self.url).netloc

    def rewritten(self, head: bytes) -> bytes:
        """The head as the target shall read it.

        Host and Origin that name the proxy become the target's; foreign ones stay, for the target to refuse. One
        request per connection, so that no length needs to be known to find the next head.
        """
        request, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        path = urlsplit(self.url).path.encode()
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        moved = [self._moved(line) for line in kept]
        added = [b"Authorization: Bearer " + self.key.encode(), b"Connection: close"]
        return b"\r\n".join([request.replace(b" " + PATH, b" " + path, 1), *moved, *added, b"", b""])

    def _moved(self, line: bytes) -> bytes:
        name, _, value = line.partition(b":")
        if name.lower() not in (b"host", b"origin"):
            return line
        ours = value.strip().removeprefix(b"http://") == self.own.encode()
        return line.replace(self.own.encode(), self.host.encode()) if ours else line


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on bytes until either side ends."""
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
    """Carry one request and its answer; when one side goes, the other is closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        host, port = target.host.split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            far_writer.write(target.rewritten(head))
            ways = [asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            far_writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return  # The client left before it said anything, or the target is gone: closing says so.
    finally:
        writer.close()


@asynccontextmanager
async def shim(url: str, key: str) -> AsyncIterator[str]:
    """Serve `/mcp` on a free port in front of `url` with `key`; gives the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = "{}:{}".format(*writer.get_extra_info("sockname"))
        await relay(reader, writer, Target(url, key, own))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}/mcp".format(*server.sockets[0].getsockname())
