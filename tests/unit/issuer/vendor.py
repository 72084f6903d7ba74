"""A vendor's web site over TLS, where the metadata document of a client is, or should be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from gateway_core.egress import Egress, Policy
from tests.certificates import Authority
from tests.unit.egress.asking import Names

HOST = "vendor.example"


@dataclass
class Vendor:
    """The running site. What it answers can be changed at any time."""

    url: str = ""
    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: tuple[str, ...] = ()
    chunked: bool = False
    cut: bool = False
    waiting: asyncio.Event | None = None
    """When there is one, no answer comes before it is set."""
    asked: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request is here."""
    moves: int = 0
    names: Names = field(default_factory=lambda: Names({HOST: [["127.0.0.1"]]}))
    """The one name that there is, and every name that was asked for."""

    def move(self) -> None:
        """From now on everything is about a URL that nobody has asked for yet."""
        self.moves += 1
        self.url = urljoin(self.url, f"/{self.moves}.json")

    def publish(self, **changes: Any) -> None:
        """Put a good document there, with some members changed; None removes one."""
        document = {
            "client_id": self.url,
            "client_name": "App",
            "redirect_uris": ["http://127.0.0.1/callback"],
            **changes,
        }
        self.body = json.dumps({name: value for name, value in document.items() if value is not None}).encode()

    def answer(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} X", f"content-type: {self.content_type}", "connection: close", *self.headers]
        if 300 <= self.status < 400:
            head.append(f"location: {self.url}")
        if self.chunked:
            framed = f"{len(self.body):x}\r\n".encode() + self.body + b"\r\n0\r\n\r\n"
            return "\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode() + framed
        if self.status in (204, 304):
            return "\r\n".join([*head, "", ""]).encode()
        length = len(self.body) + (10 if self.cut else 0)
        return "\r\n".join([*head, f"content-length: {length}", "", ""]).encode() + self.body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(request.decode("latin-1").split("\r\n")[0])
            self.arrived.set()
            if self.waiting is not None:
                await self.waiting.wait()
            writer.write(self.answer())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def vendor_site(authority: Authority) -> AsyncIterator[tuple[Vendor, Egress]]:
    """A site, and an egress that finds it."""
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=authority.serving(HOST))
    port = server.sockets[0].getsockname()[1]
    vendor.url = f"https://{HOST}:{port}/client.json"
    vendor.publish()
    policy = Policy(loopback=True, ports=(*Policy().ports, port))
    egress = Egress(policy, resolver=vendor.names, ssl_context=authority.trusting())
    try:
        yield vendor, egress
    finally:
        server.close()
        await egress.close()
