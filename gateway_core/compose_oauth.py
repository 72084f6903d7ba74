"""The object graph of the control plane: signing in, the authorization server, and their pages."""

from typing import Final

from gateway_core.access.throttle import Throttle
from gateway_core.compose_lean import World, aws_world, edge, vault
from gateway_core.connect.attempts import Attempts
from gateway_core.connect.authorizing import Authorizing
from gateway_core.connect.callback import Callback
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.connectable import Connectables
from gateway_core.connect.disconnecting import Disconnecting
from gateway_core.connect.kept_clients import KeptClients
from gateway_core.connect.linking import Linking
from gateway_core.connect.registration import Registrations
from gateway_core.egress import Egress
from gateway_core.issuer.clients import Clients
from gateway_core.issuer.documents import Documents
from gateway_core.issuer.grants import Grants
from gateway_core.issuer.issuer import Issuer
from gateway_core.registry.directory import Directory
from gateway_core.registry.people import People
from gateway_core.settings import Settings
from gateway_core.signin.asking import Asking
from gateway_core.signin.discovery import Discovery
from gateway_core.signin.entrance import Entrance
from gateway_core.signin.groups import Groups
from gateway_core.signin.invitations import Invitations
from gateway_core.signin.passwords import Passwords
from gateway_core.signin.provider import Provider, Registration
from gateway_core.signin.sessions import Sessions
from gateway_core.signin.setup import Setup
from gateway_core.signin.sign_in import SignIn
from gateway_core.signin.signing_keys import SigningKeys
from gateway_core.upstream.auth import HeldSecrets
from gateway_core.upstream.client_assertion import sign
from gateway_core.upstream.connections import Connections
from gateway_core.upstream.identity_keys import IdentityKeys
from gateway_core.upstream.tickets import Tickets
from gateway_core.upstream.token_endpoint import TokenEndpoints
from gateway_core.web.oauth.app import OAuthApp
from gateway_core.web.oauth.desk import Desk
from gateway_core.web.oauth.door import MAX_BODY
from gateway_core.web.oauth.key_set import KeySet
from gateway_core.web.oauth.reach import Reach
from gateway_core.web.oauth.render import Pages
from gateway_core.web.oauth.stamps import Stamps

OIDC_SECRET: Final = "oidc-client-secret"  # noqa: S105 - the name of a secret
"""Name of the secret that proves to the identity provider who we are, where no setting holds it."""


def sign_in(settings: Settings, world: World) -> SignIn:
    """Signing in, with the one way that this deployment has: an identity provider, or on one machine passwords."""
    table, clock = world.table, world.clock
    people, groups, egress = People(table, clock), Groups(table), Egress(world.policy)
    passwords = Passwords() if settings.local and not settings.oidc_issuer else None
    setup = Setup(table, people, world.secrets, clock, passwords, settings.local)
    invitations = Invitations(table, people, clock, passwords)
    return SignIn(
        sessions=Sessions(table, people, world.keyring, clock),
        provider=_provider(settings, world, egress) if settings.oidc_issuer else None,
        entrance=Entrance(table, people, groups, invitations, setup, passwords),
        invitations=invitations,
        setup=setup,
        groups=groups,
        throttle=Throttle(table, clock),
        egress=egress,
        passwords=passwords,
    )


def _provider(settings: Settings, world: World, egress: Egress) -> Provider:
    async def secret() -> str | None:
        return settings.oidc_client_secret or await world.secrets.get(OIDC_SECRET)

    asking, callback = Asking(egress), f"{settings.public_url}/oauth/callback"
    return Provider(
        Registration(settings.oidc_issuer, settings.oidc_client_id, callback, settings.oidc_groups_claim, secret),
        Discovery(settings.oidc_issuer, asking, world.clock),
        SigningKeys(asking, world.clock),
        asking,
        world.table,
        world.keyring,
        world.clock,
    )


def issuer(settings: Settings, world: World) -> Issuer:
    """The authorization server.

    Metadata documents of clients are fetched from public addresses alone, whatever networks are open for upstreams:
    anybody can name one. On one machine its own addresses count as public.
    """
    egress = Egress(world.policy._replace(networks=()))
    clients = Clients(world.table, world.keyring, Documents(egress, world.clock))
    return Issuer(settings.public_url, world.table, world.keyring, world.clock, clients)


def linking(settings: Settings, world: World, egress: Egress) -> Linking:
    """Connecting accounts at servers: through the same door, and held to the same bounds, as calls to them."""
    table, clock, keyring = world.table, world.clock, world.keyring
    sealing, secrets = vault(world), HeldSecrets(world.secrets, clock)
    own = OwnClient.at(settings.public_url, settings.client_metadata_url)
    connections, attempts = Connections(table, sealing, clock), Attempts(table, keyring, clock)
    clients = KeptClients(table, sealing)
    registrations = Registrations(clients, clock, own)
    endpoints = TokenEndpoints(egress, clock, sign)
    return Linking(
        own=own,
        tickets=Tickets(keyring, clock),
        connectables=Connectables(table, Directory(table)),
        connections=connections,
        authorizing=Authorizing(attempts, registrations, connections, secrets, egress),
        callback=Callback(attempts, connections, endpoints, secrets, registrations, clock),
        disconnecting=Disconnecting(connections, endpoints, secrets, clients),
    )


def oauth_api(settings: Settings, world: World | None = None) -> OAuthApp:
    """The ASGI application of the pages and OAuth endpoints."""
    world = world or aws_world(settings)
    signing_in, issuing = sign_in(settings, world), issuer(settings, world)
    desk = Desk(
        public_url=settings.public_url,
        issuer=issuing,
        grants=Grants(world.table, world.clock),
        sign_in=signing_in,
        reach=Reach(world.table, Directory(world.table)),
        linking=linking(settings, world, signing_in.egress),
        stamps=Stamps(world.keyring, world.clock),
        pages=Pages(),
    )

    async def close() -> None:
        await signing_in.close()
        await issuing.close()

    key_set = KeySet(IdentityKeys(world.table, vault(world), world.clock))
    return OAuthApp(desk, world.table, edge(settings, MAX_BODY), close, key_set)
