"""Crossed calls of legacy clients: their server speaks modern revisions, or an older transport.

What the server wants to know in mid-call goes down the open stream as a request of ours; the client's answer comes in a
POST, to whichever process, and reaches us through the mailbox.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gateway_core.errors import BadRequest, UpstreamError, UpstreamRefused, UpstreamTimedOut
from gateway_core.parts import part
from gateway_core.protocol import reply, sse
from gateway_core.protocol.bridge import asks, requests
from gateway_core.protocol.bridge.notifications import LEVELS
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.protocol.session import Session
from gateway_core.protocol.versions import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND
from gateway_core.proxy.client_sessions import MAX_URI, MAX_URIS, ClientSessions
from gateway_core.proxy.lines import Line
from gateway_core.proxy.lines.modern import ModernLine
from gateway_core.proxy.lines.pump import NoLongerWanted, Pump
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.openings import Openings
from gateway_core.proxy.place import Place, asking_is_off
from gateway_core.proxy.relay import reply_or_stream
from gateway_core.proxy.switchboard import Switchboard
from gateway_core.upstream.answers import Message
from gateway_core.upstream.spoken import Spoken

KEPT_HERE: Final = frozenset({"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Requests of the legacy era alone, whose effect the gateway keeps (2026-07-28 changelog, items 4 and 5)."""
ASK_PREFIX: Final = "gatehouse-"
"""How the ids of questions begin that go down the stream of a client."""
CANCELLED: Final = "CANCELLED"
CANCELLED_FOR_S: Final = 120.0
"""How long a cancellation is remembered for a call that has not looked yet."""
WATCH_AFTER_S: Final = 0.05
"""Calls shorter than this are over before anybody cancels them; looking out for it costs a task."""


