"""Who may do what: ranks, words, and that no rule forgets whoever runs the organisation."""

import pytest

from gateway_core.access.roles import (
    ADMINISTRATOR,
    RULES,
    Action,
    Actor,
    may,
    may_give,
    may_somewhere,
    may_stand_in,
    who_may,
)
from gateway_core.registry.members import ORGANISATION_ROLES, Member, Roles


def person(organisation="member", **workspaces) -> Member:
    roles = Roles(organisation, workspaces)
    return Member("p-22222222", "x@acme.dev", "", roles, Roles(), None, 0, "test")


def actor(organisation="member", **workspaces) -> Actor:
    return Actor("a@acme.dev", Member("p-33333333", "a@acme.dev", "", Roles(organisation, workspaces), Roles(),
                                      None, 0, "test"))  # fmt: skip


@pytest.mark.parametrize("action", RULES)
def test_owners_and_admins_may_everything_auditors_only_look_and_plain_members_nothing(action: Action):
    looking = action.endswith(".read")
    assert may(actor("owner"), action)
    assert may(actor("admin"), action)
    assert may(actor("auditor"), action) == looking
    assert not may_somewhere(actor("member"), action)
    assert may(ADMINISTRATOR, action)


@pytest.mark.parametrize("action", RULES)
def test_a_role_in_a_workspace_is_nothing_in_another_nor_in_the_whole_organisation(action: Action):
    for role in ("admin", "manager", "member"):
        somebody = actor(here=role)
        assert not may(somebody, action)
        assert not may(somebody, action, "there")
        assert may_somewhere(somebody, action) == may(somebody, action, "here")


def test_roles_from_groups_count_like_those_that_were_given():
    mapped = Member("p-22222222", "x@acme.dev", "", Roles(), Roles("admin", {"here": "admin"}), None, 0, "test")
    assert may(Actor(mapped.email, mapped), "members.remove")


def test_nobody_gives_a_role_above_their_own():
    given = {own: [role for role in ORGANISATION_ROLES if may_give(actor(own), role)] for own in ORGANISATION_ROLES}
    assert given["owner"] == ["owner", "admin", "auditor", "member"]
    assert given["admin"] == ["admin", "auditor", "member"]
    assert all(may_give(ADMINISTRATOR, role) for role in ORGANISATION_ROLES)


STANDING_IN = [
    (actor("owner"), person("owner"), True),
    (actor("admin"), person("owner"), False),
    (actor("admin"), person("admin", here="admin"), True),
    (actor("auditor"), person("member"), False),
    (actor(here="admin"), person(here="admin"), True),
    (actor(here="admin"), person(here="member", there="member"), False),
    (actor(here="admin", there="member"), person(here="member", there="member"), False),
    (actor(here="admin"), person("auditor", here="member"), False),
    (actor(here="manager"), person(here="member"), False),
    (ADMINISTRATOR, person("owner"), True),
]


@pytest.mark.parametrize(("who", "whom", "expected"), STANDING_IN)
def test_only_who_may_all_that_somebody_may_can_become_them_by_a_link(who: Actor, whom: Member, expected: bool):
    assert may_stand_in(who, whom) is expected


def test_a_refusal_says_whose_roles_would_do():
    assert who_may("registry.apply") == "An owner or admin of the organisation"
    assert who_may("keys.create") == "An owner or admin of the organisation, or an admin of the workspace"
    assert who_may("members.read") == (
        "An owner, admin or auditor of the organisation, or an admin or manager of the workspace"
    )
