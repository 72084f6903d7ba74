"""What a client asks for, as the member before the page sees it: which places they may give it, if any.

Somebody without reach gets the same words as for a URL that leads nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway_core.access.grants import ORGANISATION_PLACE
from gateway_core.access.roles import Actor, may
from gateway_core.admin.state import every
from gateway_core.errors import OAuthError
from gateway_core.issuer.resources import Resource, workspace_url
from gateway_core.ports import Table
from gateway_core.registry import servers, workspaces
from gateway_core.registry.directory import Directory
from gateway_core.registry.members import Member
from gateway_core.registry.reach import usable
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys

MAX_NAMED: Final = 12
"""Servers of a workspace that the page names; it counts the others."""
WHOM_TO_ASK: Final = "Ask an administrator of the organisation for one."
"""For whoever belongs to no workspace."""


@dataclass(frozen=True, slots=True)
class Place:
    """One workspace that the member may let the client into, and what it would reach there."""

    workspace: Workspace
    servers: tuple[Server, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the first servers."""
        return tuple(server.name for server in self.servers[:MAX_NAMED])

    @property
    def unnamed(self) -> int:
        """How many more there are."""
        return max(len(self.servers) - MAX_NAMED, 0)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the member may give: one server, a whole workspace, or administration (which has no places)."""

    kind: Literal["server", "workspace", "admin"]
    places: tuple[Place, ...]
    resource: str | None
    """The URL that the token is for; None where it follows from the chosen workspace."""

    def chosen(self, workspace_id: str | None) -> "Chosen | None":
        """The place and resource for what was posted, or None where that was not on offer."""
        if self.kind == "admin":
            return Chosen(ORGANISATION_PLACE, self.resource, "")
        found = [place for place in self.places if place.workspace.id == workspace_id]
        return Chosen(found[0].workspace.id, self.resource, found[0].workspace.slug) if found else None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the member gave."""

    place: str
    resource: str | None
    slug: str

    def url(self, public_url: str) -> str:
        """The URL that the token is for."""
        return self.resource or workspace_url(public_url, self.slug)


@dataclass(frozen=True, slots=True)
class Reach:
    """Looks up what is on offer, and what a member can use."""

    table: Table
    directory: Directory

    async def organisation(self) -> str:
        """The organisation's name; "" before anything was configured."""
        head = await self.table.get(keys.organisation_head())
        return "" if head is None else str(head.data["name"])

    async def places(self, member: Member) -> tuple[Place, ...]:
        """Every workspace that `member` reaches, by name, each with all of its servers; empty where they reach none."""
        return await self._places(member, await self._servers())

    async def offer(self, member: Member, resource: Resource | None) -> Offer:
        """What `member` may give to a client that asks for `resource`.

        Raises:
            OAuthError: access_denied. Nothing; says why in words for the member, and for nobody else.
        """
        if resource is not None and resource.kind == "admin":
            return Offer("admin", (), resource.url)
        head = await self.table.get(keys.organisation_head())
        revision = "" if head is None else str(head.data["revision"])
        if resource is None:
            return Offer("workspace", await self._anywhere(member), None)
        if resource.kind == "endpoint":
            return await self._endpoint(member, resource, revision)
        return await self._name(member, resource, revision)

    async def _anywhere(self, member: Member) -> tuple[Place, ...]:
        places = await self.places(member)
        if not places:
            raise OAuthError(
                "access_denied",
                f"You are signed in as {member.email}, which belongs to no workspace yet. {WHOM_TO_ASK}",
            )
        return places

    async def _endpoint(self, member: Member, resource: Resource, revision: str) -> Offer:
        workspace_slug, server_slug = resource.names
        workspace = await self.directory.workspace(workspace_slug, revision)
        if workspace is None or not member.reaches(workspace.id):
            raise _nothing_there(member, resource)
        server = await self.directory.server(server_slug, revision)
        if server is None or not server.in_workspace(workspace.id):
            raise _no_such_server(member, server_slug, workspace)
        return Offer("server", (Place(workspace, (server,)),), resource.url)

    async def _name(self, member: Member, resource: Resource, revision: str) -> Offer:
        (slug,) = resource.names
        workspace = await self.directory.workspace(slug, revision)
        # A workspace has one URL, and none for the older transport.
        if workspace is not None and member.reaches(workspace.id) and resource.url.endswith("/mcp"):
            inside = tuple(server for server in await self._servers() if server.in_workspace(workspace.id))
            return Offer("workspace", (Place(workspace, inside),), resource.url)
        server = await self.directory.server(slug, revision)
        places = () if server is None else await self._places(member, (server,))
        found = tuple(place for place in places if place.servers)
        if not found:
            raise _nothing_there(member, resource)
        return Offer("server", found, resource.url)

    async def _places(self, member: Member, among: Sequence[Server]) -> tuple[Place, ...]:
        found = [
            workspaces.workspace_from_data(item.data)
            async for item in every(self.table, keys.ORGANISATION, keys.WORKSPACE_PREFIX)
        ]
        by_name = sorted(found, key=lambda one: one.name.casefold())
        return tuple(Place(workspace, inside) for workspace, inside in usable(member, by_name, among))

    async def _servers(self) -> tuple[Server, ...]:
        found = [
            servers.from_data(item.data) async for item in every(self.table, keys.ORGANISATION, keys.SERVER_PREFIX)
        ]
        return tuple(sorted(found, key=lambda one: one.name.casefold()))


def _no_such_server(member: Member, slug: str, workspace: Workspace) -> OAuthError:
    """With `slug` as they wrote it: whether another workspace has such a server is none of a member's to know."""
    if may(Actor(member.email, member), "registry.apply"):
        told = (
            f"There is no server {slug} in {workspace.name}. Check the URL, "
            f"or add the server with 'gatehouse apply', with {workspace.slug} among its workspaces."
        )
    else:
        told = (
            f"You are signed in as {member.email}, which has no access to {slug} in {workspace.name}. "
            f"Ask an administrator of {workspace.name}, or check the URL."
        )
    return OAuthError("access_denied", told)


def _nothing_there(member: Member, resource: Resource) -> OAuthError:
    return OAuthError(
        "access_denied",
        f"There is nothing at {resource.url} that {member.email} can use. Check the URL in your client, "
        "or ask whoever gave it to you.",
    )
