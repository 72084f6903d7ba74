"""The second half of the spine: one call, sent to its upstream in its own dialect, and what came back."""

import asyncio
import json
import time

from gateway_core.egress import Response
from gateway_core.errors import (
    BadRequest,
    ConsentRequired,
    MethodNotAllowed,
    UpstreamChangedEra,
    UpstreamForgot,
    UpstreamGarbage,
)
from gateway_core.parts import part
from gateway_core.protocol import reply
from gateway_core.protocol.bridge import errors
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import METHOD_NOT_FOUND, MODERN_STATUS
from gateway_core.proxy.answering import check_alive, finished_reply, session_gone
from gateway_core.proxy.consent_signals import ConsentSignals
from gateway_core.proxy.legacy_clients import LegacyClients
from gateway_core.proxy.lifecycle import Lifecycle
from gateway_core.proxy.modern_clients import ModernClients, sent_anew
from gateway_core.proxy.place import Place, stopped, stopped_early
from gateway_core.proxy.relay import Sent, relay_answer
from gateway_core.proxy.request_state import Again, Held
from gateway_core.registry.servers import Server
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.eras import Eras
from gateway_core.upstream.reading import is_stream, read_whole
from gateway_core.upstream.spoken import Spoken, doubt, pinned


@part
class Forwarding:
    """Stateless between calls."""

    upstream: UpstreamClient
    eras: Eras
    lifecycle: Lifecycle
    legacy_clients: LegacyClients
    modern_clients: ModernClients
    consent_signals: ConsentSignals
    listen_s: int

    async def forward(self, call: Call, place: Place) -> Reply | Stream:
        """Send `call` once and give back what the client should see of the answer.

        Once more only where the server refused it at the door: it speaks another era than was known, or has forgotten
        the session (2025-11-25 transports, Session Management, item 4).

        Raises:
            UpstreamError: There is no usable answer.
            Refused: The server is not set up to be called.
            NotFound: The session is gone; the client must initialize again.
        """
        check_alive(place)
        try:
            return await self._taken(call, place)
        except ConsentRequired as needed:
            return await self.consent_signals.reply(needed, call, place)

    async def _taken(self, call: Call, place: Place) -> Reply | Stream:
        """The call begun, or gone on with."""
        try:
            # A server may be spoken to otherwise than it was when it asked: the call is with it all the same.
            state = await self.modern_clients.begun_before(call, place)
            if isinstance(state, Held):
                place.record.era_out = "legacy"
                return await self.modern_clients.go_on(call, place, state)
            if isinstance(state, Again):
                call = sent_anew(call, place, state)
            if await self.legacy_clients.take(call, place):
                return ACCEPTED
            return await self._as_spoken(call, place)
        except UpstreamForgot:
            if call.era == "modern" or place.session is None or place.session.upstream_id is None:
                # Nothing that this client could open again: the session there is the gateway's own.
                raise
            raise session_gone() from None
        except asyncio.CancelledError as cancellation:
            if stopped(cancellation):
                raise stopped_early() from None
            raise

    async def _as_spoken(self, call: Call, place: Place) -> Reply | Stream:
        """The call in what its server speaks, once more where that turns out to be something else by now."""
        spoken = await self.eras.of(place.server, place.sessionless(), call.era)
        try:
            return await self._in_session(call, place, spoken)
        except UpstreamChangedEra as problem:
            before, spoken = spoken, await self.eras.again(place.server, place.sessionless(), wrong=spoken)
            if spoken.agrees(before):
                return _refused(call, spoken, problem, place.server)
        return await self._in_session(call, place, spoken)

    async def listen(self, place: Place) -> Stream:
        """The stream of a legacy session, for messages that belong to no call.

        Raises:
            MethodNotAllowed: None is offered to this client.
            NotFound: The session is gone.
        """
        check_alive(place)
        if place.session is None or self.listen_s == 0:
            if place.session_lost:
                raise session_gone()
            told = "This server opens no stream of its own here. Send each message as a POST."
            raise MethodNotAllowed(told, allow="POST" if place.session is None else "POST, DELETE")
        spoken = await self.eras.of(place.server, place.sessionless(), "legacy")
        if spoken.legacy != "http":
            return await self._heard(place, place.session, spoken)
        try:
            return await self.lifecycle.listen(place)
        except UpstreamForgot:
            return await self.lifecycle.listen(await self.lifecycle.reopened(place))

    async def _heard(self, place: Place, session: Session, spoken: Spoken) -> Stream:
        try:
            return await self.modern_clients.listening.session_stream(place, session, spoken)
        except (UpstreamGarbage, UpstreamChangedEra):
            told = f"{place.server.name} says nothing on its own account. Send each message as a POST."
            raise MethodNotAllowed(told) from None

    async def end(self, place: Place) -> Reply:
        """End a legacy session, here and at the server.

        Raises:
            MethodNotAllowed: There is no session to end, or the server lets no client end it.
            NotFound: The session is gone already.
        """
        check_alive(place)
        if place.session is None:
            if place.session_lost:
                raise session_gone()
            raise MethodNotAllowed("There is no session to end. Send each message as a POST.")
        return await self.lifecycle.end(place)

    async def _in_session(self, call: Call, place: Place, spoken: Spoken) -> Reply | Stream:
        """The call, once more in a new session where the server has forgotten the one before."""
        try:
            return await self._forward(call, place, spoken)
        except UpstreamForgot as problem:
            place = await self._reopened(call, place, spoken, dead_id=problem.session_id)
        return await self._forward(call, place, spoken)

    async def _forward(self, call: Call, place: Place, spoken: Spoken) -> Reply | Stream:
        if call.method == "subscriptions/listen" and self.listen_s == 0:
            problem = BadRequest("This gateway offers no subscriptions.", code=METHOD_NOT_FOUND)
            raise problem.of(call.id, http_status=404)
        if _same_era(call, spoken) or _answers_legacy(call, place):
            place.record.era_out = call.era
            return await self._relayed(call, place)
        place.record.era_out = "modern" if spoken.modern else "legacy"
        clients = self.modern_clients if call.era == "modern" else self.legacy_clients
        return await clients.forward(call, place, spoken)

    async def _relayed(self, call: Call, place: Place) -> Reply | Stream:
        """Both speak the same era: what the client sent is what the server gets, and back."""
        now = asyncio.get_running_loop().time()
        for_s = self.listen_s if call.method == "subscriptions/listen" else place.server.timeout_s
        dialect, deadline, begun = place.dialect(call.version), place.deadline(now, for_s), time.perf_counter()
        response = await self.upstream.post(place.server, call, dialect, deadline=deadline)
        place.record.upstream_s += time.perf_counter() - begun
        if call.kind != "request":
            return await self._acknowledged(response, place)
        if call.method == "initialize":
            return await self.lifecycle.initialized(call, response, place, deadline)
        if response.status == 200 and is_stream(response):
            return relay_answer(self.upstream, Sent(call, dialect, response, deadline), place)
        begun = time.perf_counter()
        body = await read_whole(response)
        place.record.upstream_s += time.perf_counter() - begun
        return finished_reply(call, response, body, place)

    async def _reopened(self, call: Call, place: Place, spoken: Spoken, *, dead_id: str | None) -> Place:
        """The place, in a session that takes the place of one that the server forgot."""
        if call.era == "modern" and spoken.legacy == "http":
            await self.modern_clients.switchboard.renew(call, place, dead_id=dead_id)
        elif call.era == "legacy" and spoken.legacy == "http":
            return await self.lifecycle.reopened(place)
        return place

    async def _acknowledged(self, response: Response, place: Place) -> Reply:
        """The answer to a notification or response. Its delivery is on record; only a lost session is told."""
        await response.read()
        if response.status == 404 and place.session is not None:
            raise UpstreamForgot(f"{place.server.name} no longer knows this session.")
        if response.status == 404 and place.session_lost:
            raise session_gone()
        if not 200 <= response.status < 300:
            place.record.fail("failed", f"upstream_{response.status}")
        return ACCEPTED


