"""May this person do this: the one function that every administrative action asks. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from gateway_core.registry.members import (
    ORGANISATION_ROLES,
    WORKSPACE_ROLES,
    Member,
    OrganisationRole,
    WorkspaceRole,
)
from gateway_core.registry.upstream_auth import Granularity

Action = Literal[
    "registry.read",
    "registry.apply",
    "servers.examine",
    "keys.read",
    "keys.create",
    "keys.revoke",
    "secrets.read",
    "secrets.write",
    "members.read",
    "members.invite",
    "members.change",
    "members.remove",
    "groups.read",
    "groups.write",
    "clients.read",
    "clients.write",
    "connections.connect",
    "connections.read",
    "connections.disconnect",
    "grants.read",
    "grants.revoke",
]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who administers: a member, or whoever holds the administrator's key of the deployment (`member` is None)."""

    name: str
    """E-mail address, or `administrator`. Stands in records and beside what was changed."""
    member: Member | None

    @property
    def id(self) -> str:
        """What log lines and counters know them by: the member's id, or `administrator`."""
        return self.name if self.member is None else self.member.id


ADMINISTRATOR: Final = Actor("administrator", None)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which roles may do something: in the whole organisation, and in a workspace of theirs."""

    organisation: frozenset[OrganisationRole]
    workspace: frozenset[WorkspaceRole] = frozenset()


_RUN: Final[frozenset[OrganisationRole]] = frozenset({"owner", "admin"})
_SEE: Final[frozenset[OrganisationRole]] = _RUN | {"auditor"}

RULES: Final[dict[Action, _Rule]] = {
    "registry.read": _Rule(_SEE, frozenset({"admin", "manager", "member"})),
    "registry.apply": _Rule(_RUN),
    "servers.examine": _Rule(_RUN, frozenset({"admin"})),
    "keys.read": _Rule(_SEE, frozenset({"admin"})),
    "keys.create": _Rule(_RUN, frozenset({"admin"})),
    "keys.revoke": _Rule(_RUN, frozenset({"admin"})),
    "secrets.read": _Rule(_SEE),
    "secrets.write": _Rule(_RUN),
    "members.read": _Rule(_SEE, frozenset({"admin", "manager"})),
    "members.invite": _Rule(_RUN, frozenset({"admin"})),
    "members.change": _Rule(_RUN, frozenset({"admin"})),
    "members.remove": _Rule(_RUN),
    "groups.read": _Rule(_SEE),
    "groups.write": _Rule(_RUN),
    "clients.read": _Rule(_SEE),
    "clients.write": _Rule(_RUN),
    "connections.connect": _Rule(_RUN, frozenset({"admin"})),
    "connections.read": _Rule(_SEE, frozenset({"admin"})),
    "connections.disconnect": _Rule(_RUN, frozenset({"admin"})),
    "grants.read": _Rule(_SEE, frozenset({"admin"})),
    "grants.revoke": _Rule(_RUN, frozenset({"admin"})),
}
"""An action on a workspace takes either; one on the whole organisation takes the role there."""


def may(actor: Actor, action: Action, workspace_id: str | None = None) -> bool:
    """Whether `actor` may do `action`, in the workspace `workspace_id` or (None) in the whole organisation."""
    if actor.member is None:
        return True
    rule, roles = RULES[action], actor.member.roles
    if roles.organisation in rule.organisation:
        return True
    return workspace_id is not None and roles.workspaces.get(workspace_id) in rule.workspace


def may_somewhere(actor: Actor, action: Action) -> bool:
    """Whether `actor` may do `action` in the whole organisation or in any workspace."""
    return may(actor, action) or any(may(actor, action, workspace_id) for workspace_id in _own(actor))


def may_connect(actor: Actor, granularity: Granularity, workspace_id: str) -> bool:
    """Whether `actor`, who uses a server from a workspace, may connect the account that it is used with, or take it
    away: everybody their own, and who administers the place one that others act as, too."""
    match granularity:
        case "user":
            return actor.member is not None
        case "workspace":
            return may(actor, "connections.connect", workspace_id)
        case "organisation":
            return may(actor, "connections.connect")


def may_give(actor: Actor, role: OrganisationRole) -> bool:
    """Whether `actor`, who runs the organisation, may give somebody `role`, or take it away: none above their own."""
    if actor.member is None:
        return True
    own = actor.member.roles.organisation
    return ORGANISATION_ROLES.index(role) >= ORGANISATION_ROLES.index(own)


def may_stand_in(actor: Actor, member: Member) -> bool:
    """Whether `actor` may do everything that `member` may. Whoever has somebody's invitation link can become them."""
    roles = member.roles
    if actor.member is None or actor.member.id == member.id:
        return True
    if may(actor, "members.invite"):
        return may_give(actor, roles.organisation)
    if roles.organisation != "member" or not roles.workspaces:
        return False
    # Who may invite there has the highest role of the workspace.
    return all(may(actor, "members.invite", workspace_id) for workspace_id in roles.workspaces)


def who_may_everywhere(action: Action) -> str:
    """Whose roles cover an action on the whole organisation, as the subject of a sentence: `An owner or admin of the
    organisation`."""
    rule = RULES[action]
    return f"An {_either([role for role in ORGANISATION_ROLES if role in rule.organisation])} of the organisation"


def who_may(action: Action) -> str:
    """The same of an action in a workspace, which roles there may cover too."""
    held: list[str] = [role for role in WORKSPACE_ROLES if role in RULES[action].workspace]
    return who_may_everywhere(action) + (f", or {_article(_either(held))} of the workspace" if held else "")


def _own(actor: Actor) -> list[str]:
    return [] if actor.member is None else list(actor.member.roles.workspaces)


def _either(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
