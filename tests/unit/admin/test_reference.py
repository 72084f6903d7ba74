"""The reference of the configuration in README.md names every field there is and none besides; its examples work."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_core.admin import upstream_drafts
from gateway_core.admin.draft import Draft
from gateway_core.admin.drafts import ServerDraft
from gateway_core.admin.forwarding_drafts import ForwardingDraft, IdentityDraft
from gateway_core.registry.forwarded import CLAIMS
from tests.unit.admin.written import server

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
TYPES: dict[str, type[Draft]] = {
    "none": upstream_drafts.NoAuthDraft,
    "headers": upstream_drafts.HeadersAuthDraft,
    "oauth": upstream_drafts.OAuthDraft,
    "client_credentials": upstream_drafts.ClientCredentialsDraft,
    "token_exchange": upstream_drafts.TokenExchangeDraft,
}
NEEDED: dict[str, dict[str, Any]] = {
    "headers": {},
    "oauth": {"client_id": "us", "client_secret": {"secret": "s"}, "issuer": "https://login.example.com"},
    "client_credentials": {"client_id": "us", "client_secret": {"secret": "s"}},
    "token_exchange": {
        "client_id": "us", "client_secret": {"secret": "s"}, "subject": "identity", "token_endpoint": "https://a.example/t",
    },
}  # fmt: skip
"""What stands beside the field of an example."""


def rows(title: str) -> list[list[str]]:
    """The cells of each row of the table that has `title` first."""
    _, table = re.split(rf"^\| {re.escape(title)} .*\n\|[-|]+\n", README, maxsplit=1, flags=re.MULTILINE)
    lines = table.split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


AUTH = [(quoted(field)[0], quoted(types), quoted(example)[0]) for field, types, example, _ in rows("Field of `auth`")]
BESIDE = [(quoted(field)[0], quoted(example)[0]) for field, example, _ in rows("Field of a server")]


def test_every_type_of_auth_stands_in_the_reference():
    assert [quoted(type_)[0] for type_, _ in rows("`type`")] == list(TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_every_field_of_a_type_stands_in_the_reference_and_no_other(type_: str):
    assert {field for field, types, _ in AUTH if type_ in types} == TYPES[type_].model_fields.keys() - {"type"}


@pytest.mark.parametrize(("field", "types", "example"), AUTH)
def test_every_example_of_the_reference_can_be_written_with_every_type_it_goes_with(
    field: str, types: list[str], example: str
):
    assert types
    for type_ in types:
        beside = dict(NEEDED[type_])
        if field == "private_key":
            del beside["client_secret"]
        auth = server(auth={"type": type_, **beside, field: yaml.load(example, yaml.BaseLoader)}).auth
        assert getattr(auth, field) is not None


def test_every_field_besides_auth_stands_in_the_reference_and_no_other():
    first = {"slug", "name", "url", "transport", "era", "auth", "workspaces", "timeout_s", "jwt_validation"}
    named = {field for field, _ in BESIDE}
    assert {field.partition(".")[0] for field in named} == ServerDraft.model_fields.keys() - first
    nested: dict[str, type[Draft]] = {"forward_headers": ForwardingDraft, "identity": IdentityDraft}
    assert {field for field in named if "." in field} == {
        f"{field}.{inner}" for field, draft in nested.items() for inner in draft.model_fields
    }


@pytest.mark.parametrize(("field", "example"), BESIDE)
def test_every_example_of_what_goes_on_can_be_written(field: str, example: str):
    needed: dict[str, dict[str, Any]] = {"forward_headers": {"headers": ["x-a"]}, "identity": {"method": "jwt_header"}}
    outer, _, inner = field.partition(".")
    value = yaml.load(example, yaml.BaseLoader)
    made = server(**{outer: {**needed[outer], inner: value} if inner else value})
    assert getattr(made, outer)


def test_every_claim_that_can_be_told_stands_in_the_reference():
    (told,) = (row[2] for row in rows("Field of a server") if quoted(row[0]) == ["identity.claims"])
    assert tuple(quoted(told)) == CLAIMS


def test_the_long_example_of_the_reference_can_be_written():
    (block,) = re.findall(r"```yaml\n(    auth:\n(?:      .*\n)+)```", README)
    assert server(**yaml.load(block, yaml.BaseLoader)).auth.type == "oauth"
