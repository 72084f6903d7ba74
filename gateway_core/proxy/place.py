"""Where a request stands once it is known who makes it and what it is for."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from gateway_core.access.callers import Caller
from gateway_core.access.endpoint import Endpoint
from gateway_core.errors import UpstreamClosed, UpstreamRefused
from gateway_core.headers import Headers
from gateway_core.protocol.session import Session
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.telemetry import CallRecord, traceparent_for
from gateway_core.upstream.client import Dialect

STOPPED: Final = "gateway_stopped"
"""Message of the cancellation that ends a call because the gateway stops; any other means that the client left."""
HOLDER_GONE: Final = "The process of the gateway that held this call may be gone"
"""How what a client hears begins whose answer comes when nobody seems to go on with its call."""
MARGIN_S: Final = 2.0
"""Time kept back from the platform's own limit, so that the client gets an answer instead of a cut line."""


def stopped(cancellation: asyncio.CancelledError) -> bool:
    """True when the gateway stops, so that the client is there and must be told."""
    return cancellation.args == (STOPPED,)


def stopped_early() -> UpstreamClosed:
    """What a client hears whose call was with the upstream when the gateway stopped."""
    return UpstreamClosed("The gateway was stopped before it had the answer.", reason=STOPPED)


def asking_is_off(server: Server, method: str) -> UpstreamRefused:
    """What a client hears whose server asks for something where nobody would wait for the answer."""
    return UpstreamRefused(
        f"{server.name} asks for something in mid-call ({method}), and this gateway waits for no answers: ASK_S is 0. "
        "Ask its operator to set ASK_S to the seconds that an answer may take.",
        reason="asking_is_off",
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request on an MCP endpoint."""

    method: str
    endpoint: Endpoint
    headers: Headers
    body: bytes
    ends_at: float
    """Event loop time at which the platform cuts the line; infinite where none does."""
    address: str = ""
    """Path of this request as the client knows it; empty where that cannot be known."""
    ticket: str | None = None
    """Which HTTP+SSE stream a message belongs to, as the URL says."""
    afterwards: list[asyncio.Task[None]] = field(default_factory=list)
    """Work that goes on after the answer has ended; the platform is held up until it is done."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything a step needs besides the call itself."""

    request: Request
    caller: Caller
    revision: str
    """Of the registry, as this request found it."""
    workspace: Workspace
    server: Server
    session: Session | None
    session_lost: bool
    """True when the client sent a session id that is not, or no longer, a session of this caller at this server."""
    record: CallRecord
    ask_s: int
    """How long a person or model may take to answer what a server asks in mid-call."""

    def deadline(self, now: float, for_s: float) -> float:
        """Event loop time until which something may take that may take `for_s`."""
        return min(now + for_s, self.request.ends_at - MARGIN_S)

    def dialect(self, version: str | None) -> Dialect:
        """How to speak to the upstream on behalf of a client that named `version`."""
        session_id = None
        if self.session is not None:
            version, session_id = version or self.session.version, self.session.upstream_id
        return self.sessionless().within(version, session_id)

    def sessionless(self) -> Dialect:
        """How to speak to the upstream outside any session."""
        return Dialect(self.revision, None, None, traceparent_for(self.record.trace_id))

    def in_session(self, session: Session) -> "Place":
        """The same place, in another session."""
        return replace(self, session=session, session_lost=False)
