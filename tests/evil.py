"""An upstream that misbehaves on request: the first segment of the path names the mode. Listens on 127.0.0.1 only."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.evil_modes import MODES, Request, Wire


@dataclass
class Evil:
    """The running upstream, and all that it was asked."""

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    seen: list[Request] = field(default_factory=list)
    connections: int = 0
    wires: set[asyncio.StreamWriter] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request is here."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str, *, host: str | None = None) -> str:
        return f"{self.scheme}://{host or self.host}:{self.port}/{path}"

    def drop_idle(self) -> None:
        """End every connection that is open now. The FIN is in the peer's socket when this returns."""
        for writer in self.wires:
            writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def deserted(self) -> None:
        """Return when nobody is connected any more."""
        async with asyncio.timeout(10):
            while self.tasks:
                await asyncio.wait(self.tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.wires.add(writer)
        self.connections += 1
        wire = Wire(reader, writer, self.connections)
        try:
            while (request := await read_request(wire)) is not None:
                self.seen.append(request)
                self.arrived.set()
                await MODES[request.path.split("/")[1].split("?")[0]](wire, request)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.wires.discard(writer)
            self.tasks.discard(task)


async def read_request(wire: Wire) -> Request | None:
    """The next request on a connection; None when there is none any more."""
    try:
        head = await wire.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await wire.reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, wire.number)


@asynccontextmanager
async def evil_upstream(context: ssl.SSLContext | None = None) -> AsyncIterator[Evil]:
    """Run one. With `context` it speaks TLS."""
    evil = Evil(scheme="https" if context else "http")
    server = await asyncio.start_server(evil.serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    evil.port = server.sockets[0].getsockname()[1]
    try:
        yield evil
    finally:
        server.close()
        tasks = list(evil.tasks)
        for writer in list(evil.wires):
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def closed_port() -> int:
    """A port where nobody listens: mode "down"."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def deaf_port() -> AsyncIterator[int]:
    """A port whose connections nobody ever accepts: mode "slow-accept"."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        yield int(sock.getsockname()[1])
