"""The data plane's edge: bare ASGI, every route a client of MCP needs and no other."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.errors import GatewayError, Misdirected, NotFound, OriginRefused, TooLarge
from gateway_core.headers import Headers, read_headers
from gateway_core.ports import Records
from gateway_core.protocol import reply
from gateway_core.protocol.reply import RawHeaders, Reply, Stream
from gateway_core.proxy.exchange import Exchange
from gateway_core.proxy.place import Request
from gateway_core.registry.slugs import SLUG
from gateway_core.telemetry import CallRecord, trace_id_of
from gateway_core.web import pages
from gateway_core.web.outlet import Outlet, Receive, Scope, Send

logger = logging.getLogger(__name__)

LAMBDA: Final = "gatehouse.lambda"
"""ASGI extension in which the Lambda runtime says request id and deadline."""
_CORS: Final = (
    (b"access-control-allow-methods", b"POST, GET, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"7200"),
)
_EXPOSED: Final = (b"access-control-expose-headers", b"mcp-session-id, www-authenticate, x-request-id")


@dataclass(frozen=True, slots=True)
class Edge:
    """Who may come in by the door: decided before anything else is looked at."""

    public_url: str
    body_limit: int
    origins: frozenset[str]
    any_origin: bool
    hosts: frozenset[str] | None
    """Names (without port) that a request may be for; None where the platform has checked already."""

    def check(self, headers: Headers) -> None:
        """Refuse DNS rebinding and web pages of other origins (both revisions, transports, Security).

        Raises:
            Misdirected: The Host is not one of ours.
            OriginRefused: The Origin is not allowed.
        """
        host = headers.get("host") or ""
        if self.hosts is not None and _name_of(host) not in self.hosts:
            raise Misdirected("This request is for another host than this gateway. Use the URL it prints at start.")
        origin = headers.get("origin")
        if origin is not None and not self.allows(origin):
            raise OriginRefused(
                "Web pages of this origin may not call the gateway. An operator allows one with ALLOWED_ORIGINS."
            )

    def allows(self, origin: str) -> bool:
        """True for a web origin that may call."""
        return self.any_origin or origin.lower() in self.origins or (self.hosts is not None and _loopback(origin))


@dataclass(frozen=True, slots=True)
class McpApp:
    """ASGI. Anything it does not know is a plain 404."""

    exchange: Exchange
    edge: Edge
    records: Records
    close: Callable[[], Awaitable[None]]
    """Cuts every connection to upstreams. For programs that end in an orderly way; a Lambda does not."""
    now: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        platform: Mapping[str, Any] = scope.get("extensions", {}).get(LAMBDA, {})
        headers = read_headers(scope["headers"])
        record = CallRecord(platform.get("request_id") or secrets.token_hex(8), trace_id_of(headers.get("traceparent")))
        accepts = "text/event-stream" in (headers.get("accept") or "text/event-stream")
        outlet = Outlet(
            receive, send, may_stream=lambda: accepts and record.awaits_answer, extra=self._extra(headers, record)
        )
        try:
            await self._answer(scope, headers, record, outlet)
        except asyncio.CancelledError:
            if not outlet.client_left:
                raise
            record.fail("gone", "client_left")
        except OSError:
            record.fail("gone", "client_left")
        finally:
            await outlet.close()
            if record.method:
                record.http_status, record.bytes_out = outlet.status, outlet.bytes_out
                self.records.write(record.line(self.now()))

    async def _answer(self, scope: Scope, headers: Headers, record: CallRecord, outlet: Outlet) -> None:
        try:
            answer = await self._route(scope, headers, record, outlet.receive)
            if isinstance(answer, Stream):
                await _stream(answer, outlet)
                return
        except GatewayError as problem:
            record.fail("refused", problem.reason)
            answer = reply.refusal(problem, None, record.request_id)
        except OSError:
            raise
        except Exception:
            # The edge: a bug of ours ends as a refusal with words, or as a broken stream; never as a guess.
            logger.exception("request_failed", extra={"fields": {"request_id": record.request_id}})
            record.fail("failed", "internal_error")
            if outlet.streaming:
                raise
            answer = reply.broken(record.request_id)
        await outlet.reply(Reply(answer.status, b"", answer.headers) if scope["method"] == "HEAD" else answer)

    async def _route(self, scope: Scope, headers: Headers, record: CallRecord, receive: Receive) -> Reply | Stream:
        method = scope["method"]
        if scope["path"] == "/healthz":
            return Reply(200, b'{"status":"ok"}')
        workspace, server = _endpoint(scope)
        self.edge.check(headers)
        if method == "OPTIONS":
            return Reply(204, b"", _CORS)
        if method == "GET" and pages.wanted(headers):
            return pages.endpoint_page(self.edge.public_url, workspace, server)
        body = b""
        if method == "POST":
            body = await self._body(headers, receive)
        record.bytes_in = len(body)
        request = Request(method, workspace, server, headers, body, _ends_at(scope, self.now))
        return await self.exchange.handle(request, record)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        declared = headers.get("content-length") or "0"
        if declared.isdigit() and int(declared) > self.edge.body_limit:
            raise self._too_large()
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.edge.body_limit:
                raise self._too_large()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        if len(body) > self.edge.body_limit:
            raise self._too_large()
        return body

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The body is larger than {self.edge.body_limit:,} bytes, which is the most this gateway takes."
        )

    def _extra(self, headers: Headers, record: CallRecord) -> RawHeaders:
        extra: RawHeaders = ((b"x-request-id", record.request_id.encode()),)
        origin = headers.get("origin")
        if origin is not None and self.edge.allows(origin):
            extra += ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), _EXPOSED)
        return extra


async def _stream(answer: Stream, outlet: Outlet) -> None:
    await outlet.start_stream(answer.headers)
    async with aclosing(answer.events) as events:
        async for event in events:
            await outlet.event(event)
    await outlet.end()


def _endpoint(scope: Scope) -> tuple[str | None, str]:
    """Workspace and server of `/{workspace}/{server}/mcp` or `/{server}/mcp`.

    The path is taken as it was sent: nothing that two readers could decode differently gets past here.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    segments = raw.decode("latin-1").split("/")
    if segments[0] == "" and segments[-1] == "mcp" and len(segments) in (3, 4):
        names = segments[1:-1]
        if all(SLUG.fullmatch(name) for name in names):
            return (names[0] if len(names) == 2 else None), names[-1]
    raise NotFound("There is nothing at this URL. An MCP endpoint is /{workspace}/{server}/mcp.", reason="no_route")


def _ends_at(scope: Scope, now: Callable[[], float]) -> float:
    platform = scope.get("extensions", {}).get(LAMBDA)
    if platform is None or not platform.get("deadline_ms"):
        return float("inf")
    left_s: float = platform["deadline_ms"] / 1000 - now()
    return asyncio.get_running_loop().time() + left_s


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _loopback(origin: str) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and _name_of(host) in LOOPBACK_NAMES and "/" not in host and "@" not in host


LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
