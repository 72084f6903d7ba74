"""What a legacy server says in the course of a call, in the form that a modern client reads."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gateway_core.errors import BadRequest, UpstreamError, UpstreamGarbage
from gateway_core.protocol import reply
from gateway_core.protocol.bridge import asks, errors, notifications, results
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Reply
from gateway_core.protocol.versions import (
    META_CLIENT_CAPABILITIES,
    META_LOG_LEVEL,
    METHOD_NOT_FOUND,
    MISSING_CLIENT_CAPABILITY,
    MODERN_STATUS,
)
from gateway_core.proxy.guests import meta_of
from gateway_core.proxy.holding import Source
from gateway_core.proxy.place import Place, asking_is_off
from gateway_core.upstream.answers import Message

GATHER_S: Final = 0.05
"""Questions that come this soon after one another go to the client together."""


class Asked(NamedTuple):
    """What the client is to answer before the call can go on."""

    requests: Mapping[str, Mapping[str, Any]]
    """`inputRequests`."""
    ids: Mapping[str, tuple[str | int, str]]
    """Key → id of the server's request and its method. Empty: the server has refused the call until all is done."""


@dataclass(slots=True, eq=False, repr=False)
class ModernForm:
    """Of one request of a client."""

    call: Call
    place: Place
    token: str
    """Progress token of the call at the server."""
    server_info: Mapping[str, Any] | None
    reply: Callable[[Mapping[str, Any]], Awaitable[None]]
    """Answers a request of the server."""
    over: bool = field(default=False)
    """True once the response has been given what ends it."""
    kept: Message | None = field(default=None)
    """What was read already and is looked at next."""

    async def next(self, source: Source) -> bytes | Asked | Reply:
        """A message for the open stream, or what ends the response.

        Raises:
            BadRequest: The server asks for what this client cannot give (2026-07-28 basic, `_meta`).
            UpstreamError: What ended the call.
        """
        while True:
            message, self.kept = self.kept or await source.next(), None
            if message.kind == "notification":
                if (body := self._notification(message)) is not None:
                    return body
            elif message.kind == "request":
                if (first := await self._askable(message)) is not None:
                    asked = await self._gathered(first, source)
                    if self.kept is not None:
                        # The server has answered the call without waiting: its question is nobody's any more.
                        continue
                    self.over = True
                    return asked
            else:
                self.over = True
                return self._final(message)

    async def _gathered(self, first: Mapping[str, Any], source: Source) -> Asked:
        """`first` and what is asked at the same time. Whatever else comes is looked at later."""
        asked = [first]
        while len(asked) < asks.MAX_ASKS and (message := await source.soon(GATHER_S)) is not None:
            if message.kind != "request":
                # In a held call it would be lost to this client: notifications are, an answer must not be.
                if message.kind == "notification":
                    continue
                self.kept = message
                break
            if (another := await self._askable(message)) is not None:
                asked.append(another)
        named = {f"ask-{index}": request for index, request in enumerate(asked, 1)}
        ids = {key: (request["id"], request["method"]) for key, request in named.items()}
        return Asked({key: asks.to_modern(request) for key, request in named.items()}, ids)

    async def _askable(self, message: Message) -> Mapping[str, Any] | None:
        """A request that the client can answer; None for one that the gateway has answered itself."""
        request, method = message.value, message.value.get("method")
        if method == "ping":
            await self._decline(request, {"result": {}})
            return None
        if method not in asks.ASKS or self.call.method not in errors.ASKING:
            # Only some requests may be answered with a question (2026-07-28 mrtr, Supported Requests).
            error = {"code": METHOD_NOT_FOUND, "message": f"{str(method)[:100]} cannot be asked of this client here."}
            await self._decline(request, {"error": error})
            return None
        name, params, declared = self.place.server.name, request.get("params"), self._declared()
        lacking = asks.lacking(declared, str(method), params if isinstance(params, dict) else {})
        if lacking is not None:
            told = f"{name} needs to ask for something in mid-call ({method}); the client lacks {lacking}."
            data = {"requiredCapabilities": asks.required(lacking)}
            problem = BadRequest(told, code=MISSING_CLIENT_CAPABILITY, data=data, reason="client_cannot")
            raise problem.of(self.call.id)
        if self.place.ask_s == 0:
            raise asking_is_off(self.place.server, str(method))
        return request

    async def _decline(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Answer in the client's place. The call goes on whether the server takes it or not."""
        with suppress(UpstreamError):
            await self.reply({"jsonrpc": "2.0", "id": request["id"], **answer})

    def _declared(self) -> Mapping[str, Any]:
        declared = meta_of(self.call).get(META_CLIENT_CAPABILITIES)
        return declared if isinstance(declared, dict) else {}

    def _notification(self, message: Message) -> bytes | None:
        meta = meta_of(self.call)
        value = notifications.to_modern(message.value, log_level=meta.get(META_LOG_LEVEL))
        if value is None:
            return None
        if value["method"] == "notifications/progress":
            params = value.get("params")
            if not isinstance(params, dict) or params.get("progressToken") != self.token or "progressToken" not in meta:
                return None
            value = {**value, "params": {**params, "progressToken": meta["progressToken"]}}
        return reply.dump(value)

    def _final(self, message: Message) -> Asked | Reply:
        value, method = message.value, self.call.method
        if message.kind == "answer":
            if not isinstance(value["result"], dict):
                raise UpstreamGarbage(f"{self.place.server.name} answered with a result that is no object.")
            result = results.to_modern(method, value["result"], server_info=self.server_info)
            return Reply(200, reply.dump({**value, "id": self.call.id, "result": result}))
        if (elsewhere := self._elsewhere(value["error"])) is not None:
            return elsewhere
        error = errors.to_modern(method, value["error"])
        status = MODERN_STATUS.get(error.get("code", 0), 200)
        return Reply(status, reply.dump({**value, "id": self.call.id, "error": error}))

    def _elsewhere(self, error: Any) -> Asked | None:
        """The -32042 of 2025-11-25 as what took its place: addresses to open before the call is sent anew."""
        method, may_ask = "elicitation/create", self.place.ask_s and self.call.method in errors.ASKING
        wanted = errors.url_elicitations(error) if isinstance(error, dict) and may_ask else []
        if not wanted or any(asks.lacking(self._declared(), method, params) for params in wanted):
            return None
        made = [asks.to_modern({"method": method, "params": params}) for params in wanted]
        return Asked({f"ask-{index}": each for index, each in enumerate(made, 1)}, {})
