"""When a connection needs new tokens, how it gets them, and what it is after that. Pure but for `Source`."""

from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from gateway_core.registry.servers import Server
from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from gateway_core.upstream.token_answers import Granted, ServerError, TokenRefusal, Unreachable
from gateway_core.upstream.token_endpoint import TokenRequest

MARGIN_S: Final = 60.0
"""So long before its end a token is not sent any more: it must be good when the server reads it, by the server's clock.
A tenth of its life where that is less."""
EARLY_PART: Final = 5
"""In the last fifth of its life a token may be renewed early, so that few calls ever wait for that."""
BACKOFF_S, SLOWEST_BACKOFF_S = 2, 30
"""Pause after a token endpoint gave no usable answer; twice as long each time."""
REFUSED_AGAIN_S: Final = 30
"""Pause after it refused for a reason that somebody may mend at any moment."""


class Standing(NamedTuple):
    """A connection and what it holds."""

    connection: Connection | None
    """None: there is none, or it was removed."""
    tokens: Tokens | None
    """None: it holds none, or none that could be opened."""

    def sendable(self, now: int) -> bool:
        """True where the access token may be sent, as far as anybody was told."""
        connection = self.connection
        if connection is None or self.tokens is None or connection.state == "needs_consent":
            return False
        return connection.expires_at is None or now < connection.expires_at


class Plan(NamedTuple):
    """What to ask for new tokens."""

    connection: Connection
    """What the connection is then, but for the tokens."""
    request: TokenRequest


class Source(Protocol):
    """Where the tokens of one connection come from."""

    @property
    def server(self) -> Server:
        """Whose connection it is."""
        ...

    @property
    def holder(self) -> Holder:
        """And for whom."""
        ...

    @property
    def consented(self) -> bool:
        """True where somebody let the gateway have them, and can do so again."""
        ...

    def able(self, tokens: Tokens | None) -> bool:
        """True where there is something to ask with."""
        ...

    async def plan(self, current: Connection | None, tokens: Tokens | None) -> Plan:
        """What to ask for tokens in place of `tokens`.

        Raises:
            Refused: A setting is missing; the message says which.
            UpstreamError: Nobody can tell where to ask.
        """
        ...

    async def proof_changed(self) -> bool:
        """Whether the secret by which the client proves itself is another by now than the one that was used."""
        ...

    def tokens(self, before: Tokens | None, granted: Granted) -> Tokens:
        """What to keep of an answer."""
        ...


def name_of(source: Source) -> str:
    """One word for its connection, for logs; no secret."""
    return f"{source.server.id}/{source.holder.id}"


def due(connection: Connection, now: int) -> bool:
    """True when the access token is too close to its end to be sent, if another can be had."""
    return connection.expires_at is not None and now >= connection.expires_at - _margin_s(connection)


def drawn_early(connection: Connection, now: int, draw: float) -> bool:
    """Whether this call renews the tokens for those to come, while all go on with the old ones. The more likely, the
    closer the end is.

    Args:
        connection: One that is not due.
        now: Unix time.
        draw: At random, from 0 to 1.
    """
    if connection.expires_at is None:
        return False
    begins = connection.expires_at - _life_s(connection) / EARLY_PART
    window_s = connection.expires_at - _margin_s(connection) - begins
    return now > begins and draw * window_s < now - begins


def renewed_by(plan: Plan, granted: Granted, asked_at: int) -> Connection:
    """The connection with the tokens that were granted; their life counts from when they were asked for."""
    return replace(
        plan.connection,
        scopes=plan.connection.scopes if granted.scopes is None else granted.scopes,
        refreshed_at=asked_at,
        expires_at=None if granted.expires_in is None else asked_at + granted.expires_in,
        state="ok",
        why=None,
        not_before=0,
        failures=0,
    )


def failed_by(plan: Plan, refusal: TokenRefusal, why: str, now: int) -> Connection:
    """The connection after a call that brought no tokens, with the words for it; what it holds stays."""
    connection = plan.connection
    pause_s = REFUSED_AGAIN_S
    passing = isinstance(refusal, ServerError | Unreachable)
    if passing:
        told_s = refusal.retry_after_s if isinstance(refusal, ServerError) else 0
        # Doubling is bounded before it is computed: nobody knows how often it has failed.
        pause_s = max(min(BACKOFF_S << min(connection.failures, 10), SLOWEST_BACKOFF_S), told_s)
    return replace(
        connection,
        state=connection.state if passing and connection.sealed else "broken",
        why=why,
        not_before=now + pause_s,
        failures=connection.failures + 1,
    )


def _life_s(connection: Connection) -> int:
    return max((connection.expires_at or 0) - connection.refreshed_at, 0)


def _margin_s(connection: Connection) -> float:
    return min(MARGIN_S, _life_s(connection) / 10)
