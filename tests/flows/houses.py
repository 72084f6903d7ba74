"""A whole gateway for flows that need no port: requests go straight in, and settings may be those of AWS."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.compose import administration
from gateway_core.compose_lean import data_plane
from gateway_core.compose_oauth import oauth_api
from gateway_core.egress import Policy
from gateway_core.local.data_folder import DATABASE
from gateway_core.local.server import local_world
from gateway_core.settings import Settings
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.web.mcp import McpApp
from gateway_core.web.oauth.app import OAuthApp
from tests.flows.gateways import MODERN_META, NOW, call
from tests.flows.upstreams import Json

IDP: Final = "https://idp.example"


def modern_call(credential: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a tool call."""
    message = call()
    message["params"]["_meta"] = MODERN_META
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {credential}",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "forecast",
    }
    return headers, json.dumps(message).encode()


@dataclass
class House:
    """The gateway, its administrator, and a key of the workspace `research`."""

    settings: Settings
    admin: Administration
    mcp: McpApp
    oauth: OAuthApp
    table: SqliteTable
    now: list[int]
    key: str = ""

    async def apply(self, config: Json) -> None:
        await self.admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))

    async def ask(self, app: Any, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> str:
        """The body of the answer to one request, an hour after the last one, by somebody who never was here before."""
        self.now[0] += 4_000
        sent: list[bytes] = []
        pending: list[Json] = [{"type": "http.request", "body": body}]
        client = str(ipaddress.IPv4Address(0x0B000000 + self.now[0] % 2**20))
        path, _, query = target.partition("?")
        named = {"host": urlsplit(self.settings.public_url).netloc, **headers}
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "https", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "client": (client, 1), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }  # fmt: skip

        async def receive() -> Json:
            if not pending:
                await asyncio.Event().wait()
            return pending.pop()

        async def send(message: Json) -> None:
            sent.append(message.get("body", b""))

        await app(scope, receive, send)
        return b"".join(sent).decode()

    async def call(self, server: str, credential: str = "") -> Json:
        """The answer to a client that calls a tool of a server in `research`."""
        headers, body = modern_call(credential or self.key)
        told: Json = json.loads(await self.ask(self.mcp, "POST", f"/research/{server}/mcp", headers, body))
        return told


@asynccontextmanager
async def house(folder: Path, name: str, settings: Settings, policy: Policy) -> AsyncIterator[House]:
    """A gateway with these settings. People sign in at `IDP`.

    Args:
        folder: Where its data are; it must be there.
        name: Of the file that they are in.
        settings: For AWS or for one machine; the parts are those of one machine.
        policy: Where servers may be.
    """
    now = [NOW]
    chosen = replace(settings, gatehouse_data=folder, oidc_issuer=IDP, oidc_client_id="us", oidc_client_secret="x")
    table = SqliteTable(folder / f"{name}-{DATABASE}", lambda: now[0])
    # Thousands of writes that nobody needs after a power cut.
    table._write_connection.execute("PRAGMA synchronous=OFF")
    world = replace(local_world(chosen, table), clock=lambda: now[0], policy=policy)
    mcp, oauth = data_plane(chosen, world), oauth_api(chosen, world)
    made = House(chosen, administration(world), mcp, oauth, table, now)
    try:
        await made.apply({"workspaces": [{"slug": "research"}]})
        draft = KeyDraft(workspace="research", kind="service", subject="ci")
        made.key, _ = await made.admin.create_key(draft, by="test")
        yield made
    finally:
        await mcp.close()
        await oauth.close()
        table.close()
