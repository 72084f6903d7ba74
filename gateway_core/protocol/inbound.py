"""Reading what a client posted: which era it speaks, what it wants, and whether headers and body agree. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway_core import json_text
from gateway_core.errors import BadRequest
from gateway_core.headers import Headers
from gateway_core.protocol import header_values
from gateway_core.protocol.versions import (
    BATCH_VERSION,
    CAPABILITY_BY,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_VERSION,
    METHOD_NOT_FOUND,
    MODERN_VERSIONS,
    NAMED_BY,
    REQUESTS,
    UNSUPPORTED_VERSION,
    Era,
    era_of,
)

MAX_BATCH: Final = 20
"""Calls in one 2025-03-26 batch. Each is a request of its own to the upstream."""
MAX_ID: Final = 128
"""Characters of a request id; it is repeated in every answer, record and error."""
PARAM_PREFIX: Final = "mcp-param-"
ROUTING_HEADERS: Final = ("mcp-protocol-version", "mcp-method", "mcp-name")


class Call(NamedTuple):
    """One JSON-RPC message of a client, read and checked."""

    era: Era
    version: str | None
    """As the client named it; None when a legacy client named none."""
    kind: Literal["request", "notification", "response"]
    id: str | int | None
    method: str
    """Empty for a response."""
    capability: str | None
    """Tool or prompt name, or resource URI, where the method has one."""
    message: Mapping[str, Any]
    wire: bytes
    """The message written anew: what goes upstream is what was judged."""
    client: tuple[str, str]
    """Name and version as the client calls itself; empty where this message does not say."""
    routing: tuple[tuple[str, str], ...] = ()
    """Headers that the upstream's revision wants beside the body, made from the body."""


def read_calls(body: bytes, headers: Headers) -> Call | list[Call]:
    """The call of one POST, or the calls of a batch (2025-03-26 alone).

    Raises:
        BadRequest: It cannot be read, or headers and body disagree; carries the JSON-RPC code of the client's era.
    """
    for name in ROUTING_HEADERS:
        if name in headers.repeated:
            raise _mismatch(f"the {name} header appears more than once")
    version = headers.get("mcp-protocol-version")
    message = json_text.parse(body)
    if isinstance(message, list):
        return _read_batch(message, version)
    if era_of(version) == "modern":
        return _read_modern(message, version or "", headers)
    return _read_legacy(message, version)


def _read_batch(messages: list[Any], version: str | None) -> list[Call]:
    if version not in (None, BATCH_VERSION):
        raise _invalid(f"Batches exist in {BATCH_VERSION} alone; send each message as its own POST.")
    if not 0 < len(messages) <= MAX_BATCH:
        raise _invalid(f"A batch holds 1 to {MAX_BATCH} messages, not {len(messages)}.")
    calls = [_read_legacy(message, version) for message in messages]
    if any(call.method == "initialize" for call in calls):
        raise _invalid("initialize cannot be part of a batch.")
    return calls


def _read_legacy(message: Any, version: str | None) -> Call:
    kind, call_id = _envelope(message, responses=True)
    params = message.get("params", {})
    if META_VERSION in _meta(params):
        what = "is missing" if version is None else "does not say what the body says"
        raise _mismatch(f"the mcp-protocol-version header {what}", call_id)
    method = message.get("method", "")
    if kind == "request" and method not in REQUESTS["legacy"]:
        raise _no_method(method, call_id, http_status=200)
    info = params.get("clientInfo") if method == "initialize" else None
    return Call("legacy", version, kind, call_id, method, _capability(method, params), message,
                json_text.write(message), _client(info))  # fmt: skip


def _read_modern(message: Any, version: str, headers: Headers) -> Call:
    kind, call_id = _envelope(message, responses=False)
    params, method = message.get("params", {}), message["method"]
    if kind == "notification":
        if version not in MODERN_VERSIONS:
            raise _unsupported(version, call_id)
        return Call("modern", version, kind, None, method, None, message, json_text.write(message), ("", ""))
    meta = _meta(params)
    missing = [key for key in (META_VERSION, META_CLIENT_CAPABILITIES) if key not in meta]
    if missing:
        raise BadRequest(f"params._meta lacks {' and '.join(missing)}, which every request carries.",
                         code=INVALID_PARAMS, reason="missing_meta").of(call_id)  # fmt: skip
    _agree(headers, "mcp-protocol-version", meta[META_VERSION], call_id)
    _agree(headers, "mcp-method", method, call_id)
    name = params.get(NAMED_BY[method]) if method in NAMED_BY else None
    if name is not None:
        _agree(headers, "mcp-name", name, call_id)
    if version not in MODERN_VERSIONS:
        raise _unsupported(version, call_id)
    if method not in REQUESTS["modern"]:
        raise _no_method(method, call_id, http_status=404)
    return Call("modern", version, kind, call_id, method, _capability(method, params), message,
                json_text.write(message), _client(meta.get(META_CLIENT_INFO)),
                _routing(method, name, headers, call_id))  # fmt: skip


