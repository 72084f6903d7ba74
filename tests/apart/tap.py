"""A server between the gateway and an upstream, on the way to which it reads along, holds up, and forgets."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.asgi import headers_of, read_body

Json = dict[str, Any]
PROBE = "gatehouse-probe"
HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
WAIT_S = 15.0
"""How long a test waits for what must come; far more than it takes, as test machines are busy."""


@dataclass(frozen=True)
class Seen:
    """One HTTP request as the upstream gets it."""

    method: str
    session_id: str | None
    message: Json

    @property
    def rpc(self) -> str:
        return str(self.message.get("method", ""))


@dataclass
class Tap:
    """ASGI. `seen` is everything that passed but the gateway's own questions what the server speaks."""

    origin: str
    http: httpx2.AsyncClient
    seen: list[Seen] = field(default_factory=list)
    probes: int = 0
    forgotten: set[str] = field(default_factory=set)
    """Session ids that the server does not know any more."""
    together: dict[str, asyncio.Barrier] = field(default_factory=dict)
    """Method → what makes requests of it wait for each other."""
    _streams: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def calls(self, rpc: str) -> list[Seen]:
        return [one for one in self.seen if one.rpc == rpc]

    async def saw(self, wanted: Callable[[Seen], bool]) -> Seen:
        """The first request of that kind, which may have come already."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: any(map(wanted, self.seen)))
        return next(one for one in self.seen if wanted(one))

    async def cut(self) -> int:
        """End every stream that the gateway holds open with GET. Gives how many there were."""
        streams = list(self._streams)
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        return len(streams)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, headers = await read_body(receive), headers_of(scope)
        seen = Seen(scope["method"], headers.get("mcp-session-id"), json.loads(body) if body else {})
        await self._note(seen)
        if seen.session_id in self.forgotten:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if seen.rpc in self.together and seen.message.get("id") != PROBE:
            await self.together[seen.rpc].wait()
        path = scope["path"] + (f"?{query.decode()}" if (query := scope["query_string"]) else "")
        kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
        request = self.http.build_request(seen.method, self.origin + path, headers=kept, content=body)
        relaying = asyncio.create_task(self._relay(request, send))
        if seen.method == "GET":
            self._streams.add(relaying)
            relaying.add_done_callback(self._streams.discard)
        await _until_left(relaying, receive)

    async def _note(self, seen: Seen) -> None:
        if seen.message.get("id") == PROBE:
            self.probes += 1
            return
        self.seen.append(seen)
        async with self._changed:
            self._changed.notify_all()

    async def _relay(self, request: httpx2.Request, send: Any) -> None:
        response = await self.http.send(request, stream=True)
        try:
            fields = [pair for pair in response.headers.raw if pair[0].decode().lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            await response.aclose()
            await send({"type": "http.response.body", "body": b""})


async def _until_left(relaying: asyncio.Task[None], receive: Any) -> None:
    """Relay until the answer has ended, or the gateway has left."""
    tasks = {relaying, asyncio.create_task(_left(receive))}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
