"""Where the tokens of connections come from: what a person has let the gateway have, or the gateway's own account."""

from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from gateway_core.connect.locations import origin_of
from gateway_core.errors import Refused
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth, TokenAuthMethod
from gateway_core.upstream.auth.held_secrets import HeldSecrets, secret_missing
from gateway_core.upstream.auth.places import TokenPlace, TokenPlaces, auth_method, secret_unwanted
from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from gateway_core.upstream.renewal import Plan
from gateway_core.upstream.token_answers import Granted
from gateway_core.upstream.token_endpoint import Client, TokenRequest, client_grant, refresh_grant

OURSELVES: Final = "gatehouse"
"""Who connected an account that no person has connected."""


class MadeFor(Protocol):
    """For what credentials are: a connection, or one that is being made. See `connections.Connection`."""

    @property
    def origin(self) -> str:
        """Of the server."""
        ...

    @property
    def issuer(self) -> str:
        """Of the authorization server."""
        ...

    @property
    def token_endpoint(self) -> str:
        """Its URL."""
        ...

    @property
    def client_id(self) -> str:
        """Who the gateway is there."""
        ...


def moved(made: MadeFor, url: str, auth: OAuth | ClientCredentials) -> str | None:
    """Which setting is another than when a connection was made, as people call it; None where none is. Its credentials
    are for what it was: they go to no other origin than that, and to no other authorization server.

    Args:
        made: What is to be used.
        url: Where a request with its token would go.
        auth: What is set now.
    """
    return "address" if made.origin != origin_of(url) else known_otherwise(made, auth)


def known_otherwise(made: MadeFor, auth: OAuth | ClientCredentials) -> str | None:
    """The same, for the authorization server alone: a secret that is set now is for no other than it is set for."""
    if auth.issuer not in (None, made.issuer):
        return "issuer"
    if auth.token_endpoint not in (None, made.token_endpoint):
        return "token endpoint"
    if auth.client_id not in (None, made.client_id):
        return "client id"
    return None


@dataclass(slots=True, eq=False, repr=False)
class Proof:
    """The secret by which a client proves itself."""

    server: Server
    secrets: HeldSecrets
    revision: str
    _used: tuple[str, str] | None = field(default=None, repr=False)

    async def value(self, name: str | None, method: TokenAuthMethod) -> str | None:
        """The value of the secret `name`, where the method takes one. Raises Refused where there is none."""
        if method == "none":
            return None
        found = None if name is None else await self.secrets.get(name, self.revision)
        if name is None or found is None:
            raise secret_missing(self.server.name, name) if name else _no_secret(self.server, method)
        self._used = name, found
        return found

    async def changed(self) -> bool:
        """Whether it is another by now."""
        return self._used is not None and await self.secrets.read(self._used[0], self.revision) != self._used[1]


def _no_secret(server: Server, method: TokenAuthMethod) -> Refused:
    told = f"{server.name} was connected by a client that proves itself ({method}), and none of its secrets is named."
    return Refused(f"{told} An administrator adds `client_secret` to its auth.", reason="secret_missing")


@part
class Consented:
    """See upstream.renewal.Source. What a person has let the gateway have, in exchange for its refresh token."""

    server: Server
    auth: OAuth
    holder: Holder
    proof: Proof
    consented: bool = True

    def able(self, tokens: Tokens | None) -> bool:
        """See Source."""
        return tokens is not None and tokens.refresh_token is not None

    async def plan(self, current: Connection | None, tokens: Tokens | None) -> Plan:
        """See Source. The refresh token goes where it came from, whatever was entered since."""
        assert current is not None and tokens is not None and tokens.refresh_token is not None  # noqa: S101, PT018 - able
        method = current.auth_method
        secret = tokens.client_secret or await self.proof.value(self.auth.client_secret, method)
        client = Client(current.client_id, method, secret, current.issuer)
        resource = current.resource if self.auth.resource_indicator else None
        request = TokenRequest(current.token_endpoint, client, refresh_grant(tokens.refresh_token), resource)
        return Plan(current, request)

    async def proof_changed(self) -> bool:
        """See Source."""
        return await self.proof.changed()

    def tokens(self, before: Tokens | None, granted: Granted) -> Tokens:
        """See Source."""
        assert before is not None  # noqa: S101 - it was refreshed with them
        return Tokens(granted.access_token, granted.refresh_token or before.refresh_token, before.client_secret)


@part
class Own:
    """See upstream.renewal.Source. The gateway's own account; it makes its connection by itself."""

    server: Server
    auth: ClientCredentials
    holder: Holder
    proof: Proof
    places: TokenPlaces
    clock: Clock
    consented: bool = False

    def able(self, tokens: Tokens | None) -> bool:
        """See Source."""
        return True

    async def plan(self, current: Connection | None, tokens: Tokens | None) -> Plan:
        """See Source."""
        place = await self.places.of(self.server, self.auth)
        self._check_issuer(current, place)
        method = auth_method(self.auth, place.auth_methods)
        if method is None:
            raise secret_unwanted(self.server.name, place)
        secret = await self.proof.value(self.auth.client_secret or self.auth.private_key, method)
        connection = self._connection(current, place, method)
        client = Client(self.auth.client_id, method, secret, place.issuer)
        grant = client_grant(connection.asked)
        return Plan(connection, TokenRequest(place.token_endpoint, client, grant, connection.resource))

    async def proof_changed(self) -> bool:
        """See Source."""
        return await self.proof.changed()

    def tokens(self, before: Tokens | None, granted: Granted) -> Tokens:
        """See Source. A refresh token should not come, and is not needed (RFC 6749, section 4.4.3)."""
        return Tokens(granted.access_token)

    def _check_issuer(self, current: Connection | None, place: TokenPlace) -> None:
        """Hold a client of which nobody said whose it is to the authorization server that it was first used at
        (2026-07-28 authorization/client-registration, Authorization Server Binding): whoever takes over a server's
        metadata must not be sent its secret."""
        named = self.auth.issuer or self.auth.token_endpoint
        if named or current is None or current.client_id != self.auth.client_id or current.issuer == place.issuer:
            return
        name = self.server.name
        raise Refused(
            f"{name} has named another authorization server than the one that its client was used at so far, which was "
            f"told nothing. If {name} has moved there, an administrator enters its `issuer` and a client of it in the "
            "server's auth.",
            reason="issuer_changed",
        )

    def _connection(self, current: Connection | None, place: TokenPlace, method: TokenAuthMethod) -> Connection:
        """As the settings are now. What an account that they are no longer of held is let go of."""
        now, asked = self.clock(), place.scopes if self.auth.scopes is None else self.auth.scopes
        made = Connection(
            server_id=self.server.id,
            holder=self.holder,
            issuer=place.issuer,
            origin=origin_of(self.server.url),
            client_id=self.auth.client_id,
            auth_method=method,
            token_endpoint=place.token_endpoint,
            revocation_endpoint=None,
            resource=place.resource if self.auth.resource_indicator else None,
            scopes=asked,
            asked=asked,
            account=None,
            connected_at=now,
            connected_by=OURSELVES,
            refreshed_at=now,
            expires_at=None,
        )
        if current is None or _whose(current) != _whose(made):
            return made
        return replace(
            made,
            connected_at=current.connected_at,
            refreshed_at=current.refreshed_at,
            expires_at=current.expires_at,
            state=current.state,
            failures=current.failures,
            sealed=current.sealed,
        )


def _whose(connection: Connection) -> tuple[str, str, str]:
    return connection.issuer, connection.origin, connection.client_id
