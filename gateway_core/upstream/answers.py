"""Judging what an upstream answered: is it MCP, does it belong to the call, is it the answer. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway_core.errors import UpstreamError, UpstreamGarbage, UpstreamRefused
from gateway_core.protocol import reply
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_CLIENT_CAPABILITY,
    UNSUPPORTED_VERSION,
)
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.upstream.spoken import doubt

MODERN_ERRORS: Final = frozenset(
    {
        (400, HEADER_MISMATCH), (400, MISSING_CLIENT_CAPABILITY), (400, UNSUPPORTED_VERSION), (400, INVALID_PARAMS),
        (404, METHOD_NOT_FOUND),
    }
)  # fmt: skip
"""Status and code of errors that only a modern server gives (2026-07-28 streamable-http, Backward Compatibility)."""


class Message(NamedTuple):
    """One JSON-RPC message of an upstream."""

    kind: Literal["answer", "error", "request", "notification", "foreign"]
    """`foreign`: an answer to something that was not asked in this exchange."""
    body: bytes
    value: Mapping[str, Any]
    unread: bool = False
    """True for an error without the id of the call: the server refused before it had read the body."""


def read_message(body: bytes, call: Call | None, server_name: str) -> Message:
    """Read one message that came as, or within, the answer to `call` (None on a stream of its own).

    Raises:
        UpstreamGarbage: It is no JSON-RPC message.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise UpstreamGarbage(f"{server_name} answered with something that is not JSON.") from None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise UpstreamGarbage(f"{server_name} answered with JSON that is no MCP message.")
    if "method" in value:
        if not isinstance(value["method"], str) or not isinstance(value.get("id", 0), str | int | float):
            raise UpstreamGarbage(f"{server_name} answered with JSON that is no MCP message.")
        return Message("request" if "id" in value else "notification", body, value)
    if "result" not in value and "error" not in value:
        raise UpstreamGarbage(f"{server_name} answered with JSON that is no MCP message.")
    # In Python 1 == True == 1.0; in JSON they are three.
    if call is not None and (value.get("id") != call.id or type(value.get("id")) is not type(call.id)):
        # An error may lack the id: the upstream refused before it had read it.
        if "result" in value or value.get("id") not in (None, "server-error", ""):
            return Message("foreign", body, value)
        value = {**value, "id": call.id}
        return Message("error", reply.dump(value), value, unread=True)
    return Message("answer" if "result" in value else "error", body, value)


def error_code(message: Message) -> int:
    """The code of an error message, 0 where there is none."""
    error = message.value.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 0


def is_tool_error(message: Message) -> bool:
    """True for a tool result that says the tool failed."""
    result = message.value.get("result")
    return isinstance(result, dict) and result.get("isError") is True


def refused(status: int, headers: Mapping[str, str], server: Server) -> UpstreamError:
    """What an HTTP status without a usable body means for the person who called."""
    name = server.name
    if status in (401, 403):
        return _unwelcome(status, server)
    if status == 429:
        wait = headers.get("retry-after", "")
        when = f" It says: retry after {wait} s." if wait.isdigit() else ""
        return UpstreamRefused(f"{name} is limiting requests (HTTP 429).{when}", reason="upstream_429")
    if 300 <= status < 400:
        return UpstreamGarbage(
            f"{name} redirects to another address (HTTP {status}), which the gateway does not follow. "
            "An administrator should register the final URL.",
            reason="upstream_redirects",
        )
    if status >= 500:
        return UpstreamRefused(f"{name} failed (HTTP {status}). Try again later.", reason="upstream_5xx")
    return UpstreamGarbage(
        f"{name} gave an answer that is no MCP (HTTP {status}).{doubt(server, besides='its URL')}",
        reason="upstream_not_mcp",
    )


def _unwelcome(status: int, server: Server) -> UpstreamRefused:
    """Whose credential it was that a server did not take, and who can do something about it."""
    reason, identity = f"upstream_{status}", server.identity
    if identity is not None and identity.method == "bearer":
        told = (
            f"{server.name} refused the token that you came with (HTTP {status}), which the gateway passes on to it. "
        )
        return UpstreamRefused(f"{told}Whoever gave you the token knows what it opens.", reason=reason)
    if isinstance(server.auth, NoAuth) and identity is None:
        does = "demands a log-in" if status == 401 else "refused the call"
        told = (
            f"{server.name} {does} (HTTP {status}), and its auth here is `none`: the gateway has no credential for it. "
        )
        return UpstreamRefused(f"{told}Whoever administers this server here should set its `auth`.", reason=reason)
    told = f"{server.name} refused the gateway's own credential (HTTP {status}). "
    return UpstreamRefused(
        f"{told}Whoever administers this server here should check its authentication settings.", reason=reason
    )
