"""An actor before the registry: what they may see of it and do with it. Pure."""

from dataclasses import dataclass, replace
from typing import Final, Self

from gateway_core.access.roles import Action, Actor, may, who_may, who_may_everywhere
from gateway_core.admin.api_keys import unknown
from gateway_core.admin.state import State, Stored
from gateway_core.errors import NotAllowed, NotFound
from gateway_core.registry.members import Member, Roles
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace

Path = tuple[str | int, ...]
_OF_OWNERS: Final[frozenset[Action]] = frozenset({"members.invite", "members.change", "members.remove"})
"""Actions that take an owner where they are about one (`giving.demand_rank`)."""


def demand(actor: Actor, action: Action, workspace_id: str | None = None) -> None:
    """Go on only if `actor` may do `action`, in a workspace or (None) in the whole organisation.

    Raises:
        NotAllowed: They may not; the message says who may.
    """
    if not may(actor, action, workspace_id):
        raise refusal(actor, action) if workspace_id else _refused(actor, action, who_may_everywhere(action))


def refusal(actor: Actor, action: Action) -> NotAllowed:
    """The refusal of an action wherever it would have been, with whose roles cover it."""
    return _refused(actor, action, who_may(action))


def _refused(actor: Actor, action: Action, who: str) -> NotAllowed:
    owners = " Only an owner makes, changes or removes an owner." if action in _OF_OWNERS else ""
    return NotAllowed(f"You are signed in as {actor.name}, whose roles do not cover this. {who} can do it.{owners}")


@dataclass(frozen=True, slots=True)
class Authority:
    """An actor, and the part of the registry that they belong to: the rest is unknown to them, in the same words as
    what is not there."""

    actor: Actor
    state: State
    workspace_ids: frozenset[str]
    """Of every workspace that there is, also of those that the actor does not see."""

    @classmethod
    def over(cls, actor: Actor, state: State) -> Self:
        """The authority of `actor`, before the whole registry."""
        workspaces = {
            slug: stored
            for slug, stored in state.workspaces.items()
            if may(actor, "registry.read", stored.record.id)
        }  # fmt: skip
        ids = {stored.record.id for stored in workspaces.values()}
        servers = {slug: seen for slug, stored in state.servers.items() if (seen := _seen(stored, ids, actor))}
        everywhere = frozenset(stored.record.id for stored in state.workspaces.values())
        return cls(actor, replace(state, workspaces=workspaces, servers=servers), everywhere)

    def judged(self, member: Member) -> Member:
        """A member with their roles in the workspaces that there are, as it takes to judge what they may.

        The record keeps roles in workspaces that were deleted since, and groups may give them anew.
        """
        return replace(member, given=self._standing(member.given), mapped=self._standing(member.mapped))

    def _standing(self, roles: Roles) -> Roles:
        return Roles(roles.organisation, {id_: r for id_, r in roles.workspaces.items() if id_ in self.workspace_ids})

    def places(self, action: Action) -> dict[str, Workspace]:
        """The workspaces that the actor may do `action` in, by slug."""
        return {
            slug: stored.record
            for slug, stored in sorted(self.state.workspaces.items())
            if may(self.actor, action, stored.record.id)
        }

    def workspace(self, slug: str, action: Action, path: Path = ("workspace",)) -> Workspace:
        """The workspace of a slug, to do `action` in.

        Raises:
            Invalid: It is unknown or outside the actor's reach, told beside the field `path`.
            NotAllowed: The actor belongs to it, but may not do this there.
        """
        found = self.state.workspaces.get(slug)
        if found is None:
            raise unknown(path, "workspace", slug, self.state.workspaces)
        demand(self.actor, action, found.record.id)
        return found.record

    def demand_object(self, action: Action, workspace_id: str, missing: NotFound) -> None:
        """Go on only if the actor may do `action` on something that belongs to a workspace.

        Raises:
            NotFound: `missing`, where the workspace is outside the actor's reach.
            NotAllowed: They belong to it, but may not do this there.
        """
        if not may(self.actor, "registry.read", workspace_id):
            raise missing
        demand(self.actor, action, workspace_id)


def _seen(stored: Stored[Server], workspace_ids: set[str], actor: Actor) -> Stored[Server] | None:
    """A server as the actor sees it: with those of its workspaces that they see, or not at all."""
    held = stored.record.workspaces
    if may(actor, "registry.read") or (held == "all" and workspace_ids):
        return stored
    if held == "all":
        return None
    common = frozenset(held & workspace_ids)
    return Stored(replace(stored.record, workspaces=common), stored.version) if common else None
