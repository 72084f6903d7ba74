"""Messages that the gateway itself makes for a server, or has translated for it, as calls of the server's era. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from gateway_core import json_text
from gateway_core.protocol import header_values
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import (
    LEGACY_VERSIONS,
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_VERSION,
    MODERN_VERSIONS,
    NAMED_BY,
)

GATEWAY: Final = {"name": "gatehouse", "version": "0.1"}
"""How the gateway introduces itself where it asks on nobody's behalf."""


def legacy_call(message: Mapping[str, Any]) -> Call:
    """A message of ours, or one that has crossed, as a call in the legacy era."""
    kind: Literal["request", "notification", "response"] = "request" if "id" in message else "notification"
    if "method" not in message:
        kind = "response"
    return Call("legacy", None, kind, message.get("id"), message.get("method", ""), None, message,
                json_text.write(message), ("", ""))  # fmt: skip


def modern_call(message: Mapping[str, Any], fields: Sequence[tuple[str, str]] = ()) -> Call:
    """The same in the modern era; `fields` are its `Mcp-Param-…` headers."""
    method = message["method"]
    name = message["params"].get(NAMED_BY[method]) if method in NAMED_BY else None
    routing = [("mcp-method", method), *fields]
    if isinstance(name, str):
        routing.append(("mcp-name", header_values.encode(name)))
    return Call("modern", MODERN_VERSIONS[-1], "request", message["id"], method, None, message,
                json_text.write(message), ("", ""), tuple(routing))  # fmt: skip


def initialize(call_id: str, *, version: str, capabilities: Mapping[str, Any], client: Mapping[str, Any]) -> Call:
    """The request that opens a legacy session (2025-11-25 lifecycle, Initialization)."""
    params = {"protocolVersion": version, "capabilities": dict(capabilities), "clientInfo": dict(client)}
    return legacy_call({"jsonrpc": "2.0", "id": call_id, "method": "initialize", "params": params})


INITIALIZED: Final = legacy_call({"jsonrpc": "2.0", "method": "notifications/initialized"})
"""What follows it."""

LATEST_LEGACY: Final = LEGACY_VERSIONS[-1]


def cancelled(call_id: str | int) -> Call:
    """A legacy client's word that it no longer wants an answer (2025-11-25 cancellation)."""
    params = {"requestId": call_id, "reason": "The client no longer waits for it."}
    return legacy_call({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def discover(call_id: str) -> Call:
    """The request that shows whether a server is modern (2026-07-28 discover)."""
    return own_call("server/discover", {}, call_id=call_id)


def own_call(method: str, params: Mapping[str, Any], *, call_id: str) -> Call:
    """A request to a modern server on nobody's behalf, of a client that can be asked nothing."""
    meta = {META_VERSION: MODERN_VERSIONS[-1], META_CLIENT_INFO: GATEWAY, META_CLIENT_CAPABILITIES: {}}
    return modern_call({"jsonrpc": "2.0", "id": call_id, "method": method, "params": {**params, "_meta": meta}})
