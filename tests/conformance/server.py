"""An MCP server with everything that the official conformance suite asks a server for, both eras on one URL.

Run as a program: `python -m tests.conformance.server --port N` serves `http://127.0.0.1:N/mcp`; with `--modern-only`
it knows 2026-07-28 alone. Keeps nothing on disk.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence

import mcp_types as types
import uvicorn
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning
from starlette.types import ASGIApp

from tests.conformance import reading, tools_asking, tools_plain
from tests.conformance.catalogue import NAME
from tests.conformance.events import RETRY_MS, Events
from tests.conformance.modern import ModernOnly


def server() -> Server:
    """The whole server, without a transport."""
    bus = InMemorySubscriptionBus()
    box = tools_plain.TOOLS | tools_plain.changing(bus) | tools_asking.TOOLS
    keep = CacheHint(ttl_ms=reading.TTL_MS, scope="private")
    made: Server = Server(
        NAME,
        version="1",
        cache_hints={
            "tools/list": keep,
            "prompts/list": keep,
            "resources/list": keep,
            "resources/templates/list": keep,
        },
        get_tool_input_schema=box.input_schema,
        on_list_tools=box.listed,
        on_call_tool=box.call,
        on_list_resources=reading.list_resources,
        on_list_resource_templates=reading.list_templates,
        on_read_resource=reading.read,
        on_subscribe_resource=reading.acknowledge,
        on_unsubscribe_resource=reading.acknowledge,
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=reading.list_prompts,
        on_get_prompt=reading.get_prompt,
        on_completion=reading.complete,
    )
    made.add_request_handler("logging/setLevel", types.SetLevelRequestParams, reading.acknowledge)
    made.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return made


def app() -> ASGIApp:
    """The server under `/mcp`, refusing foreign Host and Origin headers."""
    return server().streamable_http_app(event_store=Events(), retry_interval=RETRY_MS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve the conformance server on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--modern-only", action="store_true")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    serving = ModernOnly(app()) if options.modern_only else app()
    # h11 strips the white space around header values (RFC 9110, 5.5); httptools leaves it at the end.
    uvicorn.run(serving, host="127.0.0.1", port=options.port, http="h11", log_level="error")


if __name__ == "__main__":
    main()
