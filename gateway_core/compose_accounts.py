"""The part of the data plane's object graph that proves the gateway to upstreams. What few deployments need is loaded
when it is first needed."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_core.egress import Egress
from gateway_core.ports import Clock, Table
from gateway_core.registry.servers import Server
from gateway_core.upstream.auth import Accounts, Exchanges, HeldSecrets, Ways
from gateway_core.upstream.auth.consent import Consents
from gateway_core.upstream.auth.places import Find, TokenPlace, TokenPlaces
from gateway_core.upstream.connections import Connections
from gateway_core.upstream.identity import Claims, Identities, OwnUrl, Sign
from gateway_core.upstream.keeping import Keeping
from gateway_core.upstream.leases import CALL_WITHIN_S, Leases
from gateway_core.upstream.refreshing import Refreshing
from gateway_core.upstream.token_endpoint import TokenEndpoints
from gateway_core.vault import Vault

FIND_S: Final = CALL_WITHIN_S - 1
"""How long a token endpoint may take to be found out: a lease is held meanwhile, under which it is then called."""


def ways(
    egress: Egress,
    *,
    secrets: HeldSecrets,
    connections: Connections,
    leases: Leases,
    consents: Consents,
    identities: Identities,
) -> Ways:
    """How the gateway proves itself to upstreams, in one process."""
    clock = leases.clock
    endpoints = TokenEndpoints(egress, clock, _sign)
    places = TokenPlaces(_finding(egress), clock)
    refreshing = Refreshing(leases, Keeping(connections), endpoints, clock)
    accounts = Accounts(refreshing, secrets, places, consents, clock)
    return Ways(secrets, accounts, Exchanges(endpoints, places, secrets, clock, identities.signed))


def identities(table: Table, sealing: Vault, clock: Clock, own_url: OwnUrl) -> Identities:
    """How upstreams are told who calls, in one process."""
    made: list[Sign] = []

    async def sign(claims: Claims, audience: str) -> str:
        if not made:
            from gateway_core.upstream.identity_keys import IdentityKeys
            from gateway_core.upstream.identity_tokens import IdentityTokens

            made.append(IdentityTokens(IdentityKeys(table, sealing, clock), own_url, clock))
        return await made[0](claims, audience)

    return Identities(sign)


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
