"""The first half of the spine: the whole life of one HTTP request on an MCP endpoint."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from gateway_core.access.callers import CredentialEnded
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.identify import Identify
from gateway_core.access.policy import Decision, decide
from gateway_core.errors import (
    GatewayError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
)
from gateway_core.parts import part
from gateway_core.ports import Records
from gateway_core.protocol import reply, sse
from gateway_core.protocol.inbound import Call, read_calls
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.proxy.client_sessions import ClientSessions
from gateway_core.proxy.describing import allow, describe
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.place import Place, Request
from gateway_core.proxy.sse_clients import SseClients
from gateway_core.registry.directory import Directory
from gateway_core.telemetry import CallRecord, outcome_of
from gateway_core.upstream.holders import connection_key


@part
class Exchange:
    """The data plane: stateless between calls, so one instance serves a whole process."""

    identify: Identify
    directory: Directory
    sessions: ClientSessions
    forwarding: Forwarding
    sse_clients: SseClients
    records: Records
    ask_s: int
    public_url: str

    async def handle(self, request: Request, record: CallRecord) -> Reply | Stream:
        """Answer one request, whatever happens to it. `record` learns what it was and how it ended."""
        call: Call | None = None
        try:
            place, decision = await self._place(request, record)
            if request.endpoint.door == "sse":
                return await self.sse_clients.handle(place, decision)
            if request.method != "POST":
                allow(decision)
                return await self._without_body(place)
            _check_accept(request)
            posted = read_calls(request.body, request.headers)
            if isinstance(posted, list):
                return await self._batch(posted, place, decision)
            call = posted
            describe(call, place)
            allow(decision)
            return await self.forwarding.forward(call, place)
        except GatewayError as problem:
            record.fail(*outcome_of(problem))
            metadata = request.endpoint.metadata_url(self.public_url)
            return reply.refusal(problem, call, record.request_id, metadata=metadata)

    async def _place(self, request: Request, record: CallRecord) -> tuple[Place, Decision]:
        """Who calls, what stands behind the URL for them, and whether they may use it."""
        endpoint, also = request.endpoint, self.sessions.keys_of(request.headers)
        try:
            known = await self.identify(endpoint, request.headers, *also)
        except CredentialEnded as ended:
            record.caller, record.credential = ended.caller.told, ended.caller.credential_id
            record.workspace = ended.workspace
            raise
        caller, organisation, record.client, state = known.caller, known.organisation, known.client, known.read
        record.caller, record.credential = caller.told, caller.credential_id
        workspace = await self.directory.workspace(endpoint.workspace or caller.workspace_id, organisation.revision)
        server = await self.directory.server(endpoint.server, organisation.revision)
        if workspace is None or server is None:
            raise _unknown(endpoint)
        decision = decide(caller, workspace, server)
        if decision.answer == "out_of_reach":
            raise _unknown(endpoint)
        record.workspace, record.server = workspace.slug, server.slug
        session, lost = await self.sessions.find(request.headers, caller, server, state[0] if state else None)
        account = await self.identify.beside(known.guessed, connection_key(server, workspace.id, caller.member_id))
        taken = await self.directory.token_headers(server, organisation.revision)
        place = Place(request, caller, organisation, workspace, server, session, lost, record, self.ask_s,
                      known.member, account, known.bearer, taken)  # fmt: skip
        return place, decision

    async def _without_body(self, place: Place) -> Reply | Stream:
        if place.request.method == "DELETE":
            return await self.forwarding.end(place)
        if place.request.method == "GET":
            return await self.forwarding.listen(place)
        raise MethodNotAllowed("An MCP endpoint takes POST.")

    async def _batch(self, calls: list[Call], place: Place, decision: Decision) -> Reply | Stream:
        """A 2025-03-26 batch: each call by itself, with a record of its own, all answers on one stream."""
        place.record.method, place.record.era_in = "batch", "legacy"
        events = self._batch_events(calls, place, decision)
        if any(call.kind == "request" for call in calls):
            return Stream(events)
        allow(decision)
        async for _ in events:
            pass
        return ACCEPTED

    async def _batch_events(self, calls: list[Call], place: Place, decision: Decision) -> AsyncGenerator[bytes]:
        for call in calls:
            each = replace(place, record=place.record.part())
            describe(call, each)
            each.record.bytes_in = len(call.wire)
            try:
                async with aclosing(self._answer_events(call, each, decision)) as events:
                    async for event in events:
                        each.record.bytes_out += len(event)
                        yield event
            except BaseException:
                each.record.fail("gone", "cut_off")
                raise
            finally:
                self.records.write(each.record.line())

    async def _answer_events(self, call: Call, place: Place, decision: Decision) -> AsyncGenerator[bytes]:
        try:
            allow(decision)
            answer = await self.forwarding.forward(call, place)
        except GatewayError as problem:
            place.record.fail(*outcome_of(problem))
            answer = reply.refusal(problem, call, place.record.request_id)
        if isinstance(answer, Stream):
            async with aclosing(answer.events) as events:
                async for event in events:
                    yield event
        elif call.kind == "request":
            yield sse.message(answer.body)


def _check_accept(request: Request) -> None:
    """A client must take both forms of answer, since the upstream chooses (both revisions, Sending Messages)."""
    accept = (request.headers.get("accept") or "*/*").lower()
    if "*/*" in accept:
        return
    if "application/json" not in accept or "text/event-stream" not in accept:
        raise NotAcceptable("Send 'Accept: application/json, text/event-stream': an answer may come as either.")


def _unknown(endpoint: Endpoint) -> NotFound:
    where = f" in workspace {endpoint.workspace!r}" if endpoint.workspace else ""
    return NotFound(
        f"There is no server {endpoint.server!r}{where} that this credential can reach. Check the URL.",
        reason="unknown_server",
    )
