"""From an upstream's finished HTTP answer to the reply that the client's own revision wants."""

from contextlib import suppress

from gateway_core.egress import Response
from gateway_core.errors import NotFound, UpstreamChangedEra, UpstreamError, UpstreamForgot, UpstreamGarbage
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Reply
from gateway_core.protocol.versions import HEADER_MISMATCH, METHOD_NOT_FOUND, MODERN_STATUS, UNSUPPORTED_VERSION
from gateway_core.proxy.place import Place
from gateway_core.registry.servers import Server
from gateway_core.upstream.answers import MODERN_ERRORS, Message, error_code, is_tool_error, read_message, refused
from gateway_core.upstream.reading import is_stream, read_answer, read_whole
from gateway_core.upstream.spoken import doubt, pinned


def note(message: Message, place: Place) -> None:
    """Record how the upstream answered."""
    if message.kind == "error":
        place.record.fail("error", f"code_{error_code(message)}")
    elif is_tool_error(message):
        place.record.fail("tool_error", "tool_error")


async def whole_answer(call: Call, response: Response, place: Place) -> Message:
    """The one answer to a request, in whichever form it comes; whatever precedes it is passed over.

    Raises:
        UpstreamError: There is none, or no usable one (see `finished_message`).
    """
    if response.status == 200 and is_stream(response):
        return await read_answer(response, call, place.server.name)
    return finished_message(call, response, await read_whole(response), place)


def finished_reply(call: Call, response: Response, body: bytes, place: Place) -> Reply:
    """The reply to a request whose answer came in one piece.

    Raises:
        UpstreamError: There is no usable answer (see `finished_message`).
    """
    message = finished_message(call, response, body, place)
    return Reply(status_of(call, response.status, message), message.body)


def finished_message(call: Call, response: Response, body: bytes, place: Place) -> Message:
    """The answer to a request that came in one piece.

    Raises:
        UpstreamChangedEra: The server was spoken to in the wrong era, and did not carry it out.
        UpstreamForgot: It does not know the session, and did not carry it out.
        NotFound: The client named a session that is none of its own.
        UpstreamError: There is no usable answer.
    """
    message = _message(call, response, body, place)
    name = place.server.name
    if _other_era(call, response.status, message):
        raise _seems_changed(place.server, call, response.status, message)
    if place.session_lost and response.status in (400, 404):
        raise session_gone()
    if _session_is_gone(call, response, message, place):
        upstream_id = None if place.session is None else place.session.upstream_id
        raise UpstreamForgot(f"{name} no longer knows this session.", session_id=upstream_id)
    if message is None:
        raise refused(response.status, response.headers, place.server)
    if message.kind not in ("answer", "error"):
        raise UpstreamGarbage(f"{name} answered another request than the one it was sent.")
    note(message, place)
    return message


def _message(call: Call, response: Response, body: bytes, place: Place) -> Message | None:
    """The JSON-RPC message in an answer; None where an HTTP error carries none, or one that is not for the client."""
    if response.status != 200:
        return refusal_in(call, response, body)
    if not response.headers.get("content-type", "").lower().startswith("application/json"):
        raise UpstreamGarbage(
            f"{place.server.name} answered with {_told_type(response)} instead of JSON."
            f"{doubt(place.server, besides='its URL')}"
        )
    return read_message(body, call, place.server.name)


def refusal_in(call: Call, response: Response, body: bytes) -> Message | None:
    """The JSON-RPC error that came with an HTTP error, where there is one and it is for the client."""
    if not 400 <= response.status < 500 or response.status in (401, 403, 429):
        return None
    with suppress(UpstreamError):
        message = read_message(body, call, "")
        # Whatever else comes with an HTTP error is no answer to this call.
        return message if message.kind == "error" else None
    return None


def status_of(call: Call, status: int, message: Message) -> int:
    """The status of an answer: an error's is set by the client's own revision."""
    if message.kind == "answer":
        return 200
    if call.era == "modern":
        return MODERN_STATUS.get(error_code(message), 200)
    # A legacy client that gets 404 for a session must initialize again, so no other error may be a 404.
    return 200 if status == 404 else status


def _other_era(call: Call, status: int, message: Message | None) -> bool:
    """True when the server refused a call because of its era (2026-07-28 streamable-http, Backward Compatibility)."""
    code = 0 if message is None else error_code(message)
    if call.era == "legacy":
        return (status, code) in ((400, HEADER_MISMATCH), (400, UNSUPPORTED_VERSION), (404, METHOD_NOT_FOUND))
    if status in (400, 404, 405, 406):
        return (status, code) not in MODERN_ERRORS
    return call.method == "server/discover" and message is not None and message.kind == "error"


def _seems_changed(server: Server, call: Call, status: int, message: Message | None) -> UpstreamChangedEra:
    if message is None:
        told = f"{server.name} does not take requests of MCP {call.version or 'before 2026-07-28'}."
        return UpstreamChangedEra(told)
    error = message.value.get("error")
    said = str(error.get("message", ""))[:200] if isinstance(error, dict) else ""
    # Where nothing is found out again, a refusal that names no call is no answer to this one: the pin is to be told of.
    refusal = None if message.unread and pinned(server) is not None else (status, message.body)
    return UpstreamChangedEra(f"{server.name} refused the request: {said}", refusal=refusal)


def _session_is_gone(call: Call, response: Response, message: Message | None, place: Place) -> bool:
    """404 says so (2025-11-25 transports, Session Management, item 3). Many servers say 400 instead, in words, before
    they have read what is asked; a 400 that answers the call itself has nothing to do with its session."""
    if place.session is None or call.era == "modern":
        return False
    if response.status == 404:
        return place.session.upstream_id is not None
    said = "" if message is None or not message.unread else str(message.value["error"])
    return response.status == 400 and "session" in said.lower()


def check_alive(place: Place) -> None:
    """Raise NotFound for a session that its client has ended (2025-11-25 transports, Session Management, item 3)."""
    if place.session is not None and place.session.ended:
        raise session_gone()


def session_gone() -> NotFound:
    """404 is how a legacy client learns to initialize again (2025-11-25 transports, Session Management, item 4)."""
    return NotFound("This session has ended. Connect again: initialize opens a new one.", reason="session_gone")


def _told_type(response: Response) -> str:
    told = response.headers.get("content-type", "").partition(";")[0].strip()
    return told[:60] if told.isascii() and told.isprintable() and told else "no content type"
