"""HTTP requests to one upstream server. `tools/call` is sent at most once; what comes back is not judged here."""

from dataclasses import dataclass
from typing import Final

from gateway_core.egress import Egress, Response
from gateway_core.errors import UpstreamUnreachable
from gateway_core.protocol.inbound import Call
from gateway_core.registry.servers import Server
from gateway_core.upstream import auth
from gateway_core.upstream.auth import Fields, HeldSecrets

ACCEPT: Final = ("accept", "application/json, text/event-stream")
ACCEPT_STREAM: Final = ("accept", "text/event-stream")
CONTENT: Final = ("content-type", "application/json")
AGENT: Final = ("user-agent", "gatehouse/0.1")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a request carries besides its body: the session behind it, where it belongs, on whose word."""

    revision: str
    """Revision of the registry that credentials must be as new as."""
    version: str | None
    session_id: str | None
    traceparent: str

    def fields(self) -> Fields:
        """The headers that say so."""
        fields = [("traceparent", self.traceparent)]
        if self.version is not None:
            fields.append(("mcp-protocol-version", self.version))
        if self.session_id is not None:
            fields.append(("mcp-session-id", self.session_id))
        return fields


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """One per process; connections are kept and shared."""

    egress: Egress
    secrets: HeldSecrets

    async def post(self, server: Server, call: Call, dialect: Dialect, *, deadline: float) -> Response:
        """Send one message. The answer's head has arrived; `deadline` (event loop time) covers its body too."""
        fields = [ACCEPT, CONTENT, *call.routing]
        return await self._send("POST", server, dialect, fields, call.wire, deadline)

    async def listen(self, server: Server, dialect: Dialect, last_event_id: str | None, *, deadline: float) -> Response:
        """Open, or resume, the stream of a legacy session (2025-11-25 transports, Listening for Messages)."""
        fields = [ACCEPT_STREAM]
        if last_event_id is not None:
            fields.append(("last-event-id", last_event_id))
        return await self._send("GET", server, dialect, fields, b"", deadline)

    async def end_session(self, server: Server, dialect: Dialect, *, deadline: float) -> Response:
        """End a legacy session (2025-11-25 transports, Session Management, item 5)."""
        return await self._send("DELETE", server, dialect, [ACCEPT], b"", deadline)

    async def _send(
        self, method: str, server: Server, dialect: Dialect, fields: Fields, body: bytes, deadline: float
    ) -> Response:
        flow = auth.flow(server, self.secrets, dialect.revision)
        fields = [*fields, *dialect.fields(), AGENT]
        try:
            credentials = await anext(flow)
            while True:
                try:
                    response = await self.egress.send(method, server.url, fields + credentials, body, deadline=deadline)
                except UpstreamUnreachable as problem:
                    raise UpstreamUnreachable(f"{server.name}: {problem.message}") from problem
                if response.status != 401:
                    return response
                try:
                    credentials = await flow.asend(response.status)
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.close()
                    raise
                await response.close()
        finally:
            await flow.aclose()
