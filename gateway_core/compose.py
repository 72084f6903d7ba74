"""The object graph of the control plane: the admin API. It loads nothing that signing in takes."""

from dataclasses import replace
from functools import partial

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration, Disconnect, Examine
from gateway_core.admin.links import Link
from gateway_core.compose_lean import World, aws_world, edge, vault
from gateway_core.connect.disconnecting import Disconnecting, Revoked
from gateway_core.connect.kept_clients import KeptClients
from gateway_core.connect.steps import Step
from gateway_core.egress import Egress, check_url
from gateway_core.registry.people import People
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.settings import Settings
from gateway_core.signin.invitations import GOOD_FOR_S, Invitations
from gateway_core.upstream.auth import HeldSecrets
from gateway_core.upstream.client_assertion import sign
from gateway_core.upstream.connections import Connection, Connections
from gateway_core.upstream.token_endpoint import TokenEndpoints
from gateway_core.web import api
from gateway_core.web.edge import MAX_ADMIN_BODY, behind
from gateway_core.web.oauth.next_path import join_path
from gateway_core.web.outlet import AsgiApp


def administration(world: World) -> Administration:
    """The writing side of the registry."""
    return Administration(world.table, world.secrets, world.clock, partial(check_url, policy=world.policy))


def admin_api(settings: Settings, world: World | None = None) -> AsgiApp:
    """The ASGI application of the admin API."""
    app = api.admin_api(_peopled(settings, world or aws_world(settings)))
    return behind(edge(settings, MAX_ADMIN_BODY), app)


def _peopled(settings: Settings, world: World) -> Administration:
    """The administration of a deployment that people sign in to."""
    invitations = Invitations(world.table, People(world.table, world.clock), world.clock, None)

    async def make_link(member_id: str, by: str) -> Link:
        # Counted before it is made, so that nobody is promised more than it holds.
        until = world.clock() + GOOD_FOR_S
        return Link(settings.public_url + join_path(await invitations.make(member_id, by=by)), until)

    return replace(
        administration(world),
        public_url=settings.public_url,
        make_link=make_link if settings.public_url else None,
        disconnect=_disconnect(world),
        examine=_examine(settings, world),
        passwords=settings.local and not settings.oidc_issuer,
    )


def _examine(settings: Settings, world: World) -> Examine:
    """Looks at servers. What it takes is loaded with the first look, which few processes see."""

    async def examine(server: Server, workspace: Workspace, organisation: str, actor: Actor) -> tuple[Step, ...]:
        from gateway_core.compose_examining import examiner

        return await examiner(settings, world)(server, workspace, organisation, actor)

    return examine


def _disconnect(world: World) -> Disconnect:
    """Takes accounts away. Nothing is held open for that: it is seldom."""
    sealing = vault(world)
    connections, clients = Connections(world.table, sealing, world.clock), KeptClients(world.table, sealing)

    async def disconnect(connection: Connection, server: Server | None, by: str) -> Revoked:
        egress = Egress(world.policy)
        try:
            endpoints = TokenEndpoints(egress, world.clock, sign)
            parts = Disconnecting(connections, endpoints, HeldSecrets(world.secrets, world.clock), clients)
            return await parts.disconnect(connection, server, by=by)
        finally:
            await egress.close()

    return disconnect
