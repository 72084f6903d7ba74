"""Requests of a client as the other era writes them: in `_meta` what a session remembers, and back. Pure."""

from typing import Any, Final

from gateway_core.protocol.bridge import Json, meta
from gateway_core.protocol.versions import (
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_VERSION,
    MODERN_VERSIONS,
    Era,
)

_OF_RETRIES: Final = ("inputResponses", "requestState")
"""What makes a request a retry (2026-07-28 mrtr). No legacy request is one, whatever stands in its params."""


def uncarried(message: Json, to: Era) -> str | None:
    """Why the request `message` cannot cross to era `to`, as a sentence for the client; None when it can."""
    method = str(message.get("method", ""))
    other = "2025-11-25 or older" if to == "legacy" else MODERN_VERSIONS[-1]
    if method.startswith("tasks/"):
        return f"{method} cannot be passed on: this server speaks MCP {other}, which has other tasks."
    # An experiment of 2025-11-25 (basic/utilities/tasks). Dropped in silence, the client would wait for a task.
    if "task" in _params(message) and method == "tools/call":
        return f"This tool cannot run as a task: the server speaks MCP {other}. Call it without params.task."
    return None


def to_modern(
    message: Json, *, call_id: str | int, client_info: Json | None, capabilities: Json, log_level: str | None
) -> dict[str, Any]:
    """A legacy request as a modern one. `_meta` of the client (progressToken, traceparent, …) stays.

    Args:
        message: A JSON-RPC request whose method both eras have.
        call_id: The id to send it under.
        client_info: Implementation of the client, None when it is unknown.
        capabilities: `clientCapabilities`, as made by `capabilities.client_to_modern`.
        log_level: What the client asked for with logging/setLevel; None for no log messages.
    """
    about: dict[str, Any] = {META_VERSION: MODERN_VERSIONS[-1], META_CLIENT_CAPABILITIES: dict(capabilities)}
    if client_info is not None:
        about[META_CLIENT_INFO] = dict(client_info)
    if log_level is not None:
        about[META_LOG_LEVEL] = log_level
    params = meta.lacking(_without(_params(message), *_OF_RETRIES), meta.OF_REQUESTS)
    return {**message, "id": call_id, "params": meta.having(params, about)}


def with_answers(modern_message: Json, *, call_id: str | int, responses: Json, state: str | None) -> dict[str, Any]:
    """The retry of a modern request (2026-07-28 mrtr, Client Requirements).

    Args:
        modern_message: The request that was answered with `input_required`.
        call_id: A new id: a retry is a request of its own.
        responses: `inputResponses`, by the keys of `inputRequests`.
        state: `requestState` exactly as received; None when there was none, and then none is sent.
    """
    params = _without(_params(modern_message), *_OF_RETRIES)
    if responses:
        params["inputResponses"] = dict(responses)
    if state is not None:
        params["requestState"] = state
    return {**modern_message, "id": call_id, "params": params}


def to_legacy(message: Json, *, call_id: str | int, progress_token: str | int | None) -> dict[str, Any]:
    """A modern request as a legacy one.

    Args:
        message: A JSON-RPC request whose method both eras have.
        call_id: The id to send it under.
        progress_token: Stands in for the client's own, where it sent one: calls of many clients share a session,
            in which tokens must be unique (2025-11-25 progress). None: no progress is asked for.
    """
    params = _without(_params(message), *_OF_RETRIES)
    asked = "progressToken" in meta.read(params)
    params = meta.lacking(params, meta.OF_REQUESTS | {"progressToken"})
    if asked and progress_token is not None:
        params = meta.having(params, {"progressToken": progress_token})
    sent = {**_without(message, "params"), "id": call_id}
    return {**sent, "params": params} if params else sent


def _params(message: Json) -> Json:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _without(holder: Json, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if key not in keys}
