"""Crossed calls of modern clients: their server is a legacy one.

What the server asks in mid-call becomes `input_required`; the call goes on at the server meanwhile, and the client's
retry, in whichever process, answers it and takes what comes. The call itself is never sent twice.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from gateway_core import json_text
from gateway_core.errors import (
    BadRequest,
    ConsentRequired,
    Refused,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from gateway_core.parts import part
from gateway_core.protocol import reply, sse
from gateway_core.protocol.bridge import asks, requests
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.protocol.versions import META_SERVER_INFO, METHOD_NOT_FOUND
from gateway_core.proxy.guests import server_info_of
from gateway_core.proxy.holding import RESUMABLE_S, Holding, Letters, Source
from gateway_core.proxy.lines.pump import Pump
from gateway_core.proxy.lines.remote import NOT_TAKEN, Remote
from gateway_core.proxy.listening import Listening
from gateway_core.proxy.modern_form import Asked, ModernForm
from gateway_core.proxy.openings import Openings
from gateway_core.proxy.place import Place
from gateway_core.proxy.relay import reply_or_stream
from gateway_core.proxy.request_state import STATEFUL, Again, Held, RequestStates, not_ours
from gateway_core.proxy.switchboard import Switchboard
from gateway_core.upstream.spoken import Spoken

Answer = AsyncGenerator[Reply | bytes]
"""One finished reply, or events of which the last is the answer."""


@part
class ModernClients:
    """Stateless between calls."""

    switchboard: Switchboard
    openings: Openings
    states: RequestStates
    holding: Holding
    listening: Listening

    async def forward(self, call: Call, place: Place, spoken: Spoken) -> Reply | Stream:
        """Carry one call across and give back what the client should see.

        Raises:
            BadRequest: It cannot be carried; the message names it.
            UpstreamError: There is no usable answer.
        """
        if call.kind != "request":
            return ACCEPTED
        if call.method == "server/discover":
            return await self.openings.discover(call, place, spoken)
        if call.method == "subscriptions/listen":
            return await self.listening.subscription(call, place, spoken)
        why = requests.uncarried(call.message, "legacy")
        if why is not None:
            raise BadRequest(why, code=METHOD_NOT_FOUND, reason="cannot_cross").of(call.id, http_status=404)
        if "requestState" in call.message["params"]:
            # What the gateway itself gave has been looked at before: see `begun_before`.
            raise not_ours(call)
        return await reply_or_stream(call, self._begun(call, place, spoken), place)

    async def begun_before(self, call: Call, place: Place) -> Held | Again | None:
        """What the gateway knows of a call that its client sends once more, whatever its server speaks by now.

        Raises:
            BadRequest: It is too long ago.
        """
        params = call.message.get("params", {})
        if call.era == "legacy" or call.kind != "request" or "requestState" not in params:
            return None
        return await self.states.open(params["requestState"], call, place)

    async def go_on(self, call: Call, place: Place, state: Held) -> Reply | Stream:
        """Answer what a legacy server asked in mid-call, and give back what comes of it.

        Raises:
            UpstreamError: There is no usable answer.
        """
        return await reply_or_stream(call, self._resumed(call, place, state), place)

    async def _begun(self, call: Call, place: Place, spoken: Spoken) -> Answer:
        """Send the call. When its server asks something, it is held."""
        crossed = await self.switchboard.of_modern_client(call, place, spoken)
        pump, held = Pump(crossed.line), False
        info = server_info_of(crossed.initialized)
        form = ModernForm(call, place, crossed.address.call_id, info, crossed.line.reply)

        async def ask(asked: Asked) -> Reply:
            nonlocal held
            if not asked.ids:
                again = Again(tuple(asked.requests))
                return _required(call, asked, await self.states.seal(again, call, place, for_s=place.ask_s), info)
            state = Held(secrets.token_hex(16), 0, asked.ids, crossed.address, info)
            async with self.holding.begun(pump, state.box, place):
                answer = await self._asked(call, place, state, asked, for_s=self.holding.lasts(pump, place))
            held = True
            return answer

        try:
            if crossed.alone:
                form.kept = await pump.first()
            else:
                await self.switchboard.hear(crossed, pump)
                pump.start()
            async with aclosing(_events_of(form, pump, ask)) as events:
                async for event in events:
                    yield event
        finally:
            if not held:
                await crossed.line.cancel()
                await pump.close()

    async def _resumed(self, call: Call, place: Place, state: Held) -> Answer:
        """Answer what was asked, and go on with the call that some process holds, or held."""
        remote = Remote(self.switchboard.upstream, place, state.address)
        mailbox, deadline = self.holding.mailbox, asyncio.get_running_loop().time() + place.server.timeout_s

        def read_on(event_id: str) -> Pump:
            return self.switchboard.read_on(call, place, state.address, event_id)

        source = Letters(mailbox, state.box, state.after, place.deadline(deadline, 0), read_on)
        form = ModernForm(call, place, state.address.call_id, state.server_info, remote.reply)
        held = False

        async def ask(asked: Asked) -> Reply:
            nonlocal held
            asking = state._replace(after=source.after, asked=asked.ids)
            if source.pump is None:
                return await self._asked(call, place, asking, asked, for_s=place.ask_s)
            async with self.holding.begun(source.pump, state.box, place, number=source.after):
                for_s = self.holding.lasts(source.pump, place)
                answer = await self._asked(call, place, asking, asked, for_s=for_s)
            held = True
            return answer

        try:
            missing = await self._delivered(call, state, form, source)
            if missing is not None:
                yield await ask(missing)
                return
            try:
                async for event in _events_of(form, source, ask):
                    yield event
            finally:
                if not form.over:
                    await remote.cancel()
        finally:
            await source.close()
            # What was read on here is held, or over; also where passing the answers on came to nothing.
            if source.pump is not None and not held:
                await source.pump.close()

    async def _asked(self, call: Call, place: Place, state: Held, asked: Asked, *, for_s: float) -> Reply:
        """`input_required`, with what was asked kept in case some of it is not answered."""
        await self.holding.mailbox.keep(state.box, f"Q{state.after:06d}", dict(asked.requests), for_s=for_s)
        return _required(call, asked, await self.states.seal(state, call, place, for_s=for_s), state.server_info)

    async def _delivered(self, call: Call, state: Held, form: ModernForm, source: Letters) -> Asked | None:
        """Pass the client's answers on; what is still missing."""
        try:
            return await self._answer(call.message["params"].get("inputResponses"), form.place, state)
        except UpstreamError:
            # A call that has ended meanwhile takes no answers: how it ended is what the client should hear.
            if (ending := await source.ending()) is None:
                raise
            form.kept = ending
            return None

    async def _answer(self, responses: Any, place: Place, state: Held) -> Asked | None:
        """Pass the client's answers on, each once; what is still missing is asked again
        (2026-07-28 mrtr, Error Handling)."""
        given = {key: value for key, value in responses.items() if key in state.asked and isinstance(value, dict)} \
            if isinstance(responses, dict) else {}  # fmt: skip
        mailbox, remote = self.holding.mailbox, Remote(self.switchboard.upstream, place, state.address)
        for key, value in given.items():
            name = f"A{state.after:06d}{key}"
            # The state may be good for as long: an answer that is given again within that time is not passed on again.
            if await mailbox.mark(state.box, name, for_s=max(RESUMABLE_S, place.ask_s)):
                try:
                    await remote.reply(asks.answer(state.asked[key][0], value))
                except UpstreamError as problem:
                    # Whatever else ends this, a client that leaves too, says nothing of whether the server has it.
                    if isinstance(problem, UpstreamUnreachable) or problem.reason == NOT_TAKEN:
                        await mailbox.unmark(state.box, name)
                    raise
        missing = {key: ids for key, ids in state.asked.items() if key not in given}
        if not missing:
            return None
        kept = await mailbox.kept(state.box, f"Q{state.after:06d}") or {}
        return Asked({key: kept[key] for key in missing if key in kept}, missing)