def _same_era(call: Call, spoken: Spoken) -> bool:
    """True where both sides speak the same revisions over the same transport."""
    return spoken.modern if call.era == "modern" else spoken.legacy == "http"


def _answers_legacy(call: Call, place: Place) -> bool:
    """True for the answer to a question that passed as it is: a session there is a legacy server's, whatever is spoken
    with it by now."""
    return call.kind == "response" and place.session is not None and place.session.upstream_id is not None


def _refused(call: Call, spoken: Spoken, problem: UpstreamChangedEra, server: Server) -> Reply:
    """What a refusal means that was not about the era after all: the server's own error, in the client's era. Where it
    gave none, and was not asked what it speaks, an administrator may have said it wrongly."""
    if problem.refusal is None:
        if pinned(server) is None:
            raise problem
        raise UpstreamChangedEra(f"{problem.message.rstrip('.')}.{doubt(server)}") from problem
    status, body = problem.refusal
    if _same_era(call, spoken):
        return Reply(status if call.era == "modern" else 200, body)
    value = json.loads(body)
    crossed = errors.to_modern if call.era == "modern" else errors.to_legacy
    error = crossed(call.method, value["error"])
    status = MODERN_STATUS.get(error.get("code", 0), 200) if call.era == "modern" else 200
    return Reply(status, reply.dump({**value, "id": call.id, "error": error}))
