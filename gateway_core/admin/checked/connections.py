"""Connected accounts at servers, as one actor may see them and take them away. Never their tokens."""

from dataclasses import dataclass

from gateway_core.access.grants import ORGANISATION_PLACE
from gateway_core.access.roles import Actor, may
from gateway_core.admin.administration import Administration
from gateway_core.admin.api_keys import unknown
from gateway_core.admin.authority import Authority, demand
from gateway_core.admin.state import State
from gateway_core.connect.connected import Connected
from gateway_core.connect.disconnecting import Revoked
from gateway_core.errors import NotFound
from gateway_core.registry.servers import Server
from gateway_core.storage import keys
from gateway_core.upstream.connections import Connection, from_data


@dataclass(frozen=True, slots=True)
class ConnectionFilter:
    """Which accounts are wanted; None asks for any."""

    server: str | None = None
    """Slug."""
    workspace: str | None = None
    """Slug: of the workspace's own accounts."""
    email: str | None = None
    """Of the member whose own they are."""


@dataclass(frozen=True, slots=True)
class Connections:
    """See the module."""

    admin: Administration
    actor: Actor

    async def listed(self, wanted: ConnectionFilter) -> list[Connection]:
        """The accounts that the actor may see, by server and holder.

        Raises:
            Invalid: Unknown server or workspace.
            NotAllowed: Not in this workspace.
        """
        state = await self.admin.state()
        authority = Authority.over(self.actor, state)
        servers = self._servers(authority, wanted.server)
        holder = None
        if wanted.workspace is not None:
            holder = authority.workspace(wanted.workspace, "connections.read").id
        if wanted.email is not None:
            member = await self.admin.people.by_email(wanted.email)
            found = [] if member is None else await self._connected.of_member(member.id)
        else:
            found = [one for server in servers for one in await self._connected.of_server(server.id)]
        ids = {server.id for server in servers}
        return sorted(
            (one for one in found if one.server_id in ids and holder in (None, one.holder.id) and self._sees(one)),
            key=lambda one: (one.server_id, one.holder.id),
        )

    async def disconnect(self, server: str, holder: str) -> Revoked:
        """Take an account away, here and at its authorization server.

        Args:
            server: Slug or id.
            holder: `org`, a workspace by slug or id, or a member by e-mail address or id.

        Raises:
            NotFound: There is none in the actor's reach.
            NotAllowed: It is not theirs to take away.
        """
        missing = NotFound(
            f"There is no account {holder!r} at {server!r}. 'gatehouse connections list' shows them.",
            reason="unknown_connection",
        )
        state = await self.admin.state()
        found = _server(Authority.over(self.actor, state).state, server)
        id_ = await self._holder(state, holder)
        item = None if found is None else await self.admin.table.get(keys.connection(found.id, id_))
        if found is None or item is None:
            raise missing
        connection = from_data(item.data, item.version)
        if not self._sees(connection):
            raise missing
        demand(self.actor, "connections.disconnect", _place(connection))
        return await self.admin.let_go(connection, found, by=self.actor.id)

    @property
    def _connected(self) -> Connected:
        return Connected(self.admin.table)

    def _servers(self, authority: Authority, slug: str | None) -> list[Server]:
        seen = authority.state.servers
        if slug is None:
            return [stored.record for stored in seen.values()]
        if slug not in seen:
            raise unknown(("server",), "server", slug, seen)
        return [seen[slug].record]

    async def _holder(self, state: State, holder: str) -> str:
        if holder in state.workspaces:
            return state.workspaces[holder].record.id
        member = await self.admin.people.by_email(holder) if "@" in holder else None
        return holder if member is None else member.id

    def _sees(self, connection: Connection) -> bool:
        """A member's own account is nobody's business who does not see the whole organisation."""
        return may(self.actor, "connections.read", _place(connection))


def _place(connection: Connection) -> str | None:
    return connection.holder.id if connection.holder.granularity == "workspace" else None


def _server(state: State, slug_or_id: str) -> Server | None:
    return next(
        (stored.record for slug, stored in state.servers.items() if slug_or_id in (slug, stored.record.id)), None
    )


def holder_names(state: State, emails: dict[str, str]) -> dict[str, str]:
    """What holders are called, by id: workspaces by slug, members by e-mail address, and the organisation. Pure."""
    slugs = {stored.record.id: slug for slug, stored in state.workspaces.items()}
    return {ORGANISATION_PLACE: ORGANISATION_PLACE, **slugs, **emails}
