"""An MCP server with everything that the official conformance suite asks a server for, both eras on one URL.

Run as a program: `python -m tests.conformance.server --port N` serves `http://127.0.0.1:N/mcp`. Keeps nothing on disk.
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
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning
from starlette.applications import Starlette

from tests.conformance import reading, tools_asking, tools_plain

NAME = "gatehouse-conformance"

RETRY_MS = 100
"""How soon a client whose stream was closed shall come back."""


class Events(EventStore):
    """Everything sent on any stream, so that a client can come back for what it missed.

    Streams go by request id alone: two clients that resume the same id at once would see each other's events.
    """

    def __init__(self) -> None:
        self._sent: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        """Keep `message`; its place in the list is its id."""
        self._sent.append((stream_id, message))
        return str(len(self._sent) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what followed on the same stream; None when the id was never given out."""
        if not last_event_id.isdecimal() or int(last_event_id) >= len(self._sent):
            return None
        seen = int(last_event_id)
        stream_id, _ = self._sent[seen]
        for place in range(seen + 1, len(self._sent)):
            stream, message = self._sent[place]
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(place)))
        return stream_id


def server() -> Server:
    """The whole server, without a transport."""
    bus = InMemorySubscriptionBus()
    # The first tool of the list takes no arguments: the suite's header scenarios call it with none.
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


def app() -> Starlette:
    """The server under `/mcp`, refusing foreign Host and Origin headers."""
    return server().streamable_http_app(event_store=Events(), retry_interval=RETRY_MS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve the conformance server on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args(arguments).port
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    # h11 strips the white space around header values (RFC 9110, 5.5); httptools leaves it at the end.
    uvicorn.run(app(), host="127.0.0.1", port=port, http="h11", log_level="error")


if __name__ == "__main__":
    main()
