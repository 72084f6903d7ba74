"""For whom a request is made at an upstream, and how long they can wait. Pure."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway_core.access.callers import Caller
from gateway_core.headers import Headers
from gateway_core.ports import Item
from gateway_core.registry.members import Member
from gateway_core.registry.workspaces import Workspace


class Patience(NamedTuple):
    """How long whoever asks can wait. Both are times of the event loop."""

    deadline: float
    """When their own call is over."""
    ends_at: float
    """When the platform cuts everything off; infinite where none does."""
    afterwards: list[asyncio.Task[None]]
    """Takes work that has to end before the platform may halt."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Behalf:
    """Whose request it is, as far as an upstream's ways of knowing callers take it."""

    caller: Caller
    member: Member | None
    """The caller as a person of the organisation; None for services, and for people of other issuers."""
    workspace: Workspace
    organisation: str
    """Its name."""
    headers: Headers
    """Of the caller's own request."""
    token_headers: frozenset[str]
    """Headers in which the gateway takes tokens of other issuers, in lower case; see `Directory.token_headers`."""
    client: str
    """The program that the caller uses, as it is known by now; may be empty."""
    connection_item: Item | None
    """The account that the server is used with, as it was when the request came in."""
    bearer: str = field(repr=False)
    """The token of another issuer that the caller has sent; empty for credentials of this gateway."""
    ends_at: float
    """Event loop time at which the platform cuts the request off; infinite where none does."""
    afterwards: list[asyncio.Task[None]]
    """Takes work that goes on behind the answer; the platform is held up until it is done."""
