"""How many tools a server shows to whoever asks, in its own era and by its own transport. None of them is called."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.egress import Response
from gateway_core.errors import UpstreamGarbage, UpstreamRefused
from gateway_core.protocol import outbound
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import METHOD_NOT_FOUND
from gateway_core.registry.servers import Server
from gateway_core.upstream.answers import Message, error_code, refused
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.reading import read_answer
from gateway_core.upstream.sessions import Guest, end_session, open_session
from gateway_core.upstream.spoken import Spoken
from gateway_core.upstream.sse_sessions import open_sse
from gateway_core.upstream.token_answers import public_words

ID: Final = "gatehouse-list"
MAX_PAGES: Final = 20
"""Pages of one list. A server whose cursors lead round in circles is left after as many."""

Params = dict[str, Any]
Ask = Callable[[Params], Awaitable[Message]]
"""From the parameters of `tools/list` to the answer."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Asks one server, on the word of `dialect`."""

    client: UpstreamClient
    server: Server
    dialect: Dialect
    deadline: float
    """Event loop time. What comes on a stream of HTTP+SSE is not bounded by it: whoever counts does that."""

    async def count(self, spoken: Spoken) -> int:
        """How many tools the server lists; 0 where it knows of no such thing. A session is opened for this alone.

        Raises:
            UpstreamError: It gives no list.
            Refused: There is no credential to ask with.
        """
        if spoken.modern:
            return await self._counted(self._modern)
        return await (self._on_stream() if spoken.legacy == "sse" else self._in_session())

    async def _modern(self, params: Params) -> Message:
        call = outbound.own_call("tools/list", params, call_id=ID)
        return await self._posted(call, self.dialect.within(call.version, None))

    async def _in_session(self) -> int:
        session = await open_session(self.client, self.server, self.dialect, self._guest, deadline=self.deadline)
        within = self.dialect.within(session.version, session.session_id)
        try:
            return await self._counted(lambda params: self._posted(_legacy(params), within))
        finally:
            await end_session(self.client, self.server, self.dialect, session)

    async def _on_stream(self) -> int:
        session = await open_sse(self.client, self.server, self.dialect, self._guest, deadline=self.deadline)

        async def ask(params: Params) -> Message:
            call = _legacy(params)
            await session.connection.send(call, deadline=self.deadline)
            return await session.connection.answer(call)

        try:
            return await self._counted(ask)
        finally:
            await session.connection.close()

    async def _counted(self, ask: Ask) -> int:
        count, params = 0, Params()
        for _ in range(MAX_PAGES):
            page = self._page(await ask(params))
            count += len(page["tools"])
            if not isinstance(page.get("nextCursor"), str):
                break
            params = {"cursor": page["nextCursor"]}
        return count

    def _page(self, answer: Message) -> Mapping[str, Any]:
        """One page of the list."""
        name = self.server.name
        if answer.kind == "error" and error_code(answer) == METHOD_NOT_FOUND:
            return {"tools": []}
        if answer.kind == "error":
            raise UpstreamRefused(f"{name} refuses tools/list{_words_of(answer)}")
        result = answer.value["result"]
        if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
            raise UpstreamGarbage(f"{name} answers tools/list with no list of tools.")
        return result

    async def _posted(self, call: Call, dialect: Dialect) -> Message:
        response = await self.client.post(self.server, call, dialect, deadline=self.deadline)
        async with response:
            if _refuses(response):
                raise refused(response.status, response.headers, self.server)
            return await read_answer(response, call, self.server.name)

    @property
    def _guest(self) -> Guest:
        return Guest(self.dialect.behalf.caller.principal, outbound.GATEWAY, {})


def _refuses(response: Response) -> bool:
    status = response.status
    return status in (401, 403, 429) or 300 <= status < 400 or status >= 500


def _legacy(params: Params) -> Call:
    return outbound.legacy_call({"jsonrpc": "2.0", "id": ID, "method": "tools/list", "params": params})


def _words_of(answer: Message) -> str:
    error = answer.value["error"]
    words = error.get("message") if isinstance(error, dict) else None
    said = public_words(words, frozenset())
    return f": {said}" if said else "."
