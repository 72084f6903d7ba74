"""The data plane's edge: bare ASGI, every route a client of MCP needs and no other."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import field
from typing import Any, Final
from urllib.parse import parse_qs

from gateway_core.access.endpoint import KEYS_ONLY, Endpoint
from gateway_core.errors import GatewayError, NotFound
from gateway_core.headers import Headers, read_headers
from gateway_core.parts import part
from gateway_core.ports import Records
from gateway_core.protocol import reply
from gateway_core.protocol.reply import RawHeaders, Reply, Stream
from gateway_core.proxy.exchange import Exchange
from gateway_core.proxy.place import STOPPED, Request
from gateway_core.registry.slugs import SLUG
from gateway_core.telemetry import CallRecord, trace_id_of
from gateway_core.web import pages
from gateway_core.web.edge import Edge
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


@part
class McpApp:
    """ASGI. Anything it does not know is a plain 404."""

    exchange: Exchange
    edge: Edge
    records: Records
    close: Callable[[], Awaitable[None]]
    """Cuts every connection to upstreams. For programs that end in an orderly way; a Lambda does not."""
    _answering: set[asyncio.Task[Any]] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        """End everything that is being answered, in good order."""
        self._stopping.set()
        for task in list(self._answering):
            task.cancel(STOPPED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        platform: Mapping[str, Any] = scope.get("extensions", {}).get(LAMBDA, {})
        headers = read_headers(scope["headers"])
        record = CallRecord(platform.get("request_id") or secrets.token_hex(8), trace_id_of(headers.get("traceparent")))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - ASGI servers run each request in a task
        self._answering.add(task)
        accepts = "text/event-stream" in (headers.get("accept") or "text/event-stream").lower()
        outlet = Outlet(
            receive, send, may_stream=lambda: accepts and record.may_stream, extra=self._extra(headers, record)
        )
        try:
            await self._answer(scope, headers, record, outlet)
        except asyncio.CancelledError:
            record.fail(*(("gone", "client_left") if outlet.client_left else ("failed", STOPPED)))
            if self._stopping.is_set() and not outlet.client_left:
                with suppress(ConnectionError):
                    await outlet.stop()
            elif not outlet.client_left:
                raise
        except ConnectionError:
            record.fail("gone", "client_left")
        finally:
            if record.method:
                record.http_status, record.bytes_out = outlet.status, outlet.bytes_out
                self.records.write(record.line())
            await outlet.close()
            await self._finish(outlet)
            self._answering.discard(task)

    async def _finish(self, outlet: Outlet) -> None:
        """Wait for what goes on behind an answer that has ended: a Lambda is frozen as soon as we return.

        Whoever cuts that off gets no exception: nobody waits for this answer, and the work has heard of it.
        """
        with suppress(asyncio.CancelledError):
            while outlet.afterwards:
                # Such work may leave more behind, like the renewal of a token.
                under_way, outlet.afterwards[:] = list(outlet.afterwards), []
                for done in await asyncio.gather(*under_way, return_exceptions=True):
                    if isinstance(done, Exception):
                        logger.error("work_behind_an_answer_failed", exc_info=done)

    async def _answer(self, scope: Scope, headers: Headers, record: CallRecord, outlet: Outlet) -> None:
        try:
            answer = await self._route(scope, headers, record, outlet)
            if isinstance(answer, Stream):
                await _stream(answer, outlet)
                return
        except GatewayError as problem:
            record.fail("refused", problem.reason)
            answer = reply.refusal(problem, None, record.request_id)
            if isinstance(problem, NotFound) and scope["method"] in ("GET", "HEAD") and pages.wanted(headers):
                answer = pages.not_found(problem.message)
        except ConnectionError:
            raise
        except Exception:
            # The edge: a bug of ours ends as a refusal with words, or as a broken stream; never as a guess.
            logger.exception("request_failed", extra={"fields": {"request_id": record.request_id}})
            record.fail("failed", "internal_error")
            if outlet.streaming:
                raise
            answer = reply.broken(record.request_id, record.call_id)
        await outlet.reply(Reply(answer.status, b"", answer.headers) if scope["method"] == "HEAD" else answer)

    async def _route(self, scope: Scope, headers: Headers, record: CallRecord, outlet: Outlet) -> Reply | Stream:
        method = scope["method"]
        if scope["path"] == "/healthz":
            return Reply(200, b'{"status":"ok"}')
        if scope["path"] == "/" and method in ("GET", "HEAD") and pages.leads_to_front(headers):
            self.edge.check(headers)
            return pages.FRONT
        endpoint = _endpoint(scope)
        record.method = method
        self.edge.check(headers)
        if method == "OPTIONS":
            record.method = ""
            return Reply(204, b"", _CORS)
        if method == "GET" and pages.wanted(headers):
            record.method = ""
            return pages.endpoint_page(self.edge.public_url, endpoint)
        body = b""
        if method == "POST":
            body = await self.edge.read_body(headers, outlet.receive)
        record.bytes_in = len(body)
        request = Request(
            method=method,
            endpoint=endpoint,
            headers=headers,
            body=body,
            ends_at=_ends_at(scope),
            address=_address(self.edge.public_url, endpoint),
            ticket=_ticket(scope) if endpoint.door == "sse" else None,
            afterwards=outlet.afterwards,
        )
        return await self.exchange.handle(request, record)

    def _extra(self, headers: Headers, record: CallRecord) -> RawHeaders:
        extra: RawHeaders = ((b"x-request-id", record.request_id.encode()),)
        origin = headers.get("origin")
        if origin is not None and self.edge.allows(origin):
            extra += ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), _EXPOSED)
        return extra


async def _stream(answer: Stream, outlet: Outlet) -> None:
    try:
        await outlet.start_stream(answer.headers)
    except BaseException:
        await answer.release()
        raise
    async with aclosing(answer.events) as events:
        async for event in events:
            await outlet.event(event)
    await outlet.end()


def _endpoint(scope: Scope) -> Endpoint:
    """The endpoint that a URL is of. What stands behind one, `/.well-known/…` too, is nothing.

    The path is taken as it was sent: nothing that two readers could decode differently gets past here.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    *names, door = raw.decode("latin-1").split("/")
    key_only = names[:2] == ["", KEYS_ONLY]
    root, names = names[:1], names[2 if key_only else 1 :]
    if len(names) in (1, 2) and root == [""] and all(SLUG.fullmatch(name) for name in names):
        workspace = names[0] if len(names) == 2 else None
        match door:
            case "mcp" | "sse":
                return Endpoint(workspace, names[-1], door, key_only)
    slash = ", without a slash at its end" if not door and names[-1:] in (["mcp"], ["sse"]) else ""
    raise NotFound(
        f"There is nothing at this URL. An MCP endpoint is /{{workspace}}/{{server}}/mcp{slash}.", reason="no_route"
    )


def _address(public_url: str, endpoint: Endpoint) -> str:
    """The path of a URL as clients know it; empty while our own address is not known."""
    return endpoint.path if public_url else ""


def _ticket(scope: Scope) -> str | None:
    found = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=10).get("sessionId")
    return found[0] if found else None


def _ends_at(scope: Scope) -> float:
    platform = scope.get("extensions", {}).get(LAMBDA)
    if platform is None or not platform.get("deadline_ms"):
        return float("inf")
    left_s: float = platform["deadline_ms"] / 1000 - time.time()
    return asyncio.get_running_loop().time() + left_s
