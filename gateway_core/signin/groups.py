"""Which groups of the identity provider give which roles, and the item that says so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.errors import Invalid
from gateway_core.ports import ABSENT, Condition, Put, Table, Unchanged, Write
from gateway_core.registry.members import OrganisationRole, Roles, WorkspaceRole
from gateway_core.storage import keys

MAX_ROWS: Final = 500
"""Rows of the mapping: one item of the store holds ten times as many."""
MAX_GROUP: Final = 256
"""Characters of a group's name; providers send names, paths or UUIDs."""


@dataclass(frozen=True, slots=True)
class GroupMapping:
    """What the people of one group may do."""

    group: str
    """Exactly as the provider's claim spells it."""
    organisation: OrganisationRole | None = None
    workspaces: Mapping[str, WorkspaceRole] = field(default_factory=dict)
    """By workspace id."""


def mapped(groups: Collection[str], mapping: Sequence[GroupMapping]) -> bool:
    """True when at least one of `groups` stands in the mapping: its people may come in without an invitation."""
    return any(row.group in groups for row in mapping)


def roles_of(groups: Collection[str], mapping: Sequence[GroupMapping]) -> Roles:
    """The roles that `groups` give together; from several the higher one."""
    roles = Roles()
    for row in mapping:
        if row.group in groups:
            roles = roles.joined(Roles(row.organisation or "member", row.workspaces))
    return roles


def mapping_problem(mapping: Sequence[GroupMapping]) -> str | None:
    """Why this mapping cannot be kept, or None."""
    names = [row.group for row in mapping]
    if len(names) > MAX_ROWS:
        return f"The mapping has {len(names)} groups; it can have {MAX_ROWS}."
    for name in names:
        if not 0 < len(name) <= MAX_GROUP or not name.isprintable():
            return f"A group's name has 1 to {MAX_GROUP} visible characters."
    if len(set(names)) < len(names):
        return "A group stands in the mapping twice."
    return None


def to_data(mapping: Sequence[GroupMapping]) -> dict[str, Any]:
    """The mapping as a JSON object for the store."""
    rows = [{"group": r.group, "organisation": r.organisation, "workspaces": dict(r.workspaces)} for r in mapping]
    return {"groups": rows}


def from_data(data: Mapping[str, Any]) -> tuple[GroupMapping, ...]:
    """The mapping that `to_data` wrote."""
    return tuple(GroupMapping(**row) for row in data["groups"])


@dataclass(frozen=True, slots=True)
class Groups:
    """The mapping as the organisation has it. A change counts from each member's next sign-in on."""

    table: Table

    async def read(self) -> tuple[tuple[GroupMapping, ...], int]:
        """The mapping, and its version; version 0 while there is none."""
        item = await self.table.get(keys.group_mapping())
        return ((), 0) if item is None else (from_data(item.data), item.version)

    async def write(self, mapping: Sequence[GroupMapping], *, version: int) -> None:
        """Replace the mapping.

        Raises:
            Conflict: It is no longer at `version`.
            Invalid: It cannot be kept as it is.
        """
        await self.table.transact([replacing(mapping, version=version)])


def replacing(mapping: Sequence[GroupMapping], *, version: int) -> Write:
    """The write that replaces the mapping at `version`, for a transaction with other writes.

    Raises:
        Invalid: It cannot be kept as it is.
    """
    problem = mapping_problem(mapping)
    if problem is not None:
        raise Invalid(problem)
    when: Condition = Unchanged(version) if version else ABSENT
    return Put(keys.group_mapping(), to_data(mapping), when)
