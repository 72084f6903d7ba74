"""From a client's link to its tokens: what is approved is what comes out, and nothing else does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway_core.errors import OAuthError
from gateway_core.issuer.codes import digest
from gateway_core.registry.people import People
from gateway_core.storage import keys
from tests.unit.issuer.house import (
    CALLBACK,
    CHALLENGE,
    LINEAR,
    PUBLIC,
    WORKSPACES,
    House,
    basic,
    error_of,
    headers,
    house,
)

PORTAL = "https://portal.example/callback"


@pytest.fixture
async def home(tmp_path: Path):
    async with house(tmp_path) as made:
        yield made


async def client_of(home: House, kind: str) -> tuple[str, dict[str, Any], tuple[tuple[str, str], ...]]:
    """Id of a client of that kind, how it redeems, and with which header."""
    if kind == "metadata document":
        return "https://claude.ai/oauth/claude-code-client-metadata", {"redirect_uri": CALLBACK}, ()
    if kind == "dynamic":
        return (await home.dynamic())[0], {"redirect_uri": CALLBACK}, ()
    client_id, secret = await home.entered()
    return client_id, {"redirect_uri": PORTAL, "client_id": None}, (basic(client_id, secret),)


@pytest.mark.parametrize("kind", ["metadata document", "dynamic", "entered by an administrator"])
async def test_a_client_of_every_kind_gets_tokens_for_exactly_what_was_approved(home: House, kind: str):
    client_id, redeems, raw = await client_of(home, kind)
    back = await home.approved(client_id, redirect_uri=redeems["redirect_uri"])
    assert back["state"] == "st"
    assert back["iss"] == PUBLIC
    answer = await home.redeem(client_id, back["code"], *raw, **redeems)
    assert answer.status == 200
    assert answer.body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (answer.body["token_type"], answer.body["expires_in"], answer.body["scope"]) == ("Bearer", 3600, "mcp")
    grant = await home.grant_of(answer.body["access_token"])
    assert grant is not None
    assert (grant.client_id, grant.resource, grant.member_id) == (client_id, LINEAR, home.member_id)
    assert (grant.place, grant.redirect_uri, grant.scope) == (WORKSPACES["research"], redeems["redirect_uri"], "mcp")


async def test_nothing_that_the_store_holds_opens_anything(home: House):
    client_id, _ = await home.dynamic()
    code = await home.code(client_id)
    tokens = (await home.redeem(client_id, code)).body
    secrets = [code, tokens["access_token"], tokens["refresh_token"]]
    grant = keys.grant(WORKSPACES["research"], tokens["access_token"].split("_")[2])
    places = [
        keys.authorization_code(digest(code)),
        grant,
        keys.access_token(grant.pk.partition("#")[2], digest(secrets[1])),
    ]
    for item in await home.table.get_many(places):
        assert item is not None
        assert not any(secret.rpartition("_")[2] in str(item) for secret in secrets)


async def test_a_code_is_good_for_a_minute_and_not_for_longer(home: House):
    client_id, _ = await home.dynamic()
    early, late = await home.code(client_id), await home.code(client_id)
    home.clock.now += 59
    assert (await home.redeem(client_id, early)).status == 200
    home.clock.now += 1
    assert error_of(await home.redeem(client_id, late)) == (400, "invalid_grant")


async def test_a_code_that_is_redeemed_twice_takes_back_what_it_gave(home: House):
    client_id, _ = await home.dynamic()
    code = await home.code(client_id)
    first = await home.redeem(client_id, code)
    home.clock.now += 3_000
    assert error_of(await home.redeem(client_id, code)) == (400, "invalid_grant")
    assert not await home.good(first)
    assert error_of(await home.refresh(client_id, first.body["refresh_token"])) == (400, "invalid_grant")


async def test_a_second_redemption_that_is_wrong_takes_nothing_back(home: House):
    client_id, _ = await home.dynamic()
    other_id, _ = await home.dynamic(client_name="Other")
    code = await home.code(client_id)
    first = await home.redeem(client_id, code)
    for wrong in ({"code_verifier": "a" * 43}, {"redirect_uri": "http://127.0.0.1:1/callback"}, {"client_id": other_id},
                  {"resource": f"{PUBLIC}/sales/linear/mcp"}):  # fmt: skip
        assert (await home.redeem(client_id, code, **wrong)).status == 400
    assert await home.good(first)


async def test_the_code_of_one_client_is_nothing_to_another(home: House):
    client_id, _ = await home.dynamic()
    other_id, secret = await home.entered()
    code = await home.code(client_id)
    other = await home.redeem(other_id, code, basic(other_id, secret), client_id=None)
    assert error_of(other) == (400, "invalid_grant")
    assert (await home.redeem(client_id, code)).status == 200


async def test_a_member_who_is_gone_gets_no_tokens_for_what_they_approved(home: House):
    client_id, _ = await home.dynamic()
    tokens = await home.signed_in(client_id)
    code = await home.code(client_id)
    await People(home.table, home.clock).remove(home.member_id)
    assert error_of(await home.redeem(client_id, code)) == (400, "invalid_grant")
    assert error_of(await home.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")


async def test_the_token_of_another_member_beside_a_code_stands_in_for_nobody(home: House):
    client_id, _ = await home.dynamic()
    code = await home.code(client_id)
    eve = await People(home.table, home.clock).add("eve@acme.dev", by="ana@acme.dev")
    others = await replace(home, member_id=eve.id).signed_in(client_id)
    await People(home.table, home.clock).remove(home.member_id)
    for name in ("token", "refresh_token"):
        for shown in (others["access_token"], others["refresh_token"]):
            assert error_of(await home.redeem(client_id, code, **{name: shown})) == (400, "invalid_grant")
    assert await home.good(others)


async def test_without_a_resource_the_grant_is_for_the_workspace_that_was_chosen(home: House):
    client_id, _ = await home.dynamic()
    tokens = await home.signed_in(client_id, resource=None)
    grant = await home.grant_of(tokens["access_token"])
    assert grant is not None
    assert grant.resource == f"{PUBLIC}/research/mcp"


@pytest.mark.parametrize(
    ("resource", "granted"),
    [
        ("/research/linear/mcp", True),
        ("/research/mcp", True),
        ("/linear/mcp", True),
        ("/weather/mcp", False),
        ("/sales/linear/mcp", False),
        ("/sales/mcp", False),
        ("/nobody/mcp", False),
        ("/api/v1", False),
    ],
)
async def test_a_client_that_names_its_resource_only_at_the_end_gets_just_that_if_it_lies_in_the_workspace(
    home: House, resource: str, granted: bool
):
    client_id, _ = await home.dynamic()
    code = await home.code(client_id, resource=None)
    answer = await home.redeem(client_id, code, resource=PUBLIC + resource)
    if not granted:
        assert error_of(answer) == (400, "invalid_target")
        return
    grant = await home.grant_of(answer.body["access_token"])
    assert grant is not None
    assert grant.resource == PUBLIC + resource
    assert (await home.refresh(client_id, answer.body["refresh_token"], resource=PUBLIC + resource)).status == 200


async def test_a_client_that_was_given_a_workspace_and_asks_for_less_at_the_end_gets_just_that(home: House):
    client_id, _ = await home.dynamic()
    for resource, granted in ((LINEAR, LINEAR), (f"{PUBLIC}/research/mcp", f"{PUBLIC}/research/mcp")):
        code = await home.code(client_id, resource=f"{PUBLIC}/research/mcp")
        tokens = (await home.redeem(client_id, code, resource=resource)).body
        grant = await home.grant_of(tokens["access_token"])
        assert grant is not None
        assert grant.resource == granted
    code = await home.code(client_id, resource=f"{PUBLIC}/research/mcp")
    for other in (f"{PUBLIC}/sales/linear/mcp", f"{PUBLIC}/linear/mcp", f"{PUBLIC}/sales/mcp"):
        assert error_of(await home.redeem(client_id, code, resource=other)) == (400, "invalid_target")


async def test_what_is_wrong_is_told_to_the_client_with_its_state_and_who_says_so(home: House):
    client_id, _ = await home.dynamic()
    request = await home.issuer.read(home.query(client_id, code_challenge_method="plain", state="a b&c"))
    assert request.refusal is not None
    back = parse_qs(urlsplit(home.issuer.refuse(request, request.refusal)).query)
    assert back == {
        "error": ["invalid_request"],
        "error_description": ["code_challenge_method must be S256."],
        "state": ["a b&c"],
        "iss": [PUBLIC],
    }
    with pytest.raises(OAuthError, match="S256"):
        await home.issuer.approve(request, member_id=home.member_id, place=WORKSPACES["research"], resource=LINEAR)


async def test_of_two_states_neither_is_sent_back(home: House):
    client_id, _ = await home.dynamic()
    request = await home.issuer.read(home.query(client_id) + "&state=other")
    assert request.refusal is not None
    assert "state" not in parse_qs(urlsplit(home.issuer.refuse(request, request.refusal)).query)


async def test_an_error_told_to_the_client_holds_no_letter_that_it_must_not_and_no_state_that_nobody_sent(home: House):
    client_id, _ = await home.dynamic()
    request = await home.issuer.read(home.query(client_id, state=None))
    url = home.issuer.refuse(request, OAuthError("access_denied", 'You are "zoë@acme.dev" \\ no access'))
    assert parse_qs(urlsplit(url).query) == {
        "error": ["access_denied"],
        "error_description": ["You are 'zo?@acme.dev' / no access"],
        "iss": [PUBLIC],
    }


async def test_a_redirect_uri_with_a_query_of_its_own_keeps_it_byte_for_byte(home: House):
    own = "https://app.example/cb?b=%7e&a=1&a=+"
    client_id, _ = await home.dynamic(redirect_uris=[own])
    request = await home.issuer.read(home.query(client_id, redirect_uri=own))
    url = await home.issuer.approve(request, member_id=home.member_id, place=WORKSPACES["research"], resource=LINEAR)
    assert url.startswith(f"{own}&code=ghc_")


async def test_the_one_redirect_uri_of_a_client_may_be_left_out_at_both_ends(home: House):
    client_id, _ = await home.dynamic(redirect_uris=["https://app.example/cb"])
    code = await home.code(client_id, redirect_uri=None)
    wrong = await home.redeem(client_id, code, redirect_uri="https://evil.example/")
    assert error_of(wrong) == (400, "invalid_grant")
    assert (await home.redeem(client_id, code, redirect_uri=None)).status == 200


async def test_nobody_is_sent_back_to_a_page_of_the_gateway_itself(home: House):
    own = f"{PUBLIC}/oauth/callback"
    said = json.dumps({"redirect_uris": ["https://app.example/cb", own]}).encode()
    answer = await home.issuer.register(headers(("content-type", "application/json")), said)
    assert error_of(answer) == (400, "invalid_redirect_uri")
    # An administrator enters what they like; it is not redirected to either way.
    made, _ = await home.clients.create("Portal", [own], auth_method="none", by="ana@acme.dev")
    for named in (own, None):
        with pytest.raises(OAuthError, match="gateway itself"):
            await home.issuer.read(home.query(made.client.id, redirect_uri=named))


async def test_of_two_redirect_uris_one_must_be_named(home: House):
    client_id, _ = await home.dynamic(redirect_uris=["https://app.example/a", "https://app.example/b"])
    with pytest.raises(OAuthError, match="where to return"):
        await home.issuer.read(home.query(client_id, redirect_uri=None))


async def test_what_was_approved_must_be_what_was_asked_for(home: House):
    client_id, _ = await home.dynamic()
    request = await home.issuer.read(home.query(client_id))
    for place, resource in [
        (WORKSPACES["research"], f"{PUBLIC}/research/weather/mcp"),
        (WORKSPACES["research"], f"{PUBLIC}/research/mcp"),
        ("org", LINEAR),
        (WORKSPACES["research"], "https://evil.example/research/linear/mcp"),
    ]:
        with pytest.raises(OAuthError):
            await home.issuer.approve(request, member_id=home.member_id, place=place, resource=resource)


async def test_the_command_line_gets_the_admin_api_and_nothing_else(home: House):
    request = await home.issuer.read(home.query("gatehouse-cli", resource=None))
    assert request.resource is not None
    assert (request.resource.url, request.scope, request.refusal) == (f"{PUBLIC}/api/v1", "admin", None)
    tokens = await home.signed_in("gatehouse-cli", resource=f"{PUBLIC}/api/v1", place="org")
    assert tokens["scope"] == "admin"
    assert tokens["access_token"].startswith("gha_org_")
    refused = await home.issuer.read(home.query("gatehouse-cli"))
    assert refused.refusal is not None
    assert refused.refusal.error == "invalid_target"


async def test_the_admin_api_is_not_for_clients_that_nobody_here_vouches_for(home: House):
    entered, _ = await home.entered()
    for client_id, redirect_uri, expected in [
        ((await home.dynamic())[0], CALLBACK, "invalid_target"),
        ("https://claude.ai/oauth/claude-code-client-metadata", CALLBACK, "invalid_target"),
        (entered, PORTAL, None),
    ]:
        query = home.query(client_id, redirect_uri=redirect_uri, resource=f"{PUBLIC}/api/v1")
        refusal = (await home.issuer.read(query)).refusal
        assert (refusal.error if refusal else None) == expected


async def test_a_request_can_be_read_again_and_again_and_leaves_no_trace(home: House):
    client_id, _ = await home.dynamic()
    first, second = [await home.issuer.read(home.query(client_id)) for _ in range(2)]
    assert first == second
    assert (first.challenge, first.redirect_uri, first.scope) == (CHALLENGE, CALLBACK, "mcp")
