"""From an upstream's finished HTTP answer to the reply that the client's own revision wants."""

from gateway_core.egress import Response
from gateway_core.errors import NotFound, UpstreamError, UpstreamGarbage, UpstreamRefused, UpstreamTooLarge
from gateway_core.protocol import reply
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Reply
from gateway_core.protocol.sse import MAX_EVENT_BYTES
from gateway_core.protocol.versions import LEGACY_VERSIONS, MODERN_STATUS, UNSUPPORTED_VERSION
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import MODERN_ERRORS, Message, error_code, is_tool_error, read_message, refused


def note(message: Message, place: Place) -> None:
    """Record how the upstream answered."""
    if message.kind == "error":
        place.record.fail("error", f"code_{error_code(message)}")
    elif is_tool_error(message):
        place.record.fail("tool_error", "tool_error")


def finished_reply(call: Call, response: Response, body: bytes, place: Place) -> Reply:
    """The reply to a request whose answer came in one piece.

    Raises:
        NotFound: The session is gone.
        UpstreamError: There is no usable answer.
    """
    if _session_is_gone(response, place):
        raise session_gone()
    message = _message(call, response, body, place)
    if call.era == "modern" and _speaks_legacy(call, response.status, message):
        return _era_mismatch(call, place)
    if message is None:
        raise refused(response.status, response.headers, place.server.name)
    if message.kind not in ("answer", "error"):
        raise UpstreamGarbage(f"{place.server.name} answered another request than the one it was sent.")
    note(message, place)
    return Reply(_status(call, response.status, message), message.body)


def _message(call: Call, response: Response, body: bytes, place: Place) -> Message | None:
    """The JSON-RPC message in an answer; None where an HTTP error carries none, or one that is not for the client."""
    if response.status != 200:
        return refusal_in(call, response, body)
    if not response.headers.get("content-type", "").lower().startswith("application/json"):
        raise UpstreamGarbage(
            f"{place.server.name} answered with {_told_type(response)} instead of JSON. "
            "An administrator should check its URL."
        )
    return read_message(body, call, place.server.name)


def refusal_in(call: Call, response: Response, body: bytes) -> Message | None:
    """The JSON-RPC error that came with an HTTP error, where there is one and it is for the client."""
    if not 400 <= response.status < 500 or response.status in (401, 403, 429):
        return None
    try:
        return read_message(body, call, "")
    except UpstreamError:
        return None


async def read_whole(response: Response) -> bytes:
    """The body of an answer in one piece.

    Raises:
        UpstreamTooLarge: It is larger than any one message may be; parsing it could take all the memory there is.
    """
    pieces, size = [], 0
    async for chunk in response.chunks():
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_EVENT_BYTES:
            await response.close()
            raise UpstreamTooLarge(f"One message of the answer is larger than {MAX_EVENT_BYTES >> 20} MiB.")
    return b"".join(pieces)


def _status(call: Call, status: int, message: Message) -> int:
    """The status of an answer: an error's is set by the client's own revision."""
    if message.kind == "answer":
        return 200
    if call.era == "modern":
        return MODERN_STATUS.get(error_code(message), 200)
    # A legacy client that gets 404 for a session must initialize again, so no other error may be a 404.
    return 200 if status == 404 else status


def _speaks_legacy(call: Call, status: int, message: Message | None) -> bool:
    """True when a modern request met a legacy server (2026-07-28 streamable-http, Backward Compatibility)."""
    code = 0 if message is None else error_code(message)
    if status in (400, 404, 405, 406):
        return (status, code) not in MODERN_ERRORS
    return call.method == "server/discover" and message is not None and message.kind == "error"


def _era_mismatch(call: Call, place: Place) -> Reply:
    """Dual-era clients take this as the sign to open with `initialize`."""
    place.record.fail("refused", "era_mismatch")
    text = (
        f"{place.server.name} does not speak MCP {call.version}; it speaks an earlier revision. "
        "Connect with a client that can open with initialize."
    )
    data = {"supported": list(LEGACY_VERSIONS), "requested": call.version}
    return Reply(400, reply.error(call.id, UNSUPPORTED_VERSION, text, data))


def _session_is_gone(response: Response, place: Place) -> bool:
    if place.session is not None:
        return response.status == 404
    return place.session_lost and response.status in (400, 404)


def session_gone() -> NotFound:
    """404 is how a legacy client learns to initialize again (2025-11-25 transports, Session Management, item 4)."""
    return NotFound("This session has ended. Connect again: initialize opens a new one.", reason="session_gone")


def is_stream(response: Response) -> bool:
    """True when the answer comes as server-sent events."""
    return response.headers.get("content-type", "").lower().startswith("text/event-stream")


def _told_type(response: Response) -> str:
    told = response.headers.get("content-type", "").partition(";")[0].strip()
    return told[:60] if told.isascii() and told.isprintable() and told else "no content type"


def modern_only(place: Place) -> UpstreamRefused:
    """What a legacy client hears when the server left its era behind."""
    return UpstreamRefused(
        f"{place.server.name} speaks only revisions of MCP from 2026-07-28 on, and this client opened with an older "
        "one. Update the client.",
        reason="era_mismatch",
    )
