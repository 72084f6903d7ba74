"""A call at a modern server. Its `input_required` becomes requests, their answers a retry (2026-07-28 mrtr)."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway_core.errors import UpstreamGarbage, UpstreamRefused
from gateway_core.protocol import outbound
from gateway_core.protocol.bridge import asks, errors, notifications, requests, results
from gateway_core.protocol.versions import HEADER_MISMATCH
from gateway_core.proxy.answering import finished_message, note
from gateway_core.proxy.lines import notification
from gateway_core.proxy.lines.tool_headers import ToolHeaders
from gateway_core.proxy.place import Place
from gateway_core.proxy.relay import Sent, answer_events
from gateway_core.telemetry import MAX_RECORDED
from gateway_core.upstream.answers import Message, error_code
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import is_stream, read_whole

logger = logging.getLogger(__name__)

MAX_ROUNDS: Final = 32
"""How often one call may ask. A server that has no end of questions has lost its way."""
SLOWEST_ROUND_S: Final = 2.0
"""Longest pause before a retry that nobody was asked for."""


@dataclass(slots=True, eq=False, repr=False)
class ModernLine:
    """See proxy.lines.Line. `message` is the call, already in the modern form."""

    upstream: UpstreamClient
    headers: ToolHeaders
    place: Place
    message: Mapping[str, Any]
    version: str
    """The client's, for what its revision cannot read."""
    _keys: dict[str, str] = field(default_factory=dict)
    """Ids of requests to the client, and the keys of `inputRequests` that they stand for."""
    _methods: dict[str, str] = field(default_factory=dict)
    _answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """By key of `inputRequests`."""
    _refusal: str = ""
    _complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        message = self.message
        for turn in range(MAX_ROUNDS):
            async with aclosing(self._sent(message)) as heard:
                async for each in heard:
                    if each.kind == "notification":
                        yield each
            answer = each
            asked = self._asked(answer)
            if asked is None:
                yield self._final(answer)
                return
            for request in self._ask(asked[0]):
                yield request
            await self._answered(turn)
            retry_id = f"{self.message['id']}-{turn + 1}"
            message = requests.with_answers(message, call_id=retry_id, responses=self._answers, state=asked[1])
        raise UpstreamGarbage(f"{self.place.server.name} asked more than {MAX_ROUNDS} times during one call.")

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply. An answer that the modern era cannot carry ends the call."""
        ask_id = str(response["id"])
        key = self._keys.get(ask_id)
        if key is None or key in self._answers:
            return
        value = asks.response_of(self._methods[ask_id], response)
        if value is None:
            said = response.get("error")
            words = said.get("message") if isinstance(said, dict) else None
            self._refusal = f"The client refused {self._methods[ask_id]}: {words or 'it did not say why'}."
            self._complete.set()
            return
        self._answers[key] = value
        if len(self._answers) == len(self._keys):
            self._complete.set()

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel. Closing its stream has told the server (2026-07-28 cancellation)."""

    async def _sent(self, message: Mapping[str, Any]) -> AsyncGenerator[Message]:
        """One request and what comes of it, the answer last."""
        place, again = self.place, False
        while True:
            call = outbound.modern_call(message, await self.headers.fields(place, message, fresh=again))
            deadline = place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)
            dialect = place.sessionless().within(call.version, None)
            response = await self.upstream.post(place.server, call, dialect, deadline=deadline)
            if response.status == 200 and is_stream(response):
                break
            # On a record of its own: what is sent again has not failed yet.
            apart = replace(place, record=place.record.part())
            answer = finished_message(call, response, await read_whole(response), apart)
            if again or call.method != "tools/call" or (response.status, error_code(answer)) != (400, HEADER_MISMATCH):
                note(answer, place)
                yield answer
                return
            # Refused at the door: the tool's schema has changed (2026-07-28 streamable-http, Client Behavior).
            again = True
        async with aclosing(answer_events(self.upstream, Sent(call, dialect, response, deadline), place)) as events:
            async for _, heard in events:
                if heard is None:
                    continue
                if heard.kind != "notification":
                    yield heard
                elif (value := notifications.to_legacy(heard.value)) is not None:
                    yield notification(value)

    def _asked(self, answer: Message) -> tuple[dict[str, Mapping[str, Any]], str | None] | None:
        """What an answer asks for; None for one that is final."""
        name, method = self.place.server.name, self.message["method"]
        if answer.kind != "answer":
            return None
        if not isinstance(answer.value["result"], dict):
            raise UpstreamGarbage(f"{name} answered with a result that is no object.")
        asked = asks.read_input_required(answer.value["result"])
        if asked is not None and method not in errors.ASKING:
            raise UpstreamGarbage(f"{name} asks for input in {method}, where that is not allowed.")
        return asked

    def _ask(self, wanted: Mapping[str, Mapping[str, Any]]) -> list[Message]:
        """What the server wants to know, as requests under ids that come back in `reply`."""
        prefix = secrets.token_hex(8)
        self._complete.clear()
        self._answers.clear()
        self._keys = {f"{prefix}-{index}": key for index, key in enumerate(wanted)}
        self._methods = {ask_id: wanted[key]["method"] for ask_id, key in self._keys.items()}
        return [Message("request", b"", asks.to_legacy(ask_id, wanted[key])) for ask_id, key in self._keys.items()]

    async def _answered(self, turn: int) -> None:
        """Return when everything is answered."""
        if not self._keys:
            await asyncio.sleep(min(0.05 * 2**turn, SLOWEST_ROUND_S))
            return
        await self._complete.wait()
        if self._refusal:
            raise UpstreamRefused(self._refusal, reason="client_refused")

    def _final(self, answer: Message) -> Message:
        method, value = self.message["method"], answer.value
        if answer.kind == "error":
            return Message("error", b"", {**value, "error": errors.to_legacy(method, value["error"])})
        if method == "tools/list":
            _log_dropped(value["result"], self.place)
        result = results.to_legacy(method, value["result"], version=self.version)
        return Message("answer", b"", {**value, "result": result})


def _log_dropped(result: Mapping[str, Any], place: Place) -> None:
    for name, why in results.dropped_tools(result):
        fields = {"server": place.server.slug, "tool": name[:MAX_RECORDED], "why": why}
        logger.warning("tool_left_out", extra={"fields": fields})
