"""An MCP server of the legacy era alone, on the MCP SDK 1.x, with everything that the official suite asks for.

Run as a program in an environment of its own: `python -m tests.conformance.legacy.server --port N` serves
`http://127.0.0.1:N/mcp`, with sessions. `--resumable` also keeps every event, for clients that come back for what they
missed; `--sse` serves the HTTP+SSE transport of 2024-11-05 on `/sse` instead. Keeps nothing on disk.
"""
# mypy: ignore-errors
# The module runs with the MCP SDK 1.x; the type checker sees 2.x.

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp import types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.session import ServerSession
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tests.conformance.catalogue import NAME
from tests.conformance.events import RETRY_MS, Events
from tests.conformance.legacy import asking, reading, tools
from tests.conformance.legacy.sessions import Sessions

LOCAL = TransportSecuritySettings(allowed_hosts=["127.0.0.1:*", "localhost:*"], allowed_origins=["http://127.0.0.1:*"])
"""Refuses foreign Host and Origin headers."""


class LegacyServer(Server):
    """A server that knows its sessions, and declares that its lists change and its resources can be watched."""

    def __init__(self) -> None:
        self.sessions = Sessions()

        @asynccontextmanager
        async def lifespan(_: Server) -> AsyncIterator[Sessions]:
            yield self.sessions

        super().__init__(NAME, version="1", lifespan=lifespan)

    def create_initialization_options(self, *_: Any, **__: Any) -> InitializationOptions:
        """What `initialize` answers; the SDK itself never says that resources can be subscribed to."""
        made = super().create_initialization_options(
            NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        )
        made.capabilities.resources.subscribe = True
        return made

    async def _handle_message(self, message: Any, session: ServerSession, *rest: Any) -> None:
        # The SDK has no public place that sees a session before its first request.
        self.sessions.join(session)
        await super()._handle_message(message, session, *rest)


def server() -> LegacyServer:
    """The whole server, without a transport."""
    made, runs = LegacyServer(), tools.PLAIN | asking.ASKING

    @made.list_tools()
    async def list_tools() -> list[types.Tool]:
        return tools.LISTED

    @made.call_tool()
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        run = runs.get(name)
        if run is None:
            raise ValueError(f"Unknown tool: {name}")
        return await run(made.request_context, arguments)

    reading.add(made)
    return made


def streamable(made: LegacyServer, *, events: Events | None) -> Starlette:
    """The server under `/mcp`."""
    manager = StreamableHTTPSessionManager(
        made, event_store=events, retry_interval=None if events is None else RETRY_MS, security_settings=LOCAL
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    class Endpoint:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await manager.handle_request(scope, receive, send)

    return Starlette(routes=[Route("/mcp", endpoint=Endpoint())], lifespan=lifespan)


def sse(made: LegacyServer) -> Starlette:
    """The server under `/sse`, which names the address that takes messages (2024-11-05 transports, "HTTP with SSE")."""
    transport = SseServerTransport("/messages/", security_settings=LOCAL)

    async def connect(request: Request) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (reading_end, writing_end):
            await made.run(reading_end, writing_end, made.create_initialization_options())
        return Response()

    return Starlette(routes=[Route("/sse", endpoint=connect), Mount("/messages/", app=transport.handle_post_message)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve the legacy conformance server on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--resumable", action="store_true")
    parser.add_argument("--sse", action="store_true")
    options = parser.parse_args(arguments)
    events = Events() if options.resumable else None
    app = sse(server()) if options.sse else streamable(server(), events=events)
    # Streams that are still open would otherwise keep it alive.
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="error", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
