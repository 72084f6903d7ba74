"""Legacy sessions at legacy servers: opened by `initialize`, opened again, listened on, ended."""

import asyncio
from collections.abc import AsyncGenerator

from gateway_core.egress import Response
from gateway_core.errors import BadRequest, ConsentRequired, MethodNotAllowed, UpstreamForgot
from gateway_core.parts import part
from gateway_core.protocol import header_values, session
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import JSON_HEADERS, STREAM_HEADERS, RawHeaders, Reply, Stream
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import LEGACY_VERSIONS
from gateway_core.proxy.answering import finished_message, session_gone, status_of
from gateway_core.proxy.client_sessions import SESSION_HEADER, ClientSessions
from gateway_core.proxy.guests import legacy_guest
from gateway_core.proxy.place import Place
from gateway_core.proxy.relay import Sent, answer_events, relay_session
from gateway_core.upstream.answers import Message, refused
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import is_stream, read_whole
from gateway_core.upstream.sessions import end_session, open_session


@part
class Lifecycle:
    """Stateless: a session lives in its own token, so any process can go on with it."""

    upstream: UpstreamClient
    sessions: ClientSessions
    listen_s: int

    async def initialized(self, call: Call, response: Response, place: Place, deadline: float) -> Reply | Stream:
        """The answer to `initialize`, with a session id of ours where the upstream gave one of its own.

        Raises:
            UpstreamError: There is no usable answer.
        """
        if response.status == 200 and is_stream(response):
            sent = Sent(call, place.dialect(call.version), response, deadline)
            answer, events = await self._gathered(sent, place)
            return Stream(events, STREAM_HEADERS + await self._issued(call, answer, response, place))
        answer = finished_message(call, response, await read_whole(response), place)
        fields = await self._issued(call, answer, response, place)
        return Reply(status_of(call, response.status, answer), answer.body, JSON_HEADERS + fields)

    async def reopened(self, place: Place) -> Place:
        """The place in a new session of the upstream, which has forgotten the one before.

        Raises:
            NotFound: There is nothing to go by: the client must initialize again.
            UpstreamError: None can be opened.
        """
        if place.session is None:
            raise session_gone()
        now = await self.sessions.again(place.session)
        if now.ended:
            raise session_gone()
        if now.upstream_id != place.session.upstream_id:
            return place.in_session(now)
        deadline, dialect = self._soon(place), place.sessionless()
        opened = await open_session(self.upstream, place.server, dialect, legacy_guest(place), deadline=deadline)
        try:
            counts = await self.sessions.replace_upstream(place.session, opened.session_id)
        except BaseException:
            # Nobody else knows of it.
            await end_session(self.upstream, place.server, dialect, opened)
            raise
        if counts.upstream_id != opened.session_id:
            await end_session(self.upstream, place.server, dialect, opened)
        return place.in_session(counts)

    async def listen(self, place: Place) -> Stream:
        """The session's own stream at the upstream.

        Raises:
            MethodNotAllowed: The upstream offers none.
            UpstreamForgot: It does not know the session.
        """
        deadline = place.deadline(asyncio.get_running_loop().time(), self.listen_s)
        last_event_id = place.request.headers.get("last-event-id")
        if last_event_id is not None and not header_values.sendable(last_event_id):
            raise BadRequest("The Last-Event-ID header holds characters that a header cannot carry.")
        dialect = place.dialect(place.request.headers.get("mcp-protocol-version"))
        response = await self.upstream.listen(place.server, dialect, last_event_id, deadline=deadline)
        if response.status == 200 and is_stream(response):
            return relay_session(response, place)
        await response.close()
        raise _not_offered(response.status, response, place)

    async def end(self, place: Place) -> Reply:
        """End the session at the upstream too.

        Raises:
            MethodNotAllowed: The upstream lets no client end it.
        """
        assert place.session is not None  # noqa: S101 - the caller has looked
        status = 200
        if place.session.upstream_id is not None:
            try:
                response = await self.upstream.end_session(
                    place.server, place.dialect(None), deadline=self._soon(place)
                )
            except ConsentRequired:
                # There it lapses by itself; whoever leaves is asked for nothing any more.
                status = 404
            else:
                await response.close()
                status = response.status
            if status != 404 and not 200 <= status < 300:
                raise _not_offered(status, response, place)
        await self.sessions.end(place.session)
        return Reply(200 if status == 404 else status, b"", ())

    def _soon(self, place: Place) -> float:
        return place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)

    async def _gathered(self, sent: Sent, place: Place) -> tuple[Message, AsyncGenerator[bytes]]:
        """Every event of a streamed answer to `initialize`: its head must say the session, its tail knows it."""
        events: list[bytes] = []
        answer: Message | None = None
        async for event, message in answer_events(self.upstream, sent, place):
            events.append(event)
            answer = message
        assert answer is not None  # noqa: S101 - answer_events ends with the answer or raises
        return answer, _replayed(events)

    async def _issued(self, call: Call, answer: Message, response: Response, place: Place) -> RawHeaders:
        upstream_id = response.headers.get(SESSION_HEADER)
        if upstream_id is None or answer.kind != "answer":
            return ()
        result, params = answer.value["result"], call.message.get("params", {})
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        opened = Session(
            principal=place.caller.principal,
            server_id=place.server.id,
            upstream_id=upstream_id,
            version=version if version in LEGACY_VERSIONS else LEGACY_VERSIONS[-1],
            client=session.client_of(params.get("clientInfo")),
            capabilities=session.kept_of(params.get("capabilities")),
            opened_at=self.sessions.clock(),
        )
        return await self.sessions.issue(opened, place.server)


async def _replayed(events: list[bytes]) -> AsyncGenerator[bytes]:
    for event in events:
        yield event


def _not_offered(status: int, response: Response, place: Place) -> Exception:
    if status == 404:
        return UpstreamForgot(f"{place.server.name} no longer knows this session.")
    if status == 405:
        return MethodNotAllowed(f"{place.server.name} does not offer this. Send each message as a POST.")
    return refused(status, response.headers, place.server)
