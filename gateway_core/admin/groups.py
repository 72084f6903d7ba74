"""The mapping from groups to roles, as people write it: with slugs for workspaces. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from gateway_core.admin.draft import Problem
from gateway_core.admin.drafts import GroupDraft
from gateway_core.registry.workspaces import Workspace
from gateway_core.signin.groups import GroupMapping


def group_problems(rows: Sequence[GroupDraft], known: Collection[str]) -> Iterator[Problem]:
    """What is wrong with `rows`, where `known` are the slugs of the workspaces."""
    for index, row in enumerate(rows):
        for slug in row.workspaces:
            if slug not in known:
                there = ", ".join(sorted(known)) or "none"
                told = f"there is no workspace {slug!r} (there is: {there})"
                yield ("groups", index, "workspaces", slug), told


def mapping(rows: Sequence[GroupDraft], workspaces: Mapping[str, Workspace]) -> tuple[GroupMapping, ...]:
    """The mapping as it is kept: with ids for workspaces."""
    return tuple(
        GroupMapping(row.group, row.organisation, {workspaces[slug].id: role for slug, role in row.workspaces.items()})
        for row in rows
    )


def owners(rows: Sequence[GroupMapping]) -> frozenset[str]:
    """The groups whose people own the organisation."""
    return frozenset(row.group for row in rows if row.organisation == "owner")
