"""A reverse proxy in front of a gateway: sees what clients ask for, and does to them what clouds and time do.

It renames the challenge, as API Gateway does, and lets access tokens lapse. But for that, bytes pass as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

CHUNK = 65_536
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
CHALLENGE = re.compile(rb"\r\nwww-authenticate:", re.IGNORECASE)
REMAPPED = b"\r\nx-amzn-remapped-www-authenticate:"
BEARER = re.compile(rb"\r\nauthorization:\s*bearer\s+(\S+)", re.IGNORECASE)
KEPT_ALIVE = re.compile(rb"\r\n(?:connection|keep-alive):[^\r\n]*", re.IGNORECASE)
TOKEN = re.compile(rb'"access_token": ?"([^"]+)"')
HOUR, NO_TIME = re.compile(rb'("expires_in": ?)3600'), rb"\1   0"
LAPSED = b"\r\nauthorization: Bearer gha_lapsed"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and how it was answered."""

    method: str
    path: str
    status: int
    form: dict[str, str]
    """What a token request says."""

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.form.get('grant_type', '')} → {self.status}"


@dataclass
class Front:
    """The proxy; `target` is the port of the gateway."""

    port: int = 0
    target: int = 0
    remapped: bool = False
    asked: list[Asked] = field(default_factory=list)
    shortened: bool = False
    """Clients are told that the access token they sign in for lasts no time at all; the next one lasts."""
    lapsed: set[bytes] = field(default_factory=set)
    given: set[bytes] = field(default_factory=set)

    @property
    def origin(self) -> str:
        """What clients know as the gateway."""
        return f"http://127.0.0.1:{self.port}"

    def let_lapse(self) -> None:
        """Every access token that was given so far is refused from now on."""
        self.lapsed |= self.given

    def reset(self) -> None:
        """Do nothing to anybody, and forget what was asked."""
        self.remapped = self.shortened = False
        self.asked.clear()

    def refreshes(self) -> list[Asked]:
        """Token requests with a refresh token."""
        return [one for one in self.asked if one.form.get("grant_type") == "refresh_token"]

    def paths(self, start: str = "") -> list[str]:
        """The paths that were asked for, in turn."""
        return [one.path for one in self.asked if one.path.startswith(start)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one request and its answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(length_of(head))
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                far_writer.write(self._request(head) + body)
                answer = await far_reader.readuntil(b"\r\n\r\n")
                self._note(head, body, answer)
                writer.write(self._answer(answer))
                if head.startswith(b"POST /token "):
                    told = await far_reader.readexactly(length_of(answer))
                    writer.write(self._told(told, first=b"grant_type=authorization_code" in body))
                await self._pass_on(far_reader, writer, reader)
            finally:
                far_writer.close()
        except (OSError, asyncio.IncompleteReadError):
            return  # One of the two left: closing says so to the other.
        finally:
            writer.close()

    async def _pass_on(
        self, far: asyncio.StreamReader, writer: asyncio.StreamWriter, reader: asyncio.StreamReader
    ) -> None:
        async def pump() -> None:
            while chunk := await far.read(CHUNK):
                writer.write(chunk)
                await writer.drain()

        ways = [asyncio.create_task(pump()), asyncio.create_task(reader.read(1))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def _request(self, head: bytes) -> bytes:
        token = BEARER.search(head)
        if token is not None and token[1] in self.lapsed:
            head = BEARER.sub(LAPSED, head)
        return closing(head)

    def _told(self, body: bytes, *, first: bool) -> bytes:
        token = TOKEN.search(body)
        if token is not None:
            self.given.add(token[1])
        return HOUR.sub(NO_TIME, body) if self.shortened and first else body

    def _answer(self, head: bytes) -> bytes:
        return closing(CHALLENGE.sub(REMAPPED, head) if self.remapped else head)

    def _note(self, head: bytes, body: bytes, answer: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        form = parse_qs(body.decode()) if path == "/token" else {}
        status = int(answer.split(b" ", 2)[1])
        self.asked.append(Asked(method, path, status, {name: values[0] for name, values in form.items()}))


def length_of(head: bytes) -> int:
    """The length of the body behind a request's head; no client under test sends it in chunks."""
    found = LENGTH.search(head)
    return int(found[1]) if found else 0


def closing(head: bytes) -> bytes:
    """The head with one request per connection, so that no length needs to be known to find the next."""
    return KEPT_ALIVE.sub(b"", head).removesuffix(b"\r\n\r\n") + b"\r\nconnection: close\r\n\r\n"


@contextlib.contextmanager
def front() -> Iterator[Front]:
    """A proxy on a free port, in a thread of its own; its target is set afterwards."""
    made, ready, loop = Front(), threading.Event(), asyncio.new_event_loop()

    async def main() -> None:
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            async with server:
                await asyncio.get_running_loop().create_future()

    task = loop.create_task(main())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
