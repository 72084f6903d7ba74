"""Which token endpoint a server's own accounts are got from: entered by an administrator, else found out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway_core.connect.locations import canonical
from gateway_core.errors import Refused, UpstreamError
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth, TokenAuthMethod, TokenExchange

FOUND_S: Final = 3_600
"""How long what was found out is believed."""
FAILED_S: Final = 30
"""How long a search that failed is not begun anew: it asks servers that are not well."""
MAX_HELD: Final = 500


class TokenPlace(Protocol):
    """What there is to know of a token endpoint."""

    @property
    def issuer(self) -> str:
        """Of the authorization server."""
        ...

    @property
    def token_endpoint(self) -> str:
        """Its URL."""
        ...

    @property
    def resource(self) -> str:
        """What the server is called there (RFC 8707)."""
        ...

    @property
    def scopes(self) -> tuple[str, ...]:
        """To ask for."""
        ...

    @property
    def auth_methods(self) -> Sequence[str]:
        """How clients may prove themselves."""
        ...


@dataclass(frozen=True, slots=True)
class Entered:
    """A place that an administrator entered. Nobody is asked."""

    issuer: str
    token_endpoint: str
    resource: str
    scopes: tuple[str, ...]
    auth_methods: tuple[str, ...] = ()


Find = Callable[[Server], Awaitable[TokenPlace]]
"""Finds it out. Raises UpstreamError, with public words, where it cannot be."""


_Name = tuple[str, str, ClientCredentials | TokenExchange]


@part
class TokenPlaces:
    """One per process."""

    find: Find
    clock: Clock
    _held: dict[_Name, tuple[TokenPlace | UpstreamError, int]] = field(default_factory=dict)
    _finding: dict[_Name, asyncio.Task[TokenPlace | UpstreamError]] = field(default_factory=dict)

    async def of(self, server: Server, auth: ClientCredentials | TokenExchange) -> TokenPlace:
        """Where the tokens for `server` come from.

        Raises:
            UpstreamError: It cannot be found out; the message says why and what to do.
        """
        if auth.token_endpoint is not None:
            # Without a name the authorization server goes by its token endpoint: what is kept is kept for that.
            issuer = auth.issuer or auth.token_endpoint
            return Entered(issuer, auth.token_endpoint, canonical(server.url), auth.scopes or ())
        name = server.id, server.url, auth
        found, until = self._held.get(name, (None, 0))
        if found is None or self.clock() >= until:
            finding = self._finding.get(name)
            if finding is None:
                finding = self._finding[name] = asyncio.create_task(self._found(server, name))
                finding.add_done_callback(lambda _: self._finding.pop(name, None))
            found = await asyncio.shield(finding)
        if isinstance(found, UpstreamError):
            # Raised for each call anew, or its traceback would grow.
            raise found.with_traceback(None)
        return found

    async def _found(self, server: Server, name: _Name) -> TokenPlace | UpstreamError:
        found: TokenPlace | UpstreamError
        try:
            found = await self.find(server)
        except UpstreamError as problem:
            found = problem
        if len(self._held) >= MAX_HELD:
            self._held.clear()
        self._held[name] = found, self.clock() + (FAILED_S if isinstance(found, UpstreamError) else FOUND_S)
        return found


def auth_method(auth: OAuth | ClientCredentials | TokenExchange, offered: Sequence[str]) -> TokenAuthMethod | None:
    """How a client that was entered proves itself: as entered, else as the authorization server takes it. None where it
    has a secret, and that is not taken.

    Args:
        auth: What was entered.
        offered: By the token endpoint; nothing where nobody has asked it, and then all must take client_secret_basic
            (RFC 6749, section 2.3.1).
    """
    if auth.token_endpoint_auth_method is not None:
        return auth.token_endpoint_auth_method
    if isinstance(auth, ClientCredentials) and auth.private_key is not None:
        return "private_key_jwt"
    if auth.client_secret is None:
        return "none"
    ways: tuple[TokenAuthMethod, ...] = ("client_secret_basic", "client_secret_post")
    return next((one for one in ways if one in (offered or ways)), None)


def secret_unwanted(server_name: str, place: TokenPlace) -> Refused:
    """What a caller hears where `auth_method` is None."""
    return Refused(
        f"The client of {server_name} has a secret, and {place.issuer} wants clients to prove themselves otherwise. If "
        "it takes a secret all the same, an administrator says how, with `token_endpoint_auth_method` in the server's "
        "auth.",
        reason="secret_unwanted",
    )
