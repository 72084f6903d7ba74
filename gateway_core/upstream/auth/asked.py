"""A request that is to be proved, and what came back, as the ways of proving it see them. Pure."""

from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

from gateway_core.registry.servers import Server
from gateway_core.upstream.behalf import Behalf, Patience

MAX_CHALLENGE: Final = 4_096
"""Characters of a WWW-Authenticate field that are looked at."""

Fields = list[tuple[str, str]]
AuthFlow = AsyncGenerator[Fields, "Answered"]


class Answered(NamedTuple):
    """What came back. The challenge is for the gateway alone: a client would be sent to somebody else's log-in."""

    status: int
    challenge: str | None
    """WWW-Authenticate, at most `MAX_CHALLENGE` characters of it."""


class Asked(NamedTuple):
    """One request."""

    server: Server
    behalf: Behalf
    revision: str
    """Of the registry, which credentials must be as new as."""
    url: str
    """Where it goes."""
    deadline: float
    """Event loop time at which it is over."""
    named: bool
    """True for a call that names something, like a tool: when the server takes one, it has what it wants."""

    @property
    def patience(self) -> Patience:
        """How long a new credential may take."""
        return Patience(self.deadline, self.behalf.ends_at, self.behalf.afterwards)


def bearer(token: str) -> Fields:
    """A token as a header (RFC 6750, section 2.1)."""
    return [("authorization", f"Bearer {token}")]
