"""The answers to `initialize` and `server/discover` where the server itself has no such request."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway_core.errors import UpstreamGarbage
from gateway_core.parts import part
from gateway_core.protocol import outbound, reply, session
from gateway_core.protocol.bridge import capabilities, errors, requests
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import JSON_HEADERS, Reply
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import LEGACY_VERSIONS
from gateway_core.proxy.answering import whole_answer
from gateway_core.proxy.client_sessions import ClientSessions
from gateway_core.proxy.guests import askable, modern_guest
from gateway_core.proxy.place import Place
from gateway_core.proxy.switchboard import Switchboard
from gateway_core.upstream.answers import Message
from gateway_core.upstream.sessions import Guest
from gateway_core.upstream.spoken import Spoken
from gateway_core.upstream.sse_sessions import SseSession


@part
class Openings:
    """Stateless between calls."""

    switchboard: Switchboard
    sessions: ClientSessions
    listen_s: int

    async def initialize(self, call: Call, place: Place, spoken: Spoken) -> Reply:
        """Open a session of a legacy client at a server that has none of its kind.

        The client always gets a session id: what it says here belongs into every request to a modern server.

        Raises:
            UpstreamError: The server gave no usable answer.
        """
        params = call.message.get("params", {})
        wanted, declared = params.get("protocolVersion"), params.get("capabilities")
        opened = Session(
            principal=place.caller.principal,
            server_id=place.server.id,
            upstream_id=None,
            version=wanted if wanted in LEGACY_VERSIONS else outbound.LATEST_LEGACY,
            client=session.client_of(params.get("clientInfo")),
            capabilities=session.kept_of(declared),
            opened_at=self.sessions.clock(),
        )
        if spoken.modern:
            answer = await self._discovered(call, opened, place)
            if answer.kind == "error":
                error = errors.to_legacy("initialize", answer.value["error"])
                return Reply(200, reply.dump({**answer.value, "id": call.id, "error": error}))
            value = capabilities.initialize_result(
                answer.value["result"], version=opened.version, name=place.server.name, listening=self.listen_s > 0
            )
        else:
            there = await self._opened_there(opened, place)
            opened = replace(opened, version=there["protocolVersion"])
            offered = capabilities.server_to_legacy(_object(there.get("capabilities")), listening=self.listen_s > 0)
            value = {**there, "capabilities": offered}
        fields = await self.sessions.issue(opened, place.server)
        return Reply(200, reply.result(call, value), JSON_HEADERS + fields)

    async def discover(self, call: Call, place: Place, spoken: Spoken) -> Reply:
        """Tell a modern client what a legacy server offers.

        Raises:
            UpstreamError: The server gave no usable answer.
        """
        if spoken.legacy == "sse":
            guest = modern_guest(call, place)
            session = await self._taken(guest, place)
            await self.switchboard.streams.give_back(session, guest)
            initialized = session.initialized
        else:
            initialized = (await self.switchboard.session_of(call, place)).initialized
        found = capabilities.discover_result(initialized, listening=self.listen_s > 0)
        return Reply(200, reply.result(call, found))

    async def _discovered(self, call: Call, opened: Session, place: Place) -> Message:
        asked = outbound.modern_call(
            requests.to_modern(
                {"jsonrpc": "2.0", "method": "server/discover"},
                call_id=call.id if call.id is not None else 0,
                client_info=opened.client,
                capabilities=capabilities.client_to_modern(askable(place, opened.capabilities)),
                log_level=None,
            )
        )
        deadline = place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)
        dialect = place.sessionless().within(asked.version, None)
        response = await self.switchboard.upstream.post(place.server, asked, dialect, deadline=deadline)
        answer = await whole_answer(asked, response, place)
        if answer.kind == "answer" and not isinstance(answer.value["result"], dict):
            raise UpstreamGarbage(f"{place.server.name} answered server/discover with no object.")
        return answer

    async def _opened_there(self, opened: Session, place: Place) -> Mapping[str, Any]:
        """What an HTTP+SSE server says of itself; the stream waits for the first call."""
        declared = askable(place, opened.capabilities)
        guest = Guest(opened.principal, opened.client, declared, opened.version, place.account)
        session = await self._taken(guest, place)
        # The calls come with the revision that was agreed on, not with the one that was proposed.
        agreed = guest._replace(version=session.initialized["protocolVersion"])
        await self.switchboard.streams.give_back(session, agreed)
        return session.initialized

    async def _taken(self, guest: Guest, place: Place) -> SseSession:
        deadline = place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)
        return await self.switchboard.streams.take(place.server, place.sessionless(), guest, deadline=deadline)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
