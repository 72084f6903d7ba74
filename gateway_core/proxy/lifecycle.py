"""Legacy sessions: opening one by `initialize`, finding it again from its token, listening on it, ending it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from gateway_core.access.callers import Caller
from gateway_core.egress import Response
from gateway_core.errors import BadRequest, MethodNotAllowed, UpstreamGarbage
from gateway_core.headers import Headers
from gateway_core.ports import Keyring
from gateway_core.protocol import header_values, session
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import JSON_HEADERS, STREAM_HEADERS, Reply, Stream
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import LEGACY_VERSIONS
from gateway_core.proxy.answering import finished_reply, is_stream, modern_only, read_whole, refusal_in, session_gone
from gateway_core.proxy.place import Place
from gateway_core.proxy.relay import answer_events, relay_session
from gateway_core.registry.servers import Server
from gateway_core.upstream.answers import MODERN_ERRORS, Message, error_code, read_message, refused
from gateway_core.upstream.client import UpstreamClient

SESSION_HEADER = "mcp-session-id"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Stateless: a session lives in its own token, so any process can go on with it."""

    upstream: UpstreamClient
    keyring: Keyring
    listen_s: int

    async def session_of(self, headers: Headers, caller: Caller, server: Server) -> tuple[Session | None, bool]:
        """The session that a request belongs to, and whether it named one that is none of this caller's.

        A token that cannot be opened is no session, never a 401: clients take a 401 for a lost log-in.
        """
        token = headers.get(SESSION_HEADER)
        if token is None:
            return None, False
        sealed = session.from_header(token)
        context = session.context(caller.principal, server.id)
        plain = None if sealed is None else await self.keyring.open(sealed, context=context)
        if plain is None:
            return None, True
        return session.unpack(plain, principal=caller.principal, server_id=server.id), False

    async def initialized(self, call: Call, response: Response, place: Place, deadline: float) -> Reply | Stream:
        """The answer to `initialize`, with a session id of ours where the upstream gave one of its own.

        Raises:
            UpstreamError: There is no usable answer.
        """
        if response.status == 200 and is_stream(response):
            answer, events = await self._gathered(call, response, place, deadline)
            fields = await self._session_fields(call, answer, response, place)
            return Stream(events, STREAM_HEADERS + fields)
        body = await read_whole(response)
        problem = refusal_in(call, response, body)
        if problem is not None and (response.status, error_code(problem)) in MODERN_ERRORS:
            raise modern_only(place)
        answer_reply = finished_reply(call, response, body, place)
        answer = read_message(answer_reply.body, call, place.server.name)
        fields = await self._session_fields(call, answer, response, place)
        return Reply(answer_reply.status, answer_reply.body, JSON_HEADERS + fields)

    async def listen(self, place: Place) -> Stream:
        """The session's own stream, for messages that belong to no call.

        Raises:
            MethodNotAllowed: This server offers none to this client.
            NotFound: The session is gone.
        """
        if place.session is None or self.listen_s == 0:
            if place.session_lost:
                raise session_gone()
            raise MethodNotAllowed("This server opens no stream of its own here. Send each message as a POST.")
        deadline = place.deadline(asyncio.get_running_loop().time(), self.listen_s)
        last_event_id = place.request.headers.get("last-event-id")
        if last_event_id is not None and not header_values.sendable(last_event_id):
            raise BadRequest("The Last-Event-ID header holds characters that a header cannot carry.")
        response = await self.upstream.listen(
            place.server, place.dialect(place.request.headers.get("mcp-protocol-version")), last_event_id,
            deadline=deadline,
        )  # fmt: skip
        if response.status == 200 and is_stream(response):
            return Stream(relay_session(response, place))
        await response.close()
        raise _not_offered(response.status, response, place)

    async def end(self, place: Place) -> Reply:
        """End the session at the upstream too.

        Raises:
            MethodNotAllowed: There is no session to end, or the upstream lets no client end it.
            NotFound: The session is gone already.
        """
        if place.session is None:
            if place.session_lost:
                raise session_gone()
            raise MethodNotAllowed("There is no session to end. Send each message as a POST.")
        deadline = place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)
        response = await self.upstream.end_session(place.server, place.dialect(None), deadline=deadline)
        await response.close()
        if 200 <= response.status < 300:
            return Reply(response.status, b"", ())
        raise _not_offered(response.status, response, place)

    async def _gathered(
        self, call: Call, response: Response, place: Place, deadline: float
    ) -> tuple[Message, AsyncGenerator[bytes]]:
        """Every event of a streamed answer to `initialize`: its head must say the session, its tail knows it."""
        events: list[bytes] = []
        answer: Message | None = None
        async for event, message in answer_events(self.upstream, call, response, place, deadline):
            events.append(event)
            answer = message
        assert answer is not None  # noqa: S101 - answer_events ends with the answer or raises
        return answer, _replayed(events)

    async def _session_fields(
        self, call: Call, answer: Message, response: Response, place: Place
    ) -> tuple[tuple[bytes, bytes], ...]:
        upstream_id = response.headers.get(SESSION_HEADER)
        if upstream_id is None or answer.kind != "answer":
            return ()
        result = answer.value["result"]
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        opened = Session(
            principal=place.caller.principal,
            server_id=place.server.id,
            upstream_id=upstream_id,
            version=version if version in LEGACY_VERSIONS else LEGACY_VERSIONS[-1],
            client=call.client,
        )
        context = session.context(opened.principal, opened.server_id)
        token = session.to_header(await self.keyring.seal(session.pack(opened), context=context))
        if len(token) > session.MAX_TOKEN:
            raise UpstreamGarbage(f"{place.server.name} gave a session id that is too long to be carried in a header.")
        return ((SESSION_HEADER.encode(), token.encode()),)


async def _replayed(events: list[bytes]) -> AsyncGenerator[bytes]:
    for event in events:
        yield event


def _not_offered(status: int, response: Response, place: Place) -> Exception:
    if status == 404:
        return session_gone()
    if status == 405:
        return MethodNotAllowed(f"{place.server.name} does not offer this. Send each message as a POST.")
    return refused(status, response.headers, place.server.name)
