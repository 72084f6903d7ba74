"""What a server is looked at with: an egress of its own, what was found on the way, and on whose behalf."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway_core.access.callers import Caller
from gateway_core.access.roles import Actor
from gateway_core.connect.discovery import Found
from gateway_core.connect.registration import Registrations
from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.connect.watching import Watched
from gateway_core.egress import Policy
from gateway_core.errors import StoreUnavailable, UpstreamUnreachable
from gateway_core.headers import NO_HEADERS
from gateway_core.ports import Item
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.upstream.auth import HeldSecrets
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.connections import Connections


class SecretUnreadable(StoreUnavailable):
    """This process may set secrets and never reads one."""

    reason = "secret_unreadable"


class UnreadSecrets(HeldSecrets):
    """Where whoever administers may set secrets, and nobody there reads them: on AWS."""

    async def read(self, name: str, revision: str) -> str | None:
        """See HeldSecrets.read. Raises SecretUnreadable."""
        told = f"It takes the secret {name!r}, which the function for administration may set and never reads."
        raise SecretUnreadable(f"{told} A call of a client shows whether it is the right one.")


@dataclass(slots=True)
class Search:
    """What one examination found out about log-ins: what asks for a token later in it does not search again."""

    outcome: Found | DiscoveryFailed | None = None

    async def __call__(self, server: Server) -> Found:
        """See upstream.auth.places.Find."""
        if isinstance(self.outcome, Found):
            return self.outcome
        # Never None: nobody asks for a token before it was looked for.
        raise self.outcome or UpstreamUnreachable("Where its tokens come from was not looked for.")


@dataclass(frozen=True, slots=True)
class Means:
    """What an examination is made with; the egress is its own."""

    egress: Watched
    policy: Policy
    registrations: Registrations
    secret_names: Callable[[], Awaitable[list[str]]]
    """Names of all secrets that servers may name, that are set."""
    connections: Connections
    upstream: UpstreamClient
    search: Search


def behalf_of(actor: Actor, workspace: Workspace, organisation: str, item: Item | None, ends_at: float) -> Behalf:
    """`actor` as somebody who uses a server from a workspace, until `ends_at` (event loop time).

    Args:
        item: The account that they would use.
    """
    member = actor.member
    caller = Caller(
        kind="service" if member is None else "user",
        subject=actor.name,
        workspace_id=workspace.id,
        credential_id="",
        servers=None,
        member_id=None if member is None else member.id,
    )
    return Behalf(caller, member, workspace, organisation, NO_HEADERS, frozenset(), "", item, "", ends_at, [])
