"""An MCP server of the official SDK behind the strict provider: it lets in only whose token the provider vouches for.

Its metadata names the scope to read. Writing takes another one, and a call without that is told so (RFC 6750, 3.1).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.middleware import Middleware

from tests.asgi import read_body
from tests.flows.upstreams import Respond, serving
from tests.strict_provider.provider import READ, WRITE, Options, StrictProvider, strict_provider


@dataclass(frozen=True, slots=True)
class Notes:
    """The server and its provider, running."""

    url: str
    provider: StrictProvider
    bearers: list[str] = field(default_factory=list)
    """Every token that was brought, good or not, in order."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """The SDK's TokenVerifier: asks the provider about every token, so a revoked one is out at once."""

    provider: StrictProvider
    bearers: list[str]

    async def verify_token(self, token: str) -> AccessToken | None:
        self.bearers.append(token)
        told = await self.provider.introspect(token)
        if not told["active"]:
            return None
        # When it lapses is left out: the provider's clock decides, which a test may advance.
        return AccessToken(
            token=token,
            client_id=told["client_id"],
            scopes=told.get("scope", "").split(),
            resource=told["aud"],
            subject=told.get("sub"),
            claims={"iss": told["iss"]},
        )


@dataclass(frozen=True, slots=True)
class WritingTakesMore:
    """ASGI middleware after the SDK's own: a call of `write_note` without its scope is a 403."""

    app: Any
    metadata: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = await read_body(receive)
        if _writes(body) and scope["user"].is_authenticated and WRITE not in scope["user"].scopes:
            wanted = f'error="insufficient_scope", scope="{READ} {WRITE}", resource_metadata="{self.metadata}"'
            await Respond(send).raw(b"", 403, {"www-authenticate": f"Bearer {wanted}"})
            return
        parts = iter([{"type": "http.request", "body": body}])

        async def again() -> Any:
            part = next(parts, None)
            return await receive() if part is None else part

        await self.app(scope, again, send)


def _writes(body: bytes) -> bool:
    message: Any = json.loads(body or b"{}")
    return bool(message.get("method") == "tools/call" and message["params"]["name"] == "write_note")


NOTHING = {"type": "object", "properties": {}}
WORDS = {"type": "object", "properties": {"words": {"type": "string"}}, "required": ["words"]}

TOOLS = [
    types.Tool(name="whoami", description="Whose account this is.", input_schema=NOTHING),
    types.Tool(name="write_note", description="Write a note down.", input_schema=WORDS),
]


async def listed(_ctx: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """Answer `tools/list`."""
    return types.ListToolsResult(tools=TOOLS)


async def called(_ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Answer either tool: the account, or the client where no person stands behind it, and what it wrote."""
    token = get_access_token()
    assert token is not None
    who, wrote = token.subject or token.client_id, (params.arguments or {}).get("words")
    return types.CallToolResult(content=[types.TextContent(text=f"{who} wrote: {wrote}" if wrote else who)])


def app(notes: Notes) -> Starlette:
    """The server itself."""
    settings = {"issuer_url": notes.provider.issuer, "resource_server_url": notes.url, "required_scopes": [READ]}
    served = Server("notes", version="1", on_list_tools=listed, on_call_tool=called).streamable_http_app(
        # Of plain text: an AnyHttpUrl would put a slash behind the issuer, which strict clients take for another one.
        auth=AuthSettings.model_validate({**settings, "validate_token_resource": True}),
        token_verifier=Introspection(notes.provider, notes.bearers),
    )
    metadata = notes.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    served.user_middleware.append(Middleware(WritingTakesMore, metadata=metadata))
    return served


@contextlib.asynccontextmanager
async def notes(folder: Path, *more: str, **options: Any) -> AsyncIterator[Notes]:
    """Both of them, in this event loop and beside it; `more` are other resources, `options` those of the provider."""
    inner: Any = None

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    # The address is known only once it is served, and the provider must know it before it starts.
    async with serving(late) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        async with strict_provider(folder, Options([url, *more], **options)) as provider:
            made = Notes(url, provider)
            inner = app(made)
            async with inner.router.lifespan_context(inner):
                yield made