def _envelope(message: Any, *, responses: bool) -> tuple[Literal["request", "notification", "response"], Any]:
    """Kind and id of a JSON-RPC message (MCP 2025-11-25 and 2026-07-28 basic, Messages)."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _invalid('The body must be one JSON-RPC message: an object with "jsonrpc": "2.0".')
    call_id = message.get("id")
    if "id" in message and not _usable_id(call_id):
        raise _invalid(f"An id is a whole number or up to {MAX_ID} characters of text.")
    if "method" not in message:
        if not responses or "id" not in message or ("result" in message) == ("error" in message):
            raise _invalid("The body must be a request or a notification.", call_id)
        return "response", call_id
    method = message["method"]
    if not isinstance(method, str) or not 0 < len(method) <= 128 or not method.isascii():
        raise _invalid("method must be 1 to 128 characters of ASCII text.", call_id)
    if not isinstance(message.get("params", {}), dict):
        raise BadRequest("params must be an object.", code=INVALID_PARAMS).of(call_id)
    return ("request" if "id" in message else "notification"), call_id


def _usable_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _meta(params: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _capability(method: str, params: Mapping[str, Any]) -> str | None:
    name = params.get(CAPABILITY_BY[method]) if method in CAPABILITY_BY else None
    return name if isinstance(name, str) else None


def _client(info: Any) -> tuple[str, str]:
    if not isinstance(info, dict):
        return ("", "")
    return (str(info.get("name", ""))[:64], str(info.get("version", ""))[:32])


def _agree(headers: Headers, name: str, wanted: Any, call_id: Any) -> None:
    value = headers.get(name)
    if value is None:
        raise _mismatch(f"the {name} header is missing", call_id)
    if name == "mcp-name":
        value = header_values.decode(value)
    if value != wanted:
        raise _mismatch(f"the {name} header does not say what the body says", call_id)


def _routing(method: str, name: Any, headers: Headers, call_id: Any) -> tuple[tuple[str, str], ...]:
    """Mcp-Method and Mcp-Name from the body; Mcp-Param-* as sent, since only the server knows the tool's schema
    (2026-07-28 streamable-http, Server Behavior for Custom Headers: an intermediary forwards them)."""
    routing = [("mcp-method", method)]
    if isinstance(name, str):
        routing.append(("mcp-name", header_values.encode(name)))
    for header, value in headers.values.items():
        if header.startswith(PARAM_PREFIX):
            if header in headers.repeated:
                raise _mismatch(f"the {header} header appears more than once", call_id)
            if not header_values.sendable(value) or not header_values.TOKEN.fullmatch(header):
                raise _mismatch(f"the {header} header holds characters that a header cannot carry", call_id)
            routing.append((header, value))
    return tuple(routing)


def _invalid(message: str, call_id: Any = None) -> BadRequest:
    return BadRequest(message, code=INVALID_REQUEST).of(call_id)


def _mismatch(what: str, call_id: Any = None) -> BadRequest:
    return BadRequest(f"Header mismatch: {what}.", code=HEADER_MISMATCH, reason="header_mismatch").of(call_id)


def _no_method(method: str, call_id: Any, *, http_status: int) -> BadRequest:
    problem = BadRequest(f"Method not found: {method}", code=METHOD_NOT_FOUND, reason="unknown_method")
    return problem.of(call_id, http_status=http_status)


def _unsupported(version: str, call_id: Any) -> BadRequest:
    data = {"supported": list(MODERN_VERSIONS), "requested": version}
    return BadRequest("Unsupported protocol version", code=UNSUPPORTED_VERSION, data=data,
                      reason="unsupported_version").of(call_id)  # fmt: skip
