"""Revisions, methods and error codes of MCP as plain constants. A test holds them equal to the official SDK's."""

from typing import Final, Literal

from gateway_core.json_text import PARSE_ERROR

Era = Literal["legacy", "modern"]

LEGACY_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions that open with `initialize`, oldest first."""
MODERN_VERSIONS: Final = ("2026-07-28",)
"""Revisions that carry version and capabilities in every request, oldest first."""
BATCH_VERSION: Final = "2025-03-26"
"""The one revision with JSON-RPC batches, and the one to assume when a client names none
(2025-11-25 transports, Protocol Version Header)."""

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
MISSING_CLIENT_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
RESOURCE_NOT_FOUND: Final = -32002
URL_ELICITATION_REQUIRED: Final = -32042
"""Legacy, both: 2026-07-28 forbids to emit them (basic, Error Codes)."""
UNAUTHENTICATED: Final = -31001
REFUSED_BY_POLICY: Final = -31003
"""Ours, both. Outside -32768…-32000, which JSON-RPC and MCP keep for themselves."""

MODERN_STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""HTTP status that 2026-07-28 gives an error code; every other code travels in a 200."""

NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Which parameter the Mcp-Name header repeats (2026-07-28 streamable-http, Standard Request Headers)."""
CAPABILITY_BY: Final = NAMED_BY | {"resources/subscribe": "uri", "resources/unsubscribe": "uri"}
"""Which parameter names the capability that a call is about."""

_BOTH: Final = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/call",
        "tools/list",
    }
)
_TASKS: Final = frozenset({"tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update"})
"""Long-running calls: experimental in 2025-11-25, an extension from 2026-07-28 on."""
REQUESTS: Final[dict[Era, frozenset[str]]] = {
    "legacy": _BOTH
    | _TASKS
    | {"initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"},
    "modern": _BOTH | _TASKS | {"server/discover", "subscriptions/listen"},
}
"""Requests that a client may make. What is not here is not forwarded: policy could not judge it."""


def era_of(version: str | None) -> Era:
    """The era that an MCP-Protocol-Version header selects. Unknown versions are modern: they are told which exist."""
    return "legacy" if version is None or version in LEGACY_VERSIONS else "modern"