async def _events_of(form: ModernForm, source: Source, ask: Callable[[Asked], Awaitable[Reply]]) -> Answer:
    begun = False
    while True:
        found = await form.next(source)
        if isinstance(found, bytes):
            begun = True
            yield sse.message(found)
            continue
        last = await ask(found) if isinstance(found, Asked) else found
        yield sse.message(last.body) if begun else last
        return


def _required(call: Call, asked: Asked, state: str, server_info: Mapping[str, Any] | None) -> Reply:
    found = asks.input_required(asked.requests, state)
    return Reply(200, reply.result(call, found | ({"_meta": {META_SERVER_INFO: server_info}} if server_info else {})))


def sent_anew(call: Call, place: Place, state: Again) -> Call:
    """The call as it was before it was refused: what the client adds to it is the gateway's, not the server's.

    Raises:
        UpstreamRefused: The client does not say that everything was opened.
        Refused: The same, of what the gateway itself has asked for.
    """
    params = call.message["params"]
    responses = params.get("inputResponses")
    given = responses if isinstance(responses, dict) else {}
    done = [given[key].get("action") == "accept" for key in state.asked if isinstance(given.get(key), dict)]
    if len(done) != len(state.asked) or not all(done):
        if state.told:
            raise Refused(state.told, reason=ConsentRequired.reason)
        told = f"{place.server.name} needs something to be done at the address it gave first, and that was declined."
        raise UpstreamRefused(told, reason="declined")
    before = {name: value for name, value in params.items() if name not in STATEFUL}
    message = {**call.message, "params": {**before, **(state.before or {})}}
    return call._replace(message=message, wire=json_text.write(message))
