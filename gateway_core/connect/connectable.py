"""Which account at a server a person may connect, whose it will be, and who may where they may not."""

from dataclasses import dataclass

from gateway_core.access.roles import Actor, may_connect
from gateway_core.errors import ConnectFailed, NotAllowed, NotFound
from gateway_core.ports import Table
from gateway_core.registry.directory import Directory
from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import Granularity, OAuth
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys
from gateway_core.upstream.holders import Holder, holder_of


@dataclass(frozen=True, slots=True)
class Connectable:
    """One account that is there to be connected, as one person looks at it from a workspace."""

    organisation: str
    """Its name."""
    workspace: Workspace
    server: Server
    auth: OAuth
    """The server's."""
    holder: Holder
    """Whose account it is."""
    member: Member
    """Who looks."""

    @property
    def allowed(self) -> bool:
        """Whether this person may connect it."""
        return may_connect(_actor(self.member), self.holder.granularity, self.workspace.id)

    def check(self) -> None:
        """Go on only if they may.

        Raises:
            NotAllowed: They may not; the message says who may.
        """
        if not self.allowed:
            raise NotAllowed(
                f"{self.whose_words} {who_connects(self.holder.granularity, self.workspace.name)} can connect it, at "
                "this same address."
            )

    @property
    def whose_words(self) -> str:
        """Whose account it is, as a sentence."""
        match self.holder.granularity:
            case "user":
                return f"{self.server.name} is used with an account of each person's own."
            case "workspace":
                return f"{self.server.name} is used with one account for the workspace {self.workspace.name}."
            case "organisation":
                return f"{self.server.name} is used with one account for all of {self.organisation}."


@dataclass(frozen=True, slots=True)
class Connectables:
    """Looks them up."""

    table: Table
    directory: Directory

    async def find(self, workspace: str, server: str, member: Member) -> Connectable:
        """The account with which `member` uses a server from a workspace; both by slug or id.

        Raises:
            NotFound: There is no such server, or it is out of their reach: the same words for both.
            ConnectFailed: It is used without an account that people connect.
        """
        head = await self.table.get(keys.organisation_head())
        revision = "" if head is None else str(head.data["revision"])
        place = await self.directory.workspace(workspace, revision)
        found = await self.directory.server(server, revision)
        if head is None or place is None or found is None:
            raise _nothing(member)
        if not member.reaches(place.id) or not found.in_workspace(place.id):
            raise _nothing(member)
        if not isinstance(found.auth, OAuth):
            raise ConnectFailed(
                f"{found.name} is used without an account that people connect: there is nothing to do here.",
                reason="nothing_to_connect",
            )
        holder = holder_of(found.auth.granularity, workspace_id=place.id, member_id=member.id)
        assert holder is not None  # noqa: S101 - a member can hold each
        return Connectable(str(head.data["name"]), place, found, found.auth, holder, member)


def who_connects(granularity: Granularity, workspace: str) -> str:
    """Who may connect an account that others act as, too, as the subject of a sentence."""
    who = "An owner or admin of the organisation"
    return f"{who}, or an admin of the workspace {workspace}," if granularity == "workspace" else who


def _actor(member: Member) -> Actor:
    return Actor(member.email, member)


def _nothing(member: Member) -> NotFound:
    return NotFound(
        f"There is no server at this address that {member.email} can use. Check it, or open My access to see what "
        "there is."
    )
