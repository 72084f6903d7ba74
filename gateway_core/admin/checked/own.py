"""What is one member's own: their keys, what they let clients do, their accounts, and the servers that they can use."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gateway_core.access.api_keys import ApiKey
from gateway_core.access.grants import ORGANISATION_PLACE, Grant
from gateway_core.access.roles import Actor
from gateway_core.admin import api_keys
from gateway_core.admin.administration import Administration
from gateway_core.admin.state import State
from gateway_core.connect.connected import Connected
from gateway_core.connect.disconnecting import Revoked
from gateway_core.errors import NotFound
from gateway_core.issuer.grants import Grants
from gateway_core.registry.members import Member
from gateway_core.registry.reach import usable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth, granularity_of
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys
from gateway_core.upstream.connections import Connection


@dataclass(frozen=True, slots=True)
class Own:
    """See the module. The administrator's key is nobody's: it has nothing."""

    admin: Administration
    actor: Actor

    async def keys(self) -> list[ApiKey]:
        """Their keys, oldest first."""
        if self.actor.member is None:
            return []
        return await api_keys.of_member(self.admin.table, self.actor.member.id)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke one of their keys.

        Raises:
            NotFound: They have no such key.
        """
        for key in await self.keys():
            item = await self.admin.table.get(keys.api_key(key.workspace_id, key.id)) if key.id == key_id else None
            if item is not None:
                return await api_keys.revoke(self.admin.table, item, now=self.admin.clock(), by=self.actor.name)
        raise NotFound(f"You have no API key {key_id!r}.", reason="unknown_key")

    async def grants(self) -> list[Grant]:
        """What they let clients do, oldest first."""
        if self.actor.member is None:
            return []
        found = await Grants(self.admin.table, self.admin.clock).of_member(self.actor.member.id)
        return sorted(found, key=lambda grant: (grant.created_at, grant.id))

    async def revoke_grant(self, grant_id: str) -> None:
        """End one of them: its tokens are refused from the next request on.

        Raises:
            NotFound: They have none of this id.
        """
        for grant in await self.grants():
            if grant.id == grant_id:
                await Grants(self.admin.table, self.admin.clock).revoke(grant.place, grant.id)
                return
        raise NotFound(f"You have let no client do anything under the id {grant_id!r}.", reason="unknown_grant")

    async def connections(self) -> list[Connection]:
        """Their own accounts at servers, by server id."""
        if self.actor.member is None:
            return []
        return await Connected(self.admin.table).of_member(self.actor.member.id)

    async def disconnect(self, server: str) -> Revoked:
        """Take one of them away, here and at its authorization server. The server by slug or id.

        Raises:
            NotFound: They have none there.
        """
        state = await self.admin.state()
        servers = [stored.record for stored in state.servers.values()]
        for connection in await self.connections():
            # One of a server that is gone has no slug any more.
            found = next((one for one in servers if one.id == connection.server_id), None)
            if server in (connection.server_id, None if found is None else found.slug):
                return await self.admin.let_go(connection, found, by=self.actor.id)
        told = f"You have connected no account at {server!r}.{self._shared(server, state)}"
        raise NotFound(told, reason="unknown_connection")

    def _shared(self, server: str, state: State) -> str:
        """How the account is ended that others use at a server, too; "" where there is none that they may know of."""
        member = self.actor.member
        used = [] if member is None else [one for one in _usable(member, state) if server in (one[1].slug, one[1].id)]
        match granularity_of(used[0][1].auth) if used and isinstance(used[0][1].auth, OAuth) else None:
            case "organisation":
                whose, holder = "the whole organisation", ORGANISATION_PLACE
            case "workspace":
                whose, holder = "each workspace", used[0][0].slug if len(used) == 1 else "WORKSPACE"
            case _:
                return ""
        ends = f"gatehouse connections disconnect {used[0][1].slug} {holder}"
        return f" It is used with one account for {whose}; an administrator ends that with: {ends}"


def reach(member: Member, state: State, limit: int) -> list[tuple[str, str]]:
    """The servers that a member can use, each in each workspace: slugs of workspace and server, in order, at most
    `limit`. Pure."""
    return [(workspace.slug, server.slug) for workspace, server in islice(_usable(member, state), limit)]


def _usable(member: Member, state: State) -> Iterator[tuple[Workspace, Server]]:
    workspaces = (stored.record for _, stored in sorted(state.workspaces.items()))
    servers = (stored.record for _, stored in sorted(state.servers.items()))
    return ((workspace, server) for workspace, inside in usable(member, workspaces, servers) for server in inside)
