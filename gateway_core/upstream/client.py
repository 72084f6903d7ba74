"""HTTP requests to one upstream server. `tools/call` is sent at most once; what comes back is not judged here."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

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


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL (RFC 6454, section 4)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a request carries besides its body: the session behind it, where it belongs, on whose word."""

    revision: str
    """Revision of the registry that credentials must be as new as."""
    version: str | None
    session_id: str | None
    traceparent: str

    def within(self, version: str | None, session_id: str | None) -> "Dialect":
        """The same, within a session."""
        return Dialect(self.revision, version, session_id, self.traceparent)

    def fields(self) -> Fields:
        """The headers that say so."""
        fields = [("traceparent", self.traceparent)]
        if self.version is not None:
            fields.append(("mcp-protocol-version", self.version))
        if self.session_id is not None:
            fields.append(("mcp-session-id", self.session_id))
        return fields


@dataclass(frozen=True, slots=True)
class _Sending:
    server: Server
    dialect: Dialect
    fields: Fields
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """One per process; connections are kept and shared."""

    egress: Egress
    secrets: HeldSecrets

    async def post(self, server: Server, call: Call, dialect: Dialect, *, deadline: float) -> Response:
        """Send one message. The answer's head has arrived; `deadline` (event loop time) covers its body too."""
        fields = [ACCEPT, CONTENT, *call.routing]
        return await self._send("POST", server.url, _Sending(server, dialect, fields, call.wire), deadline)

    async def post_to(self, url: str, server: Server, call: Call, dialect: Dialect, *, deadline: float) -> Response:
        """The same, to the message endpoint that an HTTP+SSE server named.

        Raises:
            UpstreamUnreachable: `url` is of another origin than the server, which must not get its credentials.
        """
        if origin_of(url) != origin_of(server.url):
            raise UpstreamUnreachable(f"{server.name} wants its messages at another origin.")
        sending = _Sending(server, dialect, [ACCEPT, CONTENT], call.wire)
        return await self._send("POST", url, sending, deadline)

    async def listen(self, server: Server, dialect: Dialect, last_event_id: str | None, *, deadline: float) -> Response:
        """Open, or resume, the stream of a legacy session (2025-11-25 transports, Listening for Messages)."""
        fields = [ACCEPT_STREAM]
        if last_event_id is not None:
            fields.append(("last-event-id", last_event_id))
        return await self._send("GET", server.url, _Sending(server, dialect, fields), deadline)

    async def end_session(self, server: Server, dialect: Dialect, *, deadline: float) -> Response:
        """End a legacy session (2025-11-25 transports, Session Management, item 5)."""
        return await self._send("DELETE", server.url, _Sending(server, dialect, [ACCEPT]), deadline)

    async def _send(self, method: str, url: str, sending: _Sending, deadline: float) -> Response:
        server = sending.server
        flow = auth.flow(server, self.secrets, sending.dialect.revision)
        fields = [*sending.fields, *sending.dialect.fields(), AGENT]
        try:
            credentials = await anext(flow)
            while True:
                try:
                    response = await self.egress.send(
                        method, url, fields + credentials, sending.body, deadline=deadline
                    )
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
