"""The bounds of what people write about people, groups and clients."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway_core.admin.draft import MAX_GUESSED
from gateway_core.admin.drafts import (
    ClientDraft,
    GroupsDraft,
    InvitationDraft,
    KeyDraft,
    RolesDraft,
    WorkspaceDraft,
)

URI = "https://app.example.com/cb"


def rows(count: int) -> dict[str, Any]:
    return {"groups": [{"group": f"g{number}", "organisation": "member"} for number in range(count)]}


def many(count: int) -> dict[str, str]:
    return {f"w{number}": "member" for number in range(count)}


WITHIN: list[tuple[Any, dict[str, Any]]] = [
    (InvitationDraft, {"email": f"{'a' * 64}@example.com"}),
    (InvitationDraft, {"email": "a@b.example", "name": "x" * 100, "workspaces": many(1_000)}),
    (RolesDraft, {"workspaces": many(1_000)}),
    (GroupsDraft, rows(500)),
    (GroupsDraft, {"groups": [{"group": "x" * 256, "workspaces": many(1_000)}]}),
    (ClientDraft, {"name": "x" * 100, "redirect_uris": [URI] * 20}),
]
BEYOND: list[tuple[Any, dict[str, Any]]] = [
    (InvitationDraft, {"email": "no address"}),
    (InvitationDraft, {"email": "a@b.example", "name": "x" * 101}),
    (InvitationDraft, {"email": "a@b.example", "name": ""}),
    (InvitationDraft, {"email": "a@b.example", "workspaces": many(1_001)}),
    (InvitationDraft, {"email": "a@b.example", "organisation": "king"}),
    (InvitationDraft, {"email": "a@b.example", "workspaces": {"research": None}}),
    (InvitationDraft, {"email": "a@b.example", "password": "x"}),
    (RolesDraft, {"workspaces": many(1_001)}),
    (RolesDraft, {"workspaces": {"research": "owner"}}),
    (GroupsDraft, rows(501)),
    (GroupsDraft, {"groups": [{"group": "x" * 257, "organisation": "member"}]}),
    (GroupsDraft, {"groups": [{"group": "", "organisation": "member"}]}),
    (GroupsDraft, {"groups": [{"group": "a\nb", "organisation": "member"}]}),
    (
        GroupsDraft,
        {"groups": [{"group": "same", "organisation": "member"}, {"group": "same", "organisation": "admin"}]},
    ),
    (GroupsDraft, {"groups": [{"group": "no role"}]}),
    (RolesDraft, {}),
    (RolesDraft, {"organisation": None, "workspaces": {}}),
    (GroupsDraft, {"groups": [{"group": "x", "workspaces": many(1_001)}]}),
    (ClientDraft, {"name": "x" * 101, "redirect_uris": [URI]}),
    (ClientDraft, {"name": "App", "redirect_uris": [URI] * 21}),
    (ClientDraft, {"name": "App", "redirect_uris": [f"{URI}?{'x' * 2048}"]}),
    (KeyDraft, {"workspace": "research", "kind": "user", "subject": "nobody"}),
]


@pytest.mark.parametrize(("draft", "given"), WITHIN)
def test_what_is_within_the_bounds_is_taken(draft: Any, given: dict[str, Any]):
    draft.model_validate(given)


@pytest.mark.parametrize(("draft", "given"), BEYOND)
def test_what_is_beyond_a_bound_is_refused(draft: Any, given: dict[str, Any]):
    with pytest.raises(ValidationError):
        draft.model_validate(given)


def test_an_address_is_kept_in_lower_case_and_a_services_name_as_it_is():
    assert InvitationDraft(email=" Ana@Acme.dev ").email == "ana@acme.dev"
    assert KeyDraft(workspace="research", kind="user", subject="Ana@Acme.dev").subject == "ana@acme.dev"
    assert KeyDraft(workspace="research", kind="service", subject="CI@Build").subject == "CI@Build"


def test_an_unknown_field_is_told_with_the_nearest_one_there_is_and_of_very_many_only_the_first_are():
    with pytest.raises(ValidationError) as told:
        WorkspaceDraft.model_validate({"slug": "a", "slgu": "a", "nmae": "A", "zzz": 1})
    words = [each["msg"].partition(")")[2] for each in told.value.errors()]
    assert words == ["; did you mean 'slug'?", "; did you mean 'name'?", ""]
    with pytest.raises(ValidationError) as told:
        WorkspaceDraft.model_validate({f"slug{n}": 1 for n in range(MAX_GUESSED + 5)})
    assert sum("did you mean" in each["msg"] for each in told.value.errors()) == MAX_GUESSED
