"""How we prove ourselves to an upstream, one generator per way.

A generator yields the headers of a request, is sent the status of the answer, and may yield once more: that is all
there is to "401, get a fresh credential, try once again".
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, assert_never

from gateway_core.errors import Refused
from gateway_core.ports import Clock, Secrets
from gateway_core.registry.servers import UPSTREAM_SECRETS, HeaderValue, NoAuth, Server, StaticHeaders

Fields = list[tuple[str, str]]
AuthFlow = AsyncGenerator[Fields, int]

FRESH_S: Final = 300
"""How long a secret is used before it is read again: it may be rotated outside the gateway."""
MAX_HELD: Final = 2_000

PROTECTED: Final = frozenset(
    {"accept", "content-type", "cookie", "last-event-id", "traceparent", "tracestate", "user-agent", "via"}
)
"""Headers that the gateway speaks MCP with, or that no setting may send. Those of HTTP itself egress refuses."""
PROTECTED_PREFIXES: Final = ("mcp-", "proxy-", "sec-", "x-amz", "x-forwarded-")


def protected(name: str) -> bool:
    """True for a header that only the gateway itself may set."""
    lower = name.lower()
    return lower in PROTECTED or lower.startswith(PROTECTED_PREFIXES)


class HeldSecrets:
    """Secret values in memory: re-read when the registry changes, after `FRESH_S`, and when an upstream says 401.

    Args:
        secrets: Where they are kept.
        clock: Decides when a value is read again.
    """

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._held: dict[str, tuple[str | None, str, int]] = {}

    async def get(self, name: str, revision: str) -> str | None:
        """The value as of `revision` of the registry; None when there is none."""
        value, read_for, read_at = self._held.get(name, (None, "", 0))
        if read_for == revision and self._clock() - read_at < FRESH_S:
            return value
        return await self.read(name, revision)

    async def read(self, name: str, revision: str) -> str | None:
        """The value as it is now."""
        value = await self._secrets.get(UPSTREAM_SECRETS + name)
        if len(self._held) >= MAX_HELD:
            self._held.clear()
        self._held[name] = (value, revision, self._clock())
        return value


def flow(server: Server, secrets: HeldSecrets, revision: str) -> AuthFlow:
    """The way that `server` wants, with secrets as of `revision` of the registry."""
    match server.auth:
        case NoAuth():
            return _none()
        case StaticHeaders():
            return _static_headers(server, server.auth, secrets, revision)
    assert_never(server.auth)


async def _none() -> AuthFlow:
    yield []


async def _static_headers(server: Server, auth: StaticHeaders, secrets: HeldSecrets, revision: str) -> AuthFlow:
    sent = [await _field(server, header, secrets.get, revision) for header in auth.headers]
    status = yield sent
    if status == 401:
        # Rotated outside the gateway, perhaps: what is kept now may differ from what we held.
        fresh = [await _field(server, header, secrets.read, revision) for header in auth.headers]
        if fresh != sent:
            yield fresh


async def _field(
    server: Server, header: HeaderValue, read: Callable[[str, str], Awaitable[str | None]], revision: str
) -> tuple[str, str]:
    if header.secret is None:
        return header.name, header.value or ""
    value = await read(header.secret, revision)
    if value is None:
        raise Refused(
            f"{server.name} needs the secret {header.secret!r}, which is not set. "
            f"An administrator sets it with: gatehouse secrets set {header.secret}",
            reason="secret_missing",
        )
    return header.name, value
