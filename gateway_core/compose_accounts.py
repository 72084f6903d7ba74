"""The part of the data plane's object graph that gets tokens for upstreams. `compose_lean` loads it with the first call
to a server that wants one; what few of those take is loaded later still."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_core.compose_lean import World
from gateway_core.egress import Egress
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import TokenExchange
from gateway_core.upstream.auth import Asked, AuthFlow, HeldSecrets, TokenAuth, WithToken
from gateway_core.upstream.auth.accounts import Accounts
from gateway_core.upstream.auth.consent import Consents
from gateway_core.upstream.auth.places import Find, TokenPlace, TokenPlaces
from gateway_core.upstream.auth.token_exchange import Exchanges
from gateway_core.upstream.connections import Connections
from gateway_core.upstream.identity import Identities, OwnUrl
from gateway_core.upstream.keeping import Keeping
from gateway_core.upstream.leases import CALL_WITHIN_S, Leases
from gateway_core.upstream.refreshing import Refreshing
from gateway_core.upstream.tickets import Tickets
from gateway_core.upstream.token_endpoint import TokenEndpoints
from gateway_core.vault import Vault

FIND_S: Final = CALL_WITHIN_S - 1
"""How long a token endpoint may take to be found out: a lease is held meanwhile, under which it is then called."""


def with_token(world: World, egress: Egress, sealing: Vault, identities: Identities, own_url: OwnUrl) -> WithToken:
    """See upstream.auth.Ways. One per process."""
    table, clock = world.table, world.clock
    secrets, endpoints = HeldSecrets(world.secrets, clock), TokenEndpoints(egress, clock, _sign)
    places, keeping = TokenPlaces(_finding(egress), clock), Keeping(Connections(table, sealing, clock))
    refreshing = Refreshing(Leases(table, clock), keeping, endpoints, clock)
    accounts = Accounts(refreshing, secrets, places, Consents(Tickets(world.keyring, clock), own_url), clock)
    return by_kind(accounts, Exchanges(endpoints, places, secrets, clock, identities.signed))


def by_kind(accounts: Accounts, exchanges: Exchanges) -> WithToken:
    """As a connected account, or with an exchanged token: whatever the server wants."""

    def flow(asked: Asked, auth: TokenAuth) -> AuthFlow:
        return exchanges.flow(asked, auth) if isinstance(auth, TokenExchange) else accounts.flow(asked, auth)

    return flow


def _sign(pem: str, claims: Mapping[str, Any]) -> str:
    """See upstream.token_endpoint.Sign."""
    from gateway_core.upstream.client_assertion import sign

    return sign(pem, claims)


def _finding(egress: Egress) -> Find:
    """Finds out where a server's tokens come from, as connecting an account to it does."""

    async def find(server: Server) -> TokenPlace:
        from gateway_core.connect.asking import EgressAsker
        from gateway_core.connect.discovery import discover

        return await discover(server, EgressAsker(egress, whole_s=FIND_S))

    return find