@part
class LegacyClients:
    """Stateless between calls."""

    switchboard: Switchboard
    openings: Openings
    sessions: ClientSessions
    mailbox: Mailbox
    listen_s: int

    async def forward(self, call: Call, place: Place, spoken: Spoken) -> Reply | Stream:
        """Carry one call across and give back what the client should see.

        Raises:
            BadRequest: It cannot be carried; the message names it.
            UpstreamError: There is no usable answer.
        """
        if call.kind == "notification":
            await self._notified(call, place)
        if call.kind != "request":
            return ACCEPTED
        if call.method == "initialize":
            return await self.openings.initialize(call, place, spoken)
        if call.method in KEPT_HERE:
            return await self._note(call, place)
        why = requests.uncarried(call.message, "modern") if spoken.modern else None
        if why is not None:
            raise BadRequest(why, code=METHOD_NOT_FOUND, reason="cannot_cross").of(call.id, http_status=200)
        line = await self.switchboard.of_legacy_client(call, place, spoken)
        return await reply_or_stream(call, self._answer(call, place, line), place)

    async def take(self, call: Call, place: Place) -> bool:
        """Pass on the answer to a question of the gateway's own, whatever the server speaks by now; False for anything
        else."""
        if call.kind != "response" or not str(call.id).startswith(ASK_PREFIX):
            return False
        return await self.mailbox.answer(_ask_box(place, str(call.id)), dict(call.message))

    async def _note(self, call: Call, place: Place) -> Reply:
        """The answer to what the server does not need to know, because each request to it says so anew."""
        if call.method == "logging/setLevel":
            await self._set_level(call, place)
        elif call.method != "ping":
            await self._subscribe(call, place)
        return Reply(200, reply.result(call, {}))

    async def _answer(self, call: Call, place: Place, line: Line) -> AsyncGenerator[Reply | bytes]:
        """One finished reply, or events of which the last is the answer."""
        pump, begun, finished = Pump(line), False, False
        try:
            pump.later(WATCH_AFTER_S, partial(self._watch, call, place))
            message = await _first(pump)
            while True:
                finished = message.kind in ("answer", "error")
                block = await self._block(message, call, place, pump)
                if block:
                    yield Reply(200, block) if finished and not begun else sse.message(block)
                    begun = True
                if finished:
                    return
                message = await pump.next()
        except NoLongerWanted:
            place.record.fail("gone", "cancelled")
            if not begun:
                yield sse.PING
        finally:
            if not finished:
                await line.cancel()
            await pump.close()

    async def _block(self, message: Message, call: Call, place: Place, pump: Pump) -> bytes:
        """What the client gets of a message, b"" for nothing."""
        if message.kind == "notification":
            return reply.dump(message.value)
        if message.kind != "request":
            return reply.dump({**message.value, "id": call.id})
        request = message.value
        if request["method"] not in asks.ASKS:
            error = {"code": METHOD_NOT_FOUND, "message": f"The client has no method {str(request['method'])[:100]}."}
            answer = {"result": {}} if request["method"] == "ping" else {"error": error}
            with suppress(UpstreamError):
                await pump.line.reply({"jsonrpc": "2.0", "id": request["id"], **answer})
            return b""
        _check_askable(request, place)
        ask_id = f"{ASK_PREFIX}{secrets.token_hex(12)}"
        await self.mailbox.ask(_ask_box(place, ask_id), for_s=place.ask_s)
        pump.beside(self._answered(request, ask_id, place, pump.line))
        return reply.dump({**request, "id": ask_id})

    async def _answered(self, request: Mapping[str, Any], ask_id: str, place: Place, line: Line) -> None:
        deadline = place.deadline(asyncio.get_running_loop().time(), place.ask_s)
        try:
            response = await self.mailbox.awaited(_ask_box(place, ask_id), deadline=deadline)
        except TimeoutError:
            raise UpstreamTimedOut(
                f"{place.server.name} asked something in mid-call ({request['method']}), and the client did not answer "
                f"within {place.ask_s} s.",
                reason="ask_timed_out",
            ) from None
        await line.reply({**response, "id": request["id"]})

    async def _watch(self, call: Call, place: Place) -> None:
        """Raise `NoLongerWanted` when the client cancels the call, in whichever process it says so."""
        if place.session is not None and call.id is not None:
            await self.mailbox.until_marked(_call_box(place.session, call.id), CANCELLED)
            raise NoLongerWanted

    async def _notified(self, call: Call, place: Place) -> None:
        """Only a cancellation has a meaning across: the other notifications have no counterpart at the server."""
        params = call.message.get("params", {})
        wanted = params.get("requestId")
        if call.method == "notifications/cancelled" and place.session is not None and isinstance(wanted, str | int):
            await self.mailbox.mark(_call_box(place.session, wanted), CANCELLED, for_s=CANCELLED_FOR_S)

    async def _set_level(self, call: Call, place: Place) -> None:
        level = call.message.get("params", {}).get("level")
        if level not in LEVELS:
            problem = BadRequest(f"level must be one of {', '.join(LEVELS)}.", code=INVALID_PARAMS)
            raise problem.of(call.id, http_status=200)
        await self.sessions.set_log_level(_session_of(call, place), level)

    async def _subscribe(self, call: Call, place: Place) -> None:
        if self.listen_s == 0:
            problem = BadRequest("This gateway offers no subscriptions.", code=METHOD_NOT_FOUND)
            raise problem.of(call.id, http_status=200)
        uri, session = call.capability, _session_of(call, place)
        if uri is None or len(uri) > MAX_URI:
            raise BadRequest(f"uri must be up to {MAX_URI} characters of text.", code=INVALID_PARAMS).of(
                call.id, http_status=200
            )
        if call.method == "resources/unsubscribe":
            await self.sessions.unsubscribe(session, uri)
        elif not await self.sessions.subscribe(session, uri):
            told = f"One session may be subscribed to {MAX_URIS} resources; unsubscribe from some first."
            raise BadRequest(told, code=INVALID_REQUEST).of(call.id, http_status=200)


async def _first(pump: Pump) -> Message:
    """The first message. A modern server learns from the cut alone that nobody waits: no task needs to read it."""
    if isinstance(pump.line, ModernLine):
        return await pump.first()
    pump.start()
    return await pump.next()


def _check_askable(request: Mapping[str, Any], place: Place) -> None:
    """Raise UpstreamRefused where the client did not say that it can be asked this, or nobody would wait for it."""
    method = request["method"]
    declared = {} if place.session is None else place.session.capabilities
    params = request.get("params")
    lacking = asks.lacking(declared, method, params if isinstance(params, dict) else {})
    if lacking is not None:
        raise UpstreamRefused(
            f"{place.server.name} needs to ask for something in mid-call ({method}), and this client has not declared "
            f"that it can be asked: it lacks the capability {lacking}.",
            reason="client_cannot",
        )
    if place.ask_s == 0:
        raise asking_is_off(place.server, method)


def _session_of(call: Call, place: Place) -> Session:
    if place.session is None:
        told = f"{call.method} needs a session: send the Mcp-Session-Id that the answer to initialize gave."
        raise BadRequest(told, code=INVALID_REQUEST).of(call.id, http_status=200)
    return place.session


def _ask_box(place: Place, ask_id: str) -> str:
    """Where the answer to a question goes. Only whoever was asked can know it."""
    told = f"ask|{place.caller.principal}|{place.server.id}|{ask_id}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()


def _call_box(session: Session, call_id: str | int) -> str:
    told = f"call|{session.digest}|{type(call_id).__name__}|{call_id}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
