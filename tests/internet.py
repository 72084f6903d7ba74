"""An internet for one event loop: names, addresses, and one site behind all of them. Nothing leaves the machine."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

PUBLIC_ADDRESS = "93.184.215.14"
"""Where a name is that a test says nothing about."""

Found = Sequence[str] | None
"""The answer to one question for a name; None: there is no such name."""


@dataclass(frozen=True)
class Visit:
    """One request as the site got it."""

    greeted: str | None
    """Whose certificate was asked for; None without TLS."""
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def host(self) -> str:
        return self.headers["host"]


def page(body: bytes = b"{}", status: str = "200 OK", *fields: str, content_type: str = "application/json") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *fields]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


@dataclass
class Internet:
    """What this loop resolves and dials. Change it at any time; `forget` empties what was seen."""

    names: dict[str, list[Found]] = field(default_factory=dict)
    """Answers by name, one for each question; the last one stays."""
    answer: Callable[[Visit], bytes] = lambda visit: page()
    down: set[str] = field(default_factory=set)
    """Addresses where nobody listens."""
    asked: list[str] = field(default_factory=list)
    """Names, one for each question."""
    dialled: list[tuple[str, int]] = field(default_factory=list)
    """Addresses and ports, one for each connection that was tried."""
    visits: list[Visit] = field(default_factory=list)

    def forget(self) -> None:
        self.asked.clear()
        self.dialled.clear()
        self.visits.clear()


class _Wiring:
    """Stands in for the parts of an event loop that reach out, and runs the site."""

    def __init__(self, net: Internet, loop: Any, serving: ssl.SSLContext | None) -> None:
        self._net = net
        self._serving = serving
        self._sock_connect, self._create_connection = loop.sock_connect, loop.create_connection
        self._greeted: dict[int, str] = {}
        """By the port of the client. Without real TLS nobody else could say."""
        self._serving_now: set[asyncio.Task[Any]] = set()
        self._places: dict[socket.AddressFamily, dict[bool, tuple[str, int]]] = {}

    async def listen(self) -> list[asyncio.Server]:
        servers = []
        for family, here in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            for context in (None, self._serving):
                server = await asyncio.start_server(self.serve, here, 0, family=family, ssl=context)
                port = server.sockets[0].getsockname()[1]
                self._places.setdefault(family, {})[context is not None] = (here, port)
                servers.append(server)
        return servers

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        """See asyncio.AbstractEventLoop.getaddrinfo."""
        self._net.asked.append(host)
        answers = self._net.names.get(host, [[PUBLIC_ADDRESS]])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async def sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """See asyncio.AbstractEventLoop.sock_connect. Where it leads is known when it is known whether by TLS."""
        self._net.dialled.append((address[0], address[1]))
        if address[0] in self._net.down:
            raise ConnectionRefusedError

    async def create_connection(self, factory: Any, *, sock: socket.socket, **how: Any) -> Any:
        """See asyncio.AbstractEventLoop.create_connection."""
        tls = how.get("ssl") is not None
        await self._sock_connect(sock, self._places[sock.family][tls and self._serving is not None])
        if tls:
            self._greeted[sock.getsockname()[1]] = how["server_hostname"]
        kept = how if self._serving is not None else {}
        return await self._create_connection(factory, sock=sock, **kept)

    async def close(self) -> None:
        """End what nobody has hung up."""
        for task in self._serving_now:
            task.cancel()
        await asyncio.gather(*self._serving_now, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the site."""
        task = asyncio.current_task()
        assert task
        self._serving_now.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            writer.transport.abort()
            self._serving_now.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            greeted = self._greeted.pop(writer.get_extra_info("peername")[1], None)
            visit = Visit(greeted, method, path, headers, body)
            self._net.visits.append(visit)
            writer.write(self._net.answer(visit))
            await writer.drain()
            # Who asked reads to the end and goes first; else what is still on its way would be lost.
            await reader.read()


@asynccontextmanager
async def internet(serving: ssl.SSLContext | None = None) -> AsyncIterator[Internet]:
    """Put one in the place of the real one, for the loop that runs.

    Args:
        serving: The site's certificates. Without, TLS is agreed on and then left out, which is eight times as fast.
    """
    net, loop = Internet(), asyncio.get_running_loop()
    wiring = _Wiring(net, loop, serving)
    servers = await wiring.listen()
    patched: dict[str, Callable[..., Awaitable[Any]]] = {
        "getaddrinfo": wiring.getaddrinfo,
        "sock_connect": wiring.sock_connect,
        "create_connection": wiring.create_connection,
    }
    vars(loop).update(patched)
    try:
        yield net
    finally:
        for name in patched:
            del vars(loop)[name]
        for server in servers:
            server.close()
        await wiring.close()
