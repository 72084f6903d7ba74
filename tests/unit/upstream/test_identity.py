"""Who calls, as servers are told: what there is to say of whom, and that nobody passes for somebody else."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.access.callers import Caller
from gateway_core.errors import Refused
from gateway_core.headers import NO_HEADERS
from gateway_core.registry.forwarded import CLAIMS, IdentityForwarding
from gateway_core.registry.members import Member, Roles
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.registry.workspaces import Workspace
from gateway_core.upstream.auth.asked import Asked
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.identity import MAX_CLIENT_ID, Identities, claims_of, subject_of

ANA = Member("p-23456789", "ana@acme.dev", "Ana Müller", Roles(), Roles(), None, 0, "test")
KEY = Caller("user", "ana@acme.dev", "ws-abcdefgh", "k-23456789", None, member_id=ANA.id)
LOGIN = KEY._replace(credential_id="g-0123456789abcdef", client_id="https://claude.ai/oauth/client.json")
SERVICE = Caller("service", "ci", "ws-abcdefgh", "k-98765432", None)
FOREIGN = Caller("user", "248289761001", "ws-abcdefgh", "jwt", None, "https://login.acme.example/t", client_id="app-7")
WHERE = {"workspace_id": "ws-abcdefgh", "workspace": "research", "organisation": "Acme"}


def behalf(caller: Caller, member: Member | None = None, bearer: str = "") -> Behalf:
    return Behalf(
        caller=caller, member=member, workspace=Workspace("ws-abcdefgh", "research", "Research"), organisation="Acme",
        headers=NO_HEADERS, token_headers=frozenset(), client="claude-code", connection_item=None, bearer=bearer,
        ends_at=0.0, afterwards=[],
    )  # fmt: skip


def asked(identity: IdentityForwarding | None, who: Behalf) -> Asked:
    url = "https://mcp.example.com:8443/a/mcp?b=c"
    server = Server("s", "linear", "Linear", url, "auto", NoAuth(), "all", identity=identity)
    return Asked(server, who, "1", url, 0.0, True)


async def spelled(claims: Mapping[str, str], audience: str) -> str:
    """Signs nothing, and tells what would be signed."""
    return f"{audience} {json.dumps(claims)}"


IDENTITIES = Identities(spelled)


def test_of_a_member_there_is_everything_to_say_by_key_and_by_login():
    ana = {"sub": ANA.id, "email": "ana@acme.dev", "user_id": ANA.id, "name": "Ana Müller", **WHERE}
    by_key, by_login = (claims_of(behalf(caller, ANA), CLAIMS) for caller in (KEY, LOGIN))
    assert by_key == {**ana, "client_id": "k-23456789", "credential_kind": "api_key"}
    assert by_login == {**ana, "client_id": "https://claude.ai/oauth/client.json", "credential_kind": "oauth"}
    assert tuple(by_login) == CLAIMS


def test_a_service_has_a_name_and_no_address():
    assert claims_of(behalf(SERVICE), CLAIMS) == {
        "sub": "ws-abcdefgh/service/ci", "name": "ci", **WHERE, "client_id": "k-98765432", "credential_kind": "api_key",
    }  # fmt: skip


def test_somebody_of_another_issuer_is_known_by_that_issuer_and_by_nothing_that_they_say_besides():
    assert claims_of(behalf(FOREIGN, bearer="e30"), CLAIMS) == {
        "sub": "https://login.acme.example/t 248289761001", **WHERE, "client_id": "app-7", "credential_kind": "jwt",
    }  # fmt: skip
    assert "client_id" not in claims_of(behalf(FOREIGN._replace(client_id="")), CLAIMS)


def test_only_what_was_chosen_is_said():
    assert claims_of(behalf(KEY, ANA), ("sub", "workspace")) == {"sub": ANA.id, "workspace": "research"}
    assert claims_of(behalf(SERVICE), ("email",)) == {}
    assert claims_of(behalf(KEY, replace(ANA, name="")), ("name", "email")) == {"email": "ana@acme.dev"}


def test_the_sealed_id_of_a_client_that_registered_itself_is_left_out():
    for length, told in ((MAX_CLIENT_ID, True), (MAX_CLIENT_ID + 1, False)):
        caller = LOGIN._replace(client_id="d" * length)
        assert ("client_id" in claims_of(behalf(caller, ANA), CLAIMS)) is told


NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=8)
PLACES = st.sampled_from(["ws-abcdefgh", "ws-abcdefgj"])
ISSUERS = st.sampled_from(["https://a.example", "https://a.example/b"])
MEMBERS = st.sampled_from(["p-23456789", "p-2345678a"])
TRICKS = st.sampled_from(["p-23456789", "ws-abcdefgh/service/ci", "ci", "https://a.example", "a/service/b"])
CALLERS = (
    st.builds(lambda place, name: SERVICE._replace(workspace_id=place, subject=name), PLACES, NAMES | TRICKS)
    | st.builds(
        lambda issuer, name: FOREIGN._replace(issuer=issuer, subject=name), ISSUERS, st.text(min_size=1) | TRICKS
    )
    | st.builds(lambda member_id, address: KEY._replace(member_id=member_id, subject=address), MEMBERS, NAMES)
)


@given(CALLERS, CALLERS)
def test_two_callers_have_one_subject_only_where_they_are_the_same(one: Caller, other: Caller):
    same = _who(one) == _who(other)
    assert (subject_of(one) == subject_of(other)) is same


def _who(caller: Caller) -> Any:
    if caller.member_id is not None:
        return caller.member_id
    return (caller.issuer, caller.subject) if caller.issuer else (caller.workspace_id, caller.subject)


async def test_a_server_that_is_not_told_gets_no_header():
    assert await IDENTITIES.told(asked(None, behalf(KEY, ANA))) == []


async def test_claims_are_one_header_of_json_in_ascii():
    identity = IdentityForwarding("claims_header", None, ("sub", "name"))
    [(name, value)] = await IDENTITIES.told(asked(identity, behalf(KEY, ANA)))
    assert (name, value) == ("x-user-claims", '{"sub":"p-23456789","name":"Ana M\\u00fcller"}')
    assert value.isascii()
    assert json.loads(value)["name"] == "Ana Müller"
    other = IdentityForwarding("claims_header", "x-caller", ("email",))
    assert await IDENTITIES.told(asked(other, behalf(SERVICE))) == [("x-caller", "{}")]


async def test_a_token_is_for_the_origin_of_the_server_and_always_says_who_it_is_about():
    identity = IdentityForwarding("jwt_header", None, ("email",))
    [(name, value)] = await IDENTITIES.told(asked(identity, behalf(KEY, ANA)))
    assert name == "x-user-jwt"
    assert value == 'https://mcp.example.com:8443 {"sub": "p-23456789", "email": "ana@acme.dev"}'


async def test_what_is_exchanged_says_what_the_server_is_told_and_else_all_there_is():
    chosen = IdentityForwarding("claims_header", None, ("email",))
    told = await IDENTITIES.signed(asked(chosen, behalf(KEY, ANA)), "https://login.example.com")
    assert told == 'https://login.example.com {"sub": "p-23456789", "email": "ana@acme.dev"}'
    _, _, claims = (await IDENTITIES.signed(asked(None, behalf(KEY, ANA)), "x")).partition(" ")
    assert tuple(json.loads(claims)) == CLAIMS


async def test_a_callers_own_token_goes_on_as_it_came_and_nobody_is_spoken_for_without_one():
    identity = IdentityForwarding("bearer", None, ())
    assert await IDENTITIES.told(asked(identity, behalf(FOREIGN, bearer="e30.e30.x"))) == [
        ("authorization", "Bearer e30.e30.x")
    ]
    for caller, member in ((KEY, ANA), (LOGIN, ANA), (SERVICE, None)):
        with pytest.raises(Refused) as refused:
            await IDENTITIES.told(asked(identity, behalf(caller, member)))
        assert refused.value.reason == "no_token_of_their_own"
        assert refused.value.message == (
            "Linear knows callers by the token of their own issuer, and this request came with a credential of the "
            "gateway, which goes nowhere else. Call with a token of that issuer."
        )
