"""Finding out what a server speaks: modern first, then `initialize`, then HTTP+SSE
(2026-07-28 streamable-http, Backward Compatibility). Nothing is called: a probe has no effect at the server."""

import asyncio
from typing import Any, Final, NamedTuple

from gateway_core.egress import Response
from gateway_core.errors import (
    UpstreamClosed,
    UpstreamError,
    UpstreamGarbage,
    UpstreamRefused,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from gateway_core.parts import part
from gateway_core.protocol import outbound
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import LEGACY_VERSIONS, MODERN_VERSIONS, UNSUPPORTED_VERSION, Era
from gateway_core.registry.servers import Server
from gateway_core.upstream.answers import MODERN_ERRORS, Message, error_code, refused
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.http_sse import connect
from gateway_core.upstream.reading import read_answer
from gateway_core.upstream.sessions import UpstreamSession, end_session
from gateway_core.upstream.spoken import Spoken, doubt

PROBE_S: Final = 10.0
"""How long each question may take. A server may stay silent at a request that it does not know."""
DISCOVER, INITIALIZE = outbound.discover("gatehouse-probe"), outbound.initialize(
    "gatehouse-probe", version=outbound.LATEST_LEGACY, capabilities={}, client=outbound.GATEWAY
)  # fmt: skip


class Heard(NamedTuple):
    """What came back to one question."""

    status: int
    message: Message | None
    response: Response | None
    problem: UpstreamError | None = None
    """Why nothing came back."""

    @property
    def session_id(self) -> str | None:
        """Of the session that `initialize` has opened."""
        return None if self.response is None else self.response.headers.get("mcp-session-id")

    @property
    def modern_error(self) -> bool:
        """True for an error that only a modern server gives."""
        return self.message is not None and (self.status, error_code(self.message)) in MODERN_ERRORS

    @property
    def result(self) -> dict[str, Any]:
        """The result, {} where there is none."""
        found = None if self.message is None else self.message.value.get("result")
        return found if isinstance(found, dict) else {}


@part
class Probe:
    """Asks one server, on the word of `dialect`."""

    client: UpstreamClient
    server: Server
    dialect: Dialect

    async def __call__(self, era: Era = "legacy") -> Spoken:
        """What the server speaks, as far as a client of `era` needs it: a modern one is content with a modern server.

        Raises:
            UpstreamError: It cannot be told now: unreachable, refused, failing, or no MCP at all.
        """
        server = self.server
        discovered = await self._ask(DISCOVER) if server.era != "legacy" else None
        modern = discovered is not None and _shows_modern(discovered)
        if modern and era == "modern":
            return Spoken(modern=True, legacy="unasked")
        initialized = await self._ask(INITIALIZE)
        if _shows_legacy(initialized):
            opened = UpstreamSession(initialized.session_id, initialized.result)
            await end_session(self.client, server, self.dialect, opened)
            return Spoken(modern=modern, legacy="http")
        if modern or (initialized.modern_error and server.era != "legacy"):
            return Spoken(modern=True, legacy=None)
        if server.transport == "auto" and await self._streams():
            return Spoken(modern=False, legacy="sse")
        raise _inconclusive(server, initialized)

    async def _ask(self, call: Call) -> Heard:
        """The answer. A server that fails at a question, or is silent, may still know the next one."""
        deadline = self._soon()
        version = call.version if call.era == "modern" else None
        try:
            response = await self.client.post(self.server, call, self.dialect.within(version, None), deadline=deadline)
            if response.status in (401, 403, 429):
                await response.close()
                raise refused(response.status, response.headers, self.server)
            try:
                return Heard(response.status, await read_answer(response, call, self.server.name), response)
            except UpstreamGarbage:
                return Heard(response.status, None, response)
            finally:
                await response.close()
        except (UpstreamTimedOut, UpstreamClosed) as problem:
            return Heard(0, None, None, problem)

    async def _streams(self) -> bool:
        deadline = self._soon()
        try:
            connection = await connect(self.client, self.server, self.dialect.within(None, None), deadline=deadline)
        except (UpstreamUnreachable, UpstreamGarbage):
            raise
        except UpstreamError:
            return False
        if connection is not None:
            await connection.close()
        return connection is not None

    def _soon(self) -> float:
        return asyncio.get_running_loop().time() + min(PROBE_S, self.server.timeout_s)


def _shows_modern(heard: Heard) -> bool:
    """True for a modern answer to `server/discover`. One that names earlier revisions alone is a legacy server's."""
    supported = heard.result.get("supportedVersions")
    if heard.message is not None and error_code(heard.message) == UNSUPPORTED_VERSION:
        data = heard.message.value["error"].get("data")
        supported = data.get("supported") if isinstance(data, dict) else None
    if isinstance(supported, list):
        return any(version in MODERN_VERSIONS for version in supported)
    return heard.modern_error


def _shows_legacy(heard: Heard) -> bool:
    return heard.status == 200 and heard.result.get("protocolVersion") in LEGACY_VERSIONS


def _inconclusive(server: Server, initialized: Heard) -> UpstreamError:
    if initialized.problem is not None:
        told = f"{server.name} could not be asked what it speaks: {initialized.problem.message} Your call was not sent."
        return UpstreamRefused(told, reason=initialized.problem.reason)
    if 300 <= initialized.status < 400 or initialized.status >= 500:
        return refused(initialized.status, {}, server)
    said = f"HTTP {initialized.status}{_words_of(initialized.message)}"
    asked = "initialize" if server.era == "legacy" else "server/discover or initialize"
    streams = ", and opens no HTTP+SSE stream" if server.transport == "auto" else ""
    told = f"{server.name} answers {asked} with nothing that the gateway can use ({said}){streams}."
    return UpstreamGarbage(told + doubt(server, besides="its URL"), reason="upstream_not_mcp")


def _words_of(message: Message | None) -> str:
    """What an error says, after a comma and without a full stop, or nothing."""
    error = None if message is None or message.kind != "error" else message.value["error"]
    words = error.get("message") if isinstance(error, dict) else None
    return f", {words[:200].rstrip('. ')}" if isinstance(words, str) and words else ""
