"""Where a request stands once it is known who makes it and what it is for."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from gateway_core.access.callers import Caller
from gateway_core.access.endpoint import Endpoint
from gateway_core.errors import Refused, UpstreamClosed, UpstreamRefused
from gateway_core.headers import Headers
from gateway_core.ports import Item
from gateway_core.protocol.session import Session
from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Organisation, Workspace
from gateway_core.telemetry import CallRecord, traceparent_for
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.client import Dialect
from gateway_core.upstream.outgoing import passed_on

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


@contextmanager
def midway(server: Server) -> Iterator[None]:
    """For words to a server about a call that it has: a refusal of the gateway itself would read as if the call had not
    begun, and whoever is asked for consent then sends it once more."""
    try:
        yield
    except Refused as problem:
        told = f"{server.name} could not be told more about this call: the gateway lost its access there."
        raise UpstreamRefused(told, reason=problem.reason) from problem


def asking_is_off(server: Server, method: str) -> UpstreamRefused:
    """What a client hears whose server asks for something where nobody would wait for the answer."""
    return UpstreamRefused(
        f"{server.name} asks for something in mid-call ({method}), and this gateway waits for no answers: ASK_S is 0. "
        "Ask its operator to set ASK_S to the seconds that an answer may take.",
        reason="asking_is_off",
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Place:
    """Everything a step needs besides the call itself."""

    request: Request
    caller: Caller
    organisation: Organisation
    """As this request found it."""
    workspace: Workspace
    server: Server
    session: Session | None
    session_lost: bool
    """True when the client sent a session id that is not, or no longer, a session of this caller at this server."""
    record: CallRecord
    ask_s: int
    """How long a person or model may take to answer what a server asks in mid-call."""
    member: Member | None = None
    """The caller as a person of the organisation, where they are one."""
    connection: Item | None = None
    """The account that the server is used with, where there is one."""
    bearer: str = field(default="", repr=False)
    """The token of another issuer that the caller has sent."""
    token_headers: frozenset[str] = frozenset()
    """Headers in which such tokens are taken."""

    @property
    def account(self) -> str:
        """As whom the server takes this request, besides as the caller's: with which account, which is another one
        after it was connected anew, and with which headers that are passed on. What is kept at the server for one of
        these is nothing to the next.

        Raises:
            Refused: More headers would be passed on than may be.
        """
        found = self.connection
        account = "" if found is None else f"{found.data['holder'][1]} {found.data['connected_at']}"
        passed = passed_on(self.server, self.request.headers, self.token_headers)
        return f"{account} {hashlib.sha256(repr(passed).encode()).hexdigest()}" if passed else account

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
        behalf = Behalf(
            caller=self.caller,
            member=self.member,
            workspace=self.workspace,
            organisation=self.organisation.name,
            headers=self.request.headers,
            token_headers=self.token_headers,
            client=self.record.client,
            connection_item=self.connection,
            bearer=self.bearer,
            ends_at=self.request.ends_at,
            afterwards=self.request.afterwards,
        )
        return Dialect(self.organisation.revision, None, None, traceparent_for(self.record.trace_id), behalf)

    def in_session(self, session: Session) -> "Place":
        """The same place, in another session."""
        return replace(self, session=session, session_lost=False)
