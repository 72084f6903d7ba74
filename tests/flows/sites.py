"""Web sites of others on 127.0.0.1 that publish what a test puts there: metadata, endpoints, an MCP server."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.asgi import headers_of, read_body
from tests.flows.upstreams import serving

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """One answer."""

    body: Any = b""
    """Bytes as they are, anything else as JSON."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """What it answers by `METHOD path`, the path with its query; everything else is a 404."""

    url: str = ""
    pages: dict[str, Said | Callable[[bytes], Awaitable[Said]]] = field(default_factory=dict)
    """A callable is given the body of the request."""
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def publish(self, page: str, body: Any = b"", status: int = 200, **headers: str) -> None:
        """Answer `page` so; in names of headers, _ stands for -."""
        self.pages[page] = Said(body, status, {name.replace("_", "-"): value for name, value in headers.items()})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        page = f"{scope['method']} {scope['path']}{'?' if query else ''}{query}"
        self.asked.append(page)
        self.bodies.append(await read_body(receive))
        self.headers.append(headers_of(scope))
        found = self.pages.get(page, Said(status=404))
        said = found if isinstance(found, Said) else await found(self.bodies[-1])
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        fields = {"content-type": "application/json", **said.headers}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
