"""HTTP requests to one upstream server. `tools/call` is sent at most once; what comes back is not judged here."""

from dataclasses import replace
from typing import Final, NamedTuple

from gateway_core.connect.locations import origin_of
from gateway_core.egress import Egress, Response
from gateway_core.errors import UpstreamUnreachable
from gateway_core.headers import NO_HEADERS
from gateway_core.parts import part
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import NAMED_BY
from gateway_core.registry.servers import Server
from gateway_core.upstream.auth import Answered, Asked, Fields, Ways
from gateway_core.upstream.auth.asked import MAX_CHALLENGE
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.identity import Identities
from gateway_core.upstream.outgoing import merged, passed_on

ACCEPT: Final = ("accept", "application/json, text/event-stream")
ACCEPT_STREAM: Final = ("accept", "text/event-stream")
CONTENT: Final = ("content-type", "application/json")
AGENT: Final = ("user-agent", "gatehouse/0.1")


class Dialect(NamedTuple):
    """What a request carries besides its body: the session behind it, where it belongs, for whom it is made."""

    revision: str
    """Revision of the registry that credentials must be as new as."""
    version: str | None
    session_id: str | None
    traceparent: str
    behalf: Behalf

    def within(self, version: str | None, session_id: str | None) -> "Dialect":
        """The same, within a session."""
        return self._replace(version=version, session_id=session_id)

    def for_all(self) -> "Dialect":
        """The same without the headers of a caller, who could choose with them what is found out for everybody."""
        return self._replace(behalf=replace(self.behalf, headers=NO_HEADERS))

    def fields(self) -> Fields:
        """The headers that say so."""
        fields = [("traceparent", self.traceparent)]
        if self.version is not None:
            fields.append(("mcp-protocol-version", self.version))
        if self.session_id is not None:
            fields.append(("mcp-session-id", self.session_id))
        return fields


class _Sending(NamedTuple):
    server: Server
    dialect: Dialect
    fields: Fields
    body: bytes = b""
    named: bool = False
    """See `auth.Asked`."""


def _sending(server: Server, dialect: Dialect, fields: Fields, call: Call) -> _Sending:
    return _Sending(server, dialect, fields, call.wire, call.method in NAMED_BY)


@part
class UpstreamClient:
    """One per process; connections are kept and shared."""

    egress: Egress
    ways: Ways
    identities: Identities

    async def post(self, server: Server, call: Call, dialect: Dialect, *, deadline: float) -> Response:
        """Send one message. The answer's head has arrived; `deadline` (event loop time) covers its body too."""
        fields = [ACCEPT, CONTENT, *call.routing]
        return await self._send("POST", server.url, _sending(server, dialect, fields, call), deadline)

    async def post_to(self, url: str, server: Server, call: Call, dialect: Dialect, *, deadline: float) -> Response:
        """The same, to the message endpoint that an HTTP+SSE server named.

        Raises:
            UpstreamUnreachable: `url` is of another origin than the server, which must not get its credentials.
        """
        if origin_of(url) != origin_of(server.url):
            raise UpstreamUnreachable(f"{server.name} wants its messages at another origin.")
        sending = _sending(server, dialect, [ACCEPT, CONTENT], call)
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
        server, dialect, behalf = sending.server, sending.dialect, sending.dialect.behalf
        asked = Asked(server, behalf, dialect.revision, url, deadline, sending.named)
        passed = passed_on(server, behalf.headers, behalf.token_headers)
        plain = [(header.name, header.value or "") for header in server.headers]
        flow, own = self.ways.flow(asked), [*sending.fields, *dialect.fields(), AGENT]
        try:
            # Nothing is sent before there is something to prove ourselves with, and to say who calls.
            credentials, told = await anext(flow), await self.identities.told(asked)
            while True:
                fields = merged(passed, credentials, plain, told, own)
                try:
                    response = await self.egress.send(method, url, fields, sending.body, deadline=deadline)
                except UpstreamUnreachable as problem:
                    raise UpstreamUnreachable(f"{server.name}: {problem.message}") from problem
                try:
                    credentials = await flow.asend(_answered(response))
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.close()
                    raise
                await response.close()
        finally:
            await flow.aclose()


def _answered(response: Response) -> Answered:
    headers = response.headers
    # A server behind API Gateway cannot send the header under its own name.
    challenge = headers.get("www-authenticate") or headers.get("x-amzn-remapped-www-authenticate")
    return Answered(response.status, challenge and challenge[:MAX_CHALLENGE])
