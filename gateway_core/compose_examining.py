"""The part of the control plane's object graph that looks at a server step by step. Made anew for each look: it is
seldom, and what goes over its egress is shown."""

import asyncio

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Examine
from gateway_core.compose_accounts import by_kind
from gateway_core.compose_late import identities
from gateway_core.compose_lean import World, vault
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.examined_with import Means, Search, UnreadSecrets, behalf_of
from gateway_core.connect.examining import WHOLE_S, Examination
from gateway_core.connect.kept_clients import KeptClients
from gateway_core.connect.registration import Registrations
from gateway_core.connect.steps import Step
from gateway_core.connect.watching import Watched
from gateway_core.egress import Egress
from gateway_core.registry.servers import UPSTREAM_SECRETS, Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.settings import Settings
from gateway_core.upstream.auth import HeldSecrets, Ways, WithToken
from gateway_core.upstream.auth.accounts import Accounts
from gateway_core.upstream.auth.consent import Consents
from gateway_core.upstream.auth.places import TokenPlaces
from gateway_core.upstream.auth.token_exchange import Exchanges
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.client_assertion import sign
from gateway_core.upstream.connections import Connections
from gateway_core.upstream.holders import connection_key
from gateway_core.upstream.identity import Identities, OwnUrl
from gateway_core.upstream.keeping import Keeping
from gateway_core.upstream.leases import Leases
from gateway_core.upstream.refreshing import Refreshing
from gateway_core.upstream.token_endpoint import TokenEndpoints


def examiner(settings: Settings, world: World) -> Examine:
    """Looks at servers. On AWS the function for administration reads no secret, and says so."""

    async def examine(server: Server, workspace: Workspace, organisation: str, actor: Actor) -> tuple[Step, ...]:
        ends_at = asyncio.get_running_loop().time() + WHOLE_S
        key = connection_key(server, workspace.id, None if actor.member is None else actor.member.id)
        item = None if key is None else await world.table.get(key)
        means = _means(settings, world)
        try:
            return await Examination(means, server, behalf_of(actor, workspace, organisation, item, ends_at)).run()
        finally:
            await means.egress.close()

    return examine


def _means(settings: Settings, world: World) -> Means:
    table, clock, sealing, egress, search = world.table, world.clock, vault(world), Watched(world.policy), Search()
    secrets = (HeldSecrets if settings.local else UnreadSecrets)(world.secrets, clock)
    connections, own = (
        Connections(table, sealing, clock),
        OwnClient.at(settings.public_url, settings.client_metadata_url),
    )

    async def own_url() -> str:
        return settings.public_url

    async def secret_names() -> list[str]:
        names = await world.secrets.names()
        return [name.removeprefix(UPSTREAM_SECRETS) for name in names if name.startswith(UPSTREAM_SECRETS)]

    callers = identities(table, sealing, clock, own_url)
    ways = Ways(secrets, _with_token(egress, search, secrets, world, callers, own_url))
    return Means(
        egress=egress,
        policy=world.policy,
        registrations=Registrations(KeptClients(table, sealing), clock, own),
        secret_names=secret_names,
        connections=connections,
        upstream=UpstreamClient(egress, ways, callers),
        search=search,
    )


def _with_token(
    egress: Egress, search: Search, secrets: HeldSecrets, world: World, identities: Identities, own_url: OwnUrl
) -> WithToken:
    """As `compose_accounts` has it, but where tokens come from is not searched again, and nobody gets a link of their
    own."""
    table, clock = world.table, world.clock
    endpoints, places = TokenEndpoints(egress, clock, sign), TokenPlaces(search, clock)
    # A token that is good is left alone: nothing is renewed early for a look.
    keeping = Keeping(Connections(table, vault(world), clock))
    refreshing = Refreshing(Leases(table, clock), keeping, endpoints, clock, random=lambda: 1.0)
    accounts = Accounts(refreshing, secrets, places, Consents(None, own_url), clock)
    return by_kind(accounts, Exchanges(endpoints, places, secrets, clock, identities.signed))
