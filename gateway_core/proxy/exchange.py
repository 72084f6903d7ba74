"""The first half of the spine: the whole life of one HTTP request on an MCP endpoint."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from gateway_core.access.identify import Identify
from gateway_core.access.policy import decide
from gateway_core.errors import (
    GatewayError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Refused,
    StoreUnavailable,
    UpstreamError,
)
from gateway_core.protocol import reply, sse
from gateway_core.protocol.inbound import Call, read_calls
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.lifecycle import Lifecycle
from gateway_core.proxy.place import Place, Request
from gateway_core.registry.directory import Directory
from gateway_core.telemetry import CallRecord


@dataclass(frozen=True, slots=True)
class Exchange:
    """The data plane: stateless between calls, so one instance serves a whole process."""

    identify: Identify
    directory: Directory
    lifecycle: Lifecycle
    forwarding: Forwarding

    async def handle(self, request: Request, record: CallRecord) -> Reply | Stream:
        """Answer one request, whatever happens to it. `record` learns what it was and how it ended."""
        call: Call | None = None
        record.method = request.method
        try:
            place = await self._place(request, record)
            if request.method != "POST":
                return await self._without_body(place)
            _check_accept(request)
            posted = read_calls(request.body, request.headers)
            if isinstance(posted, list):
                return await self._batch(posted, place)
            call = posted
            _describe(call, place)
            return await self.forwarding.forward(call, place)
        except GatewayError as problem:
            record.fail(*_outcome(problem))
            return reply.refusal(problem, call, record.request_id)

    async def _place(self, request: Request, record: CallRecord) -> Place:
        """Who calls, and what stands behind the URL for them."""
        caller, organisation = await self.identify(request.headers)
        record.caller, record.credential = f"{caller.kind}:{caller.subject}", caller.credential_id
        workspace = await self.directory.workspace(request.workspace or caller.workspace_id, organisation.revision)
        server = await self.directory.server(request.server, organisation.revision)
        if workspace is None or server is None:
            raise _unknown(request)
        decision = decide(caller, workspace, server)
        if decision.answer == "out_of_reach":
            raise _unknown(request)
        record.workspace, record.server = workspace.slug, server.slug
        if decision.answer == "refused":
            raise Refused(decision.text, reason=decision.rule)
        session, lost = await self.lifecycle.session_of(request.headers, caller, server)
        return Place(request, caller, organisation.revision, workspace, server, session, lost, record)

    async def _without_body(self, place: Place) -> Reply | Stream:
        if place.request.method == "DELETE":
            return await self.lifecycle.end(place)
        if place.request.method == "GET":
            return await self.lifecycle.listen(place)
        raise MethodNotAllowed("An MCP endpoint takes POST.")

    async def _batch(self, calls: list[Call], place: Place) -> Reply | Stream:
        """A 2025-03-26 batch: each call by itself, one after the other, all answers on one stream."""
        place.record.method, place.record.era_in = "batch", "legacy"
        if not any(call.kind == "request" for call in calls):
            for call in calls:
                await self.forwarding.forward(call, place)
            return ACCEPTED
        return Stream(self._batch_events(calls, place))

    async def _batch_events(self, calls: list[Call], place: Place) -> AsyncGenerator[bytes]:
        for call in calls:
            try:
                answer = await self.forwarding.forward(call, place)
            except GatewayError as problem:
                place.record.fail(*_outcome(problem))
                answer = reply.refusal(problem, call, place.record.request_id)
            if isinstance(answer, Stream):
                async with aclosing(answer.events) as events:
                    async for event in events:
                        yield event
            elif call.kind == "request":
                yield sse.message(answer.body)


def _describe(call: Call, place: Place) -> None:
    record = place.record
    record.method, record.capability = call.method or call.kind, call.capability or ""
    record.era_in = record.era_out = call.era
    record.awaits_answer = call.kind == "request"
    record.client, record.client_version = call.client
    if not record.client:
        known = place.session.client if place.session is not None else ("", "")
        agent = place.request.headers.get("user-agent") or ""
        record.client, record.client_version = known if known[0] else _from_agent(agent)


def _from_agent(agent: str) -> tuple[str, str]:
    name, _, version = agent.partition(" ")[0].partition("/")
    return name[:64], version[:32]


def _check_accept(request: Request) -> None:
    """A client must take both forms of answer, since the upstream chooses (both revisions, Sending Messages)."""
    accept = request.headers.get("accept")
    if accept is None or "*/*" in accept:
        return
    if "application/json" not in accept or "text/event-stream" not in accept:
        raise NotAcceptable("Send 'Accept: application/json, text/event-stream': an answer may come as either.")


def _unknown(request: Request) -> NotFound:
    where = f" in workspace {request.workspace!r}" if request.workspace else ""
    return NotFound(
        f"There is no server {request.server!r}{where} that this credential can reach. Check the URL.",
        reason="unknown_server",
    )


def _outcome(problem: GatewayError) -> tuple[str, str]:
    return ("failed" if isinstance(problem, UpstreamError | StoreUnavailable) else "refused"), problem.reason
