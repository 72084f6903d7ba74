"""A whole gateway for flows: both planes on a data folder of their own, served in the test's event loop."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.compose import admin_api, administration
from gateway_core.compose_lean import World, data_plane
from gateway_core.compose_oauth import oauth_api
from gateway_core.local.data_folder import DATABASE
from gateway_core.local.server import ensure_admin_key, local_world, on_one_port
from gateway_core.settings import Settings
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.web.mcp import McpApp
from gateway_core.web.oauth.app import OAuthApp
from gateway_core.web.outlet import AsgiApp
from tests.canary.watch import WATCH
from tests.flows.upstreams import Json, serving

NOW = 1_795_000_000
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of servers on this machine, which speak no TLS: reading all authorities takes 20 ms."""
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "flow", "version": "2"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE: Json = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "flow", "version": "1"}},
}


@dataclass
class Lines:
    """See ports.Records."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def write(self, record: Any) -> None:
        WATCH.hear("record", "call", json.dumps(record))
        self.lines.append(dict(record))


@dataclass
class Gateway:
    """A running gateway, its administrator, and a key of the workspace `research` that reaches every server in it."""

    url: str
    admin: Administration
    key: str
    http: httpx2.AsyncClient
    records: Lines
    clock: list[int]
    table: SqliteTable
    mcp: McpApp
    front: AsgiApp
    """Everything that the port serves."""
    oauth: OAuthApp
    world: World

    async def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> httpx2.Response:
        """POST to `path`; `headers` are written with _ for -, and "" leaves one out."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(self.url + path, content=content, headers=self.headers(key, **headers))

    def headers(self, key: str | None = None, **headers: str) -> dict[str, str]:
        sent = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {key or self.key}",
        }
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return {name: value for name, value in sent.items() if value}

    async def modern(self, path: str, method: str, params: Json | None = None, **headers: str) -> httpx2.Response:
        """A 2026-07-28 request with the headers that belong to it."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**(params or {}), "_meta": MODERN_META}}
        name = (params or {}).get("name") or (params or {}).get("uri")
        sent = {"mcp_protocol_version": "2026-07-28", "mcp_method": method, "mcp_name": name or "", **headers}
        return await self.post(path, body, **sent)

    async def new_key(self, workspace: str = "research", **draft: Any) -> tuple[str, str]:
        """A key's text and id."""
        asked = KeyDraft(**{"workspace": workspace, "kind": "service", "subject": "ci", **draft})
        token, key = await self.admin.create_key(asked, by="ana@acme.dev")
        return token, key.id

    async def apply(self, config: Json, *, prune: bool = False) -> None:
        await self.admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config), prune=prune))


async def served_to(
    gw: Gateway,
    send: Callable[[Any], Awaitable[None]],
    method: str,
    path: str,
    body: Any = None,
    **headers: str,
) -> None:
    """One request without a server in between: the answer goes to `send`, and the client is there until that fails."""
    pending = [{"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}]

    async def receive() -> Any:
        return pending.pop() if pending else await asyncio.Event().wait()

    raw = [(name.encode(), value.encode()) for name, value in gw.headers(**headers).items()]
    address, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": address, "query_string": query.encode()}
    await gw.mcp({**scope, "headers": [*raw, (b"host", b"127.0.0.1")]}, receive, send)


def call(name: str = "forecast", arguments: Json | None = None, id: Any = 1) -> Json:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments or {}}}


@asynccontextmanager
async def gateway(
    folder: Path,
    servers: Mapping[str, str | Json],
    *,
    max_bytes: int = 2**30,
    public_url: str = "http://127.0.0.1:8787",
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """A gateway with the workspaces research and sales; `servers` (slug → URL, or fields) are in research."""
    clock = [NOW]
    table = SqliteTable(folder / DATABASE, lambda: clock[0], max_bytes=max_bytes)
    chosen = Settings(public_url=public_url, gatehouse_data=folder, **settings)
    records = Lines()
    world = replace(local_world(chosen, table), records=records, clock=lambda: clock[0])
    await ensure_admin_key(chosen, world)
    admin = administration(world)
    mcp, oauth = data_plane(chosen, world), oauth_api(chosen, world)
    front = on_one_port(mcp, _late(lambda: admin_api(chosen, world)), oauth)
    try:
        async with (
            serving(front) as port,
            httpx2.AsyncClient(trust_env=False, verify=PLAIN, timeout=20) as http,
        ):
            made = Gateway(f"http://127.0.0.1:{port}", admin, "", http, records, clock, table, mcp, front, oauth, world)
            await _furnish(made, servers)
            try:
                yield made
            finally:
                # As the local server does: what is still answered would be waited for, and then cut.
                await mcp.stop()
    finally:
        await mcp.close()
        await oauth.close()
        table.close()


def _late(make: Callable[[], AsgiApp]) -> AsgiApp:
    """The application that `make` makes, once somebody asks it: few tests do, and it takes longer than the rest."""
    made = cache(make)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await made()(scope, receive, send)

    return app


async def _furnish(made: Gateway, servers: Mapping[str, str | Json]) -> None:
    await made.apply({"workspaces": [{"slug": "research", "name": "Research"}, {"slug": "sales"}]})
    entries = [
        {"slug": slug, "workspaces": ["research"], **(given if isinstance(given, dict) else {"url": given})}
        for slug, given in servers.items()
    ]
    await made.apply({"servers": entries})
    made.key, _ = await made.new_key()


def events(response: httpx2.Response) -> list[Any]:
    """The JSON messages of an event stream that has ended."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ") and line[6:]]
