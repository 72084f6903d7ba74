"""The first request to a server, without credentials: does it demand a log-in, and where does it send us.

Nothing is called: what is asked has no effect at the server, and a session that it opens is ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from gateway_core.connect.asking import Answer, Fields, read_object
from gateway_core.connect.locations import refusal_of
from gateway_core.connect.quoting import quoted
from gateway_core.connect.steps import Heard, Trail
from gateway_core.protocol import outbound
from gateway_core.protocol.challenges import Challenge, bearer
from gateway_core.protocol.inbound import Call
from gateway_core.registry.servers import Server
from gateway_core.upstream.spoken import Spoken

ID: Final = "gatehouse-knock"
DISCOVER: Final = outbound.discover(ID)
INITIALIZE: Final = outbound.initialize(
    ID, version=outbound.LATEST_LEGACY, capabilities={}, client=outbound.GATEWAY
)  # fmt: skip
LIST_MODERN: Final = outbound.own_call("tools/list", {}, call_id=ID)
LIST_LEGACY: Final = outbound.legacy_call({"jsonrpc": "2.0", "id": ID, "method": "tools/list", "params": {}})
"""Some servers let everybody open a session, or see what they are, and only then ask who it is."""
NOT_THERE: Final = frozenset({404, 405, 410})
"""What is said of a path at which there is nothing, or something that takes no POST: by a friendlier one, an MCP server
would have answered at least one of the questions."""
_STREAM: Final = ("accept", "text/event-stream")
_POST: Final = (("accept", "application/json, text/event-stream"), ("content-type", "application/json"))


@dataclass(frozen=True, slots=True)
class Knocked:
    """How the server answered."""

    demanded: bool
    """True where it wants a log-in."""
    challenge: Challenge | None = None
    """What its Bearer challenge says, where there is one."""


async def knock(server: Server, trail: Trail, spoken: Spoken | None) -> Knocked:
    """Ask `server` as whoever it does not know.

    Args:
        server: Its plain headers go along: some servers are told by them which of several they are.
        trail: Gets one step.
        spoken: What it speaks, where that is known.

    Raises:
        DiscoveryFailed: It cannot be reached at all, or there is no MCP server at its URL.
    """
    session: str | None = None
    heard: list[Heard] = []
    try:
        for method, headers, body in _questions(spoken):
            fields = [*_own_fields(server), *headers, *([("mcp-session-id", session)] if session else [])]
            one = await trail.send(method, server.url, fields, body)
            if one.unreachable and not heard:
                told = f"{server.name} {one.problem}. Check its URL in the configuration."
                raise trail.unreachable("challenge", told, one.exchange)
            heard.append(one)
            if one.answer is None:
                continue
            challenge = bearer(one.answer.headers.get("www-authenticate"))
            if one.answer.status == 401 or (one.answer.status == 403 and challenge is not None):
                return _demanded(server, trail, one, challenge)
            session = session or one.answer.headers.get("mcp-session-id")
    finally:
        if session:
            await trail.send("DELETE", server.url, [*_own_fields(server), ("mcp-session-id", session)])
    return _open(server, trail, heard)


def _demanded(server: Server, trail: Trail, heard: Heard, challenge: Challenge | None) -> Knocked:
    if challenge is not None and "resource_metadata" in challenge.parameters:
        trail.note("challenge", "ok", f"{server.name} demands a log-in, and says where to read on.", heard.exchange)
    else:
        told = f"{server.name} demands a log-in, without saying where to read on. The usual places are tried."
        trail.note("challenge", "warning", told, heard.exchange)
    return Knocked(True, challenge)


def _open(server: Server, trail: Trail, heard: list[Heard]) -> Knocked:
    # The friendliest answer tells most: the other questions are of eras that it may not speak.
    one = min(heard, key=lambda each: each.exchange.status or 1_000)
    if one.answer is None:
        told = f"{server.name} did not say whether it demands a log-in: it {one.problem}."
    elif 300 <= one.answer.status < 400:
        raise trail.failed("challenge", f"{server.name} {_elsewhere(server, one.answer)}", one.exchange)
    elif one.answer.status in NOT_THERE and not any(_speaks(each.answer) for each in heard):
        told = f"There is no MCP server at {quoted(server.url)} (HTTP {one.answer.status}): check the path in `url`."
        raise trail.failed("challenge", told, one.exchange)
    elif one.answer.status >= 500 or one.answer.status == 429:
        told = f"{server.name} did not say whether it demands a log-in (HTTP {one.answer.status})."
    else:
        told = f"{server.name} answers without a log-in (HTTP {one.answer.status})."
    trail.note("challenge", "warning", told, one.exchange)
    return Knocked(False)


def _elsewhere(server: Server, answer: Answer) -> str:
    """Where a redirect leads, as far as it may be shown, and what to do."""
    url = urljoin(server.url, answer.headers.get("location", ""))
    if url == server.url or refusal_of(url, plain_http=server.url.startswith("http://")):
        return f"redirects (HTTP {answer.status}), which is not followed: enter the URL of its MCP server as `url`."
    if "?" in url:
        # Most likely a page where people log in: no MCP server.
        return f"redirects to {quoted(url)}, which is not followed: enter the URL of its MCP server as `url`."
    return f"redirects to {quoted(url)}, which is not followed: enter {quoted(url)} as `url`."


def _speaks(answer: Answer | None) -> bool:
    """True for an error of MCP: a server may give one with a 404 (2026-07-28 streamable-http)."""
    found = "" if answer is None else read_object(answer.body)
    return not isinstance(found, str) and found.get("jsonrpc") == "2.0"


def _questions(spoken: Spoken | None) -> Iterator[tuple[str, Fields, bytes]]:
    """What to ask, one after the other, until a log-in is demanded."""
    if spoken is None or spoken.modern:
        yield _posted(DISCOVER)
    if spoken is None or spoken.legacy == "http":
        yield _posted(INITIALIZE)
        yield _posted(LIST_LEGACY)
    if spoken is not None and spoken.modern:
        yield _posted(LIST_MODERN)
    if spoken is None or spoken.legacy == "sse":
        yield "GET", [_STREAM], b""


def _posted(call: Call) -> tuple[str, Fields, bytes]:
    version = [] if call.version is None else [("mcp-protocol-version", call.version)]
    return "POST", [*_POST, *version, *call.routing], call.wire


def _own_fields(server: Server) -> list[tuple[str, str]]:
    return [(header.name, header.value) for header in server.headers if header.value is not None]
