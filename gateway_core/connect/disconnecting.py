"""Letting go of an account at a server: here at once, and at its authorization server as well as that can be had."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gateway_core.connect.connected import Connected
from gateway_core.connect.kept_clients import KeptClients
from gateway_core.errors import Refused, StoreUnavailable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth
from gateway_core.upstream.auth.held_secrets import HeldSecrets, secret_missing
from gateway_core.upstream.auth.sources import known_otherwise
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.token_endpoint import Client, TokenEndpoints, TokenRequest, revocation

Revoked = Literal["revoked", "not_revoked", "not_offered"]
"""Whether the authorization server took its tokens back; some have no endpoint for that."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Disconnecting:
    """Stateless."""

    connections: Connections
    endpoints: TokenEndpoints
    secrets: HeldSecrets
    clients: KeptClients

    async def disconnect(self, connection: Connection, server: Server | None, *, by: str) -> Revoked:
        """Forget an account with its tokens, then have them taken back where they came from (RFC 7009).

        It is gone here whatever becomes of the second: somebody who takes an account away must not have to wait for, or
        believe, another server. That takes two calls of `token_endpoint.CALL_S` at most. With the last account of a
        client that the gateway registered goes that client, too: an authorization server that no longer knows it says
        so to browsers alone, and whoever connects next registers anew.

        Args:
            connection: The account.
            server: As it is registered now; None where it was removed.
            by: Who wants it, for the log.

        Raises:
            StoreUnavailable: It is still there.
        """
        tokens = await self._tokens(connection)
        await self.connections.remove(connection)
        told = await self._revoked(connection, server, tokens)
        # It can be forgotten the next time: the account is gone, which is what was asked for.
        with suppress(StoreUnavailable):
            await self._forget_client(connection)
        fields = {"server": connection.server_id, "holder": connection.holder.id, "actor": by, "at_provider": told}
        logger.info("account_disconnected", extra={"fields": fields})
        return told

    async def _forget_client(self, gone: Connection) -> None:
        """Forget the client that was registered for an account, unless another account was given to it."""
        left = await Connected(self.clients.table).of_server(gone.server_id)
        if not any((one.issuer, one.client_id) == (gone.issuer, gone.client_id) for one in left):
            await self.clients.forget(gone.server_id, gone.issuer, gone.client_id)

    async def _tokens(self, connection: Connection) -> Tokens | None:
        try:
            return await self.connections.tokens(connection)
        except StoreUnavailable:
            # Where the key cannot be had, the account must go all the same.
            return None

    async def _revoked(self, connection: Connection, server: Server | None, tokens: Tokens | None) -> Revoked:
        endpoint = connection.revocation_endpoint
        if endpoint is None:
            return "not_offered"
        if tokens is None:
            return "not_revoked"
        try:
            secret = await self._secret(connection, server, tokens)
        except (Refused, StoreUnavailable):
            return "not_revoked"
        client = Client(connection.client_id, connection.auth_method, secret, connection.issuer)
        # The refresh token first: most authorization servers end the whole grant with it.
        taken = [
            await self.endpoints.revoke(TokenRequest(endpoint, client, revocation(token, kind)))
            for token, kind in ((tokens.refresh_token, "refresh_token"), (tokens.access_token, "access_token"))
            if token is not None
        ]
        return "revoked" if all(taken) else "not_revoked"

    async def _secret(self, connection: Connection, server: Server | None, tokens: Tokens) -> str | None:
        """What proves the client that the tokens were given to."""
        if tokens.client_secret is not None or connection.auth_method == "none":
            return tokens.client_secret
        auth = server.auth if server is not None and isinstance(server.auth, OAuth) else None
        # That of another client, or of another authorization server, is not for this one.
        name = None if auth is None or known_otherwise(connection, auth) else auth.client_secret
        found = None if name is None else await self.secrets.read(name, "")
        if found is None:
            raise secret_missing("" if server is None else server.name, name or "")
        return found
