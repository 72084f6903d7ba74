"""Takes the legacy era away from a dual-era server, as a server that speaks 2026-07-28 alone would have it."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SUPPORTED = list(MODERN_PROTOCOL_VERSIONS)


class ModernOnly:
    """An ASGI application in front of another; what is modern passes, and what is lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := await refusal(Request(scope, receive))) is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def refusal(request: Request) -> Response | None:
    """The answer to legacy traffic; None for what may pass, whose body then is not touched.

    2026-07-28 streamable HTTP, "Earlier Streamable HTTP Revisions" and "Server Validation"; every error names the
    versions that are spoken ("Backward Compatibility with Initialization-Based Versions").
    """
    if request.method != "POST":
        return Response(status_code=405, headers={"Allow": "POST"})
    version = request.headers.get("mcp-protocol-version")
    if version is None:
        words = f"Header mismatch: MCP-Protocol-Version is missing. Supported: {', '.join(SUPPORTED)}"
        return await error(request, types.HEADER_MISMATCH, words, {"supported": SUPPORTED})
    if version in HANDSHAKE_PROTOCOL_VERSIONS:
        facts = {"supported": SUPPORTED, "requested": version}
        return await error(request, types.UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", facts)
    return None


async def error(request: Request, code: int, words: str, data: dict[str, Any]) -> Response:
    """A JSON-RPC error in a 400, with the id of the request if it has one."""
    try:
        called = json.loads(await request.body())
    except ValueError:
        called = None
    named = called.get("id") if isinstance(called, dict) else None
    body: dict[str, Any] = {"jsonrpc": "2.0", "error": {"code": code, "message": words, "data": data}}
    return JSONResponse(body if named is None else {**body, "id": named}, status_code=400)
