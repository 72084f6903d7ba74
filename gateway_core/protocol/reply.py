"""What goes back to the client: finished answers, and how each refusal looks in the client's own revision. Pure.

401 is for "who are you" alone. The protocol's own errors keep the status of the client's revision. Everything that
is policy, and every fault of the upstream, is HTTP 200: clients drop the whole server over any other status.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, NamedTuple

from gateway_core.errors import (
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    Refused,
    Unauthenticated,
    UpstreamClosed,
    UpstreamError,
    UpstreamTimedOut,
)
from gateway_core.protocol.header_values import quotable
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    META_SUBSCRIPTION_ID,
    REFUSED_BY_POLICY,
    UNAUTHENTICATED,
)

RawHeaders = tuple[tuple[bytes, bytes], ...]

JSON_HEADERS: Final[RawHeaders] = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
STREAM_HEADERS: Final[RawHeaders] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class Reply(NamedTuple):
    """A finished answer."""

    status: int
    body: bytes = b""
    headers: RawHeaders = JSON_HEADERS


async def _nothing() -> None:
    pass


class Stream(NamedTuple):
    """An answer that arrives event by event, each a whole SSE block."""

    events: AsyncGenerator[bytes]
    headers: RawHeaders = STREAM_HEADERS
    release: Callable[[], Awaitable[None]] = _nothing
    """Ends what stands behind `events`, for whoever cannot begin to read them: a generator that has not begun clears
    nothing away when it is closed."""


ACCEPTED: Final = Reply(202, b"", ())
"""To a notification or a response (2025-11-25 transports, Sending Messages, item 4)."""


def result(call: Call, value: dict[str, Any]) -> bytes:
    """A JSON-RPC result."""
    return dump({"jsonrpc": "2.0", "id": call.id, "result": value})


def error(call_id: str | int | None, code: int, message: str, data: Any = None) -> bytes:
    """A JSON-RPC error."""
    detail: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        detail["data"] = data
    return dump({"jsonrpc": "2.0", "id": call_id, "error": detail})


def subscription_ended(call: Call) -> bytes:
    """The result that ends a subscription in good order (2026-07-28 subscriptions, Graceful Closure)."""
    return result(call, {"resultType": "complete", "_meta": {META_SUBSCRIPTION_ID: call.id}})


def dump(value: Any) -> bytes:
    """JSON for the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def failure(call: Call, problem: GatewayError, request_id: str) -> bytes:
    """The JSON-RPC message that tells a request it was refused or went wrong behind us.

    Inside a tool call that is a result with `isError`, which every client shows to the model; elsewhere an error.
    """
    if call.method == "tools/call" and isinstance(problem, Refused | UpstreamError):
        text = problem.message
        if isinstance(problem, UpstreamTimedOut | UpstreamClosed):
            text += " What it did with the call is unknown: check before you repeat it."
        told: dict[str, Any] = {
            "content": [{"type": "text", "text": text}],
            "isError": True,
            "_meta": {"gatehouse/requestId": request_id, "gatehouse/reason": problem.reason},
        }
        if call.era == "modern":
            told["resultType"] = "complete"
        return result(call, told)
    if isinstance(problem, BadRequest):
        return error(call.id, problem.code, problem.message, problem.data)
    code = REFUSED_BY_POLICY if isinstance(problem, Refused) else INTERNAL_ERROR
    return error(call.id, code, problem.message, {"reason": problem.reason, "requestId": request_id})


def refusal(problem: GatewayError, call: Call | None, request_id: str, *, metadata: str | None = None) -> Reply:
    """The whole answer to a request that ends with `problem`. `metadata` is the URL at which clients learn how to sign
    in; without one they are not told that they can."""
    if isinstance(problem, Unauthenticated):
        return _challenge(problem, metadata)
    if isinstance(problem, BadRequest):
        call_id = problem.call_id if call is None else call.id
        return Reply(problem.http_status, error(call_id, problem.code, problem.message, problem.data))
    if isinstance(problem, Refused | UpstreamError):
        if call is not None and call.kind == "request":
            return Reply(200, failure(call, problem, request_id))
        # Nobody waits for a JSON-RPC answer: a notification that is not accepted is an HTTP error
        # (2025-11-25 transports, Sending Messages, item 4), and so is a stream that is not opened.
        status, code = (400, REFUSED_BY_POLICY) if isinstance(problem, Refused) else (502, INTERNAL_ERROR)
        return Reply(status, error(None, code, problem.message, {"reason": problem.reason}))
    headers: RawHeaders = JSON_HEADERS
    if isinstance(problem, MethodNotAllowed):
        headers = (*headers, (b"allow", f"{problem.allow}, OPTIONS".removeprefix(", ").encode()))
    code = INVALID_REQUEST if problem.status < 500 else INTERNAL_ERROR
    return Reply(
        problem.status,
        error(None if call is None else call.id, code, problem.message, {"reason": problem.reason}),
        headers,
    )


def broken(request_id: str, call_id: str | int | None = None) -> Reply:
    """500: a fault of the gateway itself."""
    told = f"The gateway failed on this request. Its operator finds the reason in the log under {request_id}."
    return Reply(500, error(call_id, INTERNAL_ERROR, told, {"reason": "internal_error", "requestId": request_id}))


def _challenge(problem: Unauthenticated, metadata: str | None) -> Reply:
    """401 (RFC 6750 section 3; RFC 9728 section 5.1). Clients print its body, the JSON-RPC error in there, or the
    challenge: all say what to do."""
    challenge = 'Bearer realm="gatehouse"'
    if metadata is not None:
        challenge += f', resource_metadata="{metadata}", scope="mcp"'
    if problem.reason != "no_credential":
        challenge += f', error="invalid_token", error_description="{quotable(problem.message)}"'
    body = error(None, UNAUTHENTICATED, problem.message, {"reason": problem.reason})
    return Reply(401, body, (*JSON_HEADERS, (b"www-authenticate", challenge.encode())))
