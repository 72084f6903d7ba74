"""The ways without tokens: no credential at all, and headers that an administrator has set."""

from collections.abc import Awaitable, Callable

from gateway_core.errors import Refused
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import MAX_HEADER_VALUE, HeaderValue, StaticHeaders
from gateway_core.upstream.auth.asked import Asked, AuthFlow
from gateway_core.upstream.auth.held_secrets import HeldSecrets, secret_missing


async def no_headers() -> AuthFlow:
    """The server asks for no credential."""
    yield []


async def static_headers(asked: Asked, auth: StaticHeaders, secrets: HeldSecrets) -> AuthFlow:
    """The same headers with each request.

    Raises:
        Refused: A secret is not set, or too long for a header.
    """
    server, revision = asked.server, asked.revision
    sent = [await _field(server, header, secrets.get, revision) for header in auth.headers]
    answered = yield sent
    if answered.status == 401:
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
        raise secret_missing(server.name, header.secret)
    if len(value) > MAX_HEADER_VALUE:
        # A secret may be longer: it may be a private key.
        raise Refused(
            f"{server.name} is sent the secret {header.secret!r} in the header {header.name}. It has {len(value):,} "
            f"characters, and a header {MAX_HEADER_VALUE:,} at most. An administrator sets another value with: "
            f"gatehouse secrets set {header.secret}",
            reason="header_too_long",
        )
    return header.name, value
