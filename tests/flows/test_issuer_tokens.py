"""The life of tokens after the sign-in: refreshed, shown again, revoked, looked at."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core.issuer import grants
from gateway_core.issuer.grants import Grants
from gateway_core.issuer.rotation import ABSOLUTE_S, IDLE_S
from gateway_core.registry.members import Roles
from gateway_core.registry.people import People
from tests.unit.issuer.house import FORM, LINEAR, PUBLIC, WORKSPACES, House, basic, error_of, form, headers, house

PORTAL = {"redirect_uri": "https://portal.example/callback"}


@pytest.fixture
async def home(tmp_path: Path):
    async with house(tmp_path) as made:
        yield made


async def revoke(home: House, token: str, *raw: tuple[str, str], **parameters: str):
    return await home.issuer.revoke(headers(FORM, *raw), form({"token": token, **parameters}))


async def introspect(home: House, token: str, *raw: tuple[str, str], **parameters: str):
    return await home.issuer.introspect(headers(FORM, *raw), form({"token": token, **parameters}))


async def test_a_refresh_gives_a_new_pair_and_leaves_the_old_access_token_its_hour(home: House):
    client_id, _ = await home.dynamic()
    first = await home.signed_in(client_id)
    second = (await home.refresh(client_id, first["refresh_token"])).body
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert await home.good(first)
    assert await home.good(second)
    home.clock.now += 3_600
    assert not await home.good(second)
    assert (await home.refresh(client_id, second["refresh_token"])).status == 200


async def test_an_answer_that_was_lost_is_given_once_more_within_a_minute(home: House):
    client_id, _ = await home.dynamic()
    first = await home.signed_in(client_id)
    second = (await home.refresh(client_id, first["refresh_token"])).body
    home.clock.now += 60
    again = (await home.refresh(client_id, first["refresh_token"])).body
    assert again == {**second, "expires_in": 3_540}
    assert error_of(await home.refresh(client_id, first["refresh_token"])) == (400, "invalid_grant")
    assert await home.good(second)
    assert (await home.refresh(client_id, second["refresh_token"])).status == 200


@pytest.mark.parametrize("story", ["after the minute", "after two turns"])
async def test_an_old_refresh_token_ends_everything_that_came_of_the_sign_in(home: House, story: str):
    client_id, _ = await home.dynamic()
    first = await home.signed_in(client_id)
    last = (await home.refresh(client_id, first["refresh_token"])).body
    if story == "after the minute":
        home.clock.now += 61
    else:
        last = (await home.refresh(client_id, last["refresh_token"])).body
    assert error_of(await home.refresh(client_id, first["refresh_token"])) == (400, "invalid_grant")
    assert not await home.good(last)
    assert error_of(await home.refresh(client_id, last["refresh_token"])) == (400, "invalid_grant")
    assert await Grants(home.table, home.clock).of_member(home.member_id) == []


async def test_another_client_can_neither_use_nor_burn_a_refresh_token(home: House):
    client_id, _ = await home.dynamic()
    other_id, _ = await home.dynamic(client_name="Other")
    first = await home.signed_in(client_id)
    second = (await home.refresh(client_id, first["refresh_token"])).body
    home.clock.now += 100
    for token in (first["refresh_token"], second["refresh_token"]):
        assert error_of(await home.refresh(other_id, token)) == (400, "invalid_grant")
    assert await home.good(second)


async def test_a_confidential_client_refreshes_only_with_its_secret(home: House):
    client_id, secret = await home.entered()
    raw = basic(client_id, secret)
    code = await home.code(client_id, **PORTAL)
    tokens = (await home.redeem(client_id, code, raw, client_id=None, **PORTAL)).body
    assert error_of(await home.refresh(client_id, tokens["refresh_token"])) == (401, "invalid_client")
    wrong = basic(client_id, "ghs_" + "a" * 43)
    assert error_of(await home.refresh(client_id, tokens["refresh_token"], wrong)) == (401, "invalid_client")
    assert (await home.refresh(client_id, tokens["refresh_token"], raw)).status == 200


async def test_a_month_of_silence_ends_a_grant_and_half_a_year_ends_it_anyway(home: House):
    client_id, _ = await home.dynamic()
    silent, busy = await home.signed_in(client_id), await home.signed_in(client_id)
    start = home.clock.now
    while home.clock.now + IDLE_S - 1 < start + ABSOLUTE_S:
        home.clock.now += IDLE_S - 1
        answer = await home.refresh(client_id, busy["refresh_token"])
        assert answer.status == 200
        busy = answer.body
        assert busy["expires_in"] == min(3_600, start + ABSOLUTE_S - home.clock.now)
    assert error_of(await home.refresh(client_id, silent["refresh_token"])) == (400, "invalid_grant")
    home.clock.now = start + ABSOLUTE_S
    assert error_of(await home.refresh(client_id, busy["refresh_token"])) == (400, "invalid_grant")


async def test_revoking_an_access_token_leaves_the_refresh_token(home: House):
    client_id, _ = await home.dynamic()
    tokens = await home.signed_in(client_id)
    assert (await revoke(home, tokens["access_token"], client_id=client_id)).status == 200
    assert not await home.good(tokens)
    assert (await home.refresh(client_id, tokens["refresh_token"])).status == 200


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "made_up", ""])
async def test_revoking_a_refresh_token_ends_the_grant_whatever_the_hint_says(home: House, hint: str):
    client_id, _ = await home.dynamic()
    tokens = await home.signed_in(client_id)
    answer = await revoke(home, tokens["refresh_token"], client_id=client_id, token_type_hint=hint)
    assert (answer.status, answer.body) == (200, {})
    assert not await home.good(tokens)


async def test_revoking_an_old_refresh_token_ends_the_grant_as_well(home: House):
    client_id, _ = await home.dynamic()
    first = await home.signed_in(client_id)
    second = (await home.refresh(client_id, first["refresh_token"])).body
    assert (await revoke(home, first["refresh_token"], client_id=client_id)).status == 200
    assert not await home.good(second)


async def test_nobody_revokes_what_is_not_theirs_and_an_unknown_token_is_answered_like_a_revoked_one(home: House):
    client_id, _ = await home.dynamic()
    other_id, _ = await home.dynamic(client_name="Other")
    entered, secret = await home.entered()
    tokens = await home.signed_in(client_id)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert error_of(await revoke(home, token, client_id=other_id)) == (400, "invalid_grant")
        assert error_of(await revoke(home, token, client_id=entered)) == (401, "invalid_client")
        assert error_of(await revoke(home, token)) == (401, "invalid_client")
        assert error_of(await revoke(home, token, basic(entered, secret))) == (400, "invalid_grant")
    for unknown in ("x", tokens["access_token"][:-1] + "!", "ghr" + tokens["access_token"][3:], "ghc_" + "a" * 43):
        assert (await revoke(home, unknown, client_id=client_id)).status == 200
    assert error_of(await revoke(home, "", client_id=client_id)) == (400, "invalid_request")
    assert await home.good(tokens)
    assert (await home.refresh(client_id, tokens["refresh_token"])).status == 200


async def test_a_client_with_a_secret_learns_of_a_token_what_a_server_needs_and_nothing_of_the_person(home: House):
    client_id, _ = await home.dynamic()
    entered, secret = await home.entered()
    tokens = await home.signed_in(client_id)
    answer = await introspect(home, tokens["access_token"], basic(entered, secret))
    assert answer.body == {
        "active": True,
        "scope": "mcp",
        "client_id": client_id,
        "sub": home.member_id,
        "aud": LINEAR,
        "iss": PUBLIC,
        "exp": home.clock.now + 3_600,
        "token_type": "Bearer",
    }
    refresh = (await introspect(home, tokens["refresh_token"], basic(entered, secret))).body
    assert (refresh["active"], refresh["exp"]) == (True, home.clock.now + IDLE_S)
    assert "token_type" not in refresh


async def test_of_every_token_that_is_no_good_introspection_says_that_it_is_inactive_and_no_word_more(home: House):
    client_id, _ = await home.dynamic()
    entered, secret = await home.entered()
    first = await home.signed_in(client_id)
    second = (await home.refresh(client_id, first["refresh_token"])).body
    gone = await home.signed_in(client_id)
    await revoke(home, gone["refresh_token"], client_id=client_id)
    bad = [
        first["refresh_token"],
        gone["access_token"],
        gone["refresh_token"],
        "x",
        second["access_token"][:-43] + "a" * 43,
    ]
    for token in bad:
        assert (await introspect(home, token, basic(entered, secret))).body == {"active": False}
    # Looking at an old token is no use of it.
    assert await home.good(second)
    home.clock.now += 3_600
    assert (await introspect(home, second["access_token"], basic(entered, secret))).body == {"active": False}


async def test_a_token_of_somebody_who_left_the_workspace_is_inactive_until_they_are_back(home: House):
    client_id, _ = await home.dynamic()
    entered, secret = await home.entered()
    tokens = await home.signed_in(client_id)
    admin = await home.signed_in("gatehouse-cli", resource=f"{PUBLIC}/api/v1", place="org")
    people, research = People(home.table, home.clock), WORKSPACES["research"]
    for roles, active in ((Roles(), False), (Roles(workspaces={research: "member"}), True), (Roles("admin"), True)):
        await people.change(home.member_id, given=roles)
        for token in (tokens["access_token"], tokens["refresh_token"]):
            assert (await introspect(home, token, basic(entered, secret))).body["active"] is active
        # Administration is no workspace: what its token may do follows from the roles of each call.
        assert (await introspect(home, admin["access_token"], basic(entered, secret))).body["active"] is True


async def test_a_refresh_answers_the_scope_of_the_grant_however_it_was_asked_for(home: House):
    client_id, _ = await home.dynamic()
    tokens = await home.signed_in(client_id)
    answer = await home.refresh(client_id, tokens["refresh_token"], scope="mcp mcp")
    assert (answer.status, answer.body["scope"]) == (200, "mcp")
    wider = await home.refresh(client_id, answer.body["refresh_token"], scope="mcp admin")
    assert error_of(wider) == (400, "invalid_scope")


async def test_of_one_members_grants_the_longest_unused_makes_room_for_a_new_one(home: House, monkeypatch):
    monkeypatch.setattr(grants, "MAX_OF_MEMBER", 3)
    client_id, _ = await home.dynamic()
    made = []
    for _ in range(3):
        made.append(await home.signed_in(client_id))
        home.clock.now += 1
    eve = await People(home.table, home.clock).add("eve@acme.dev", by="ana@acme.dev")
    others = await replace(home, member_id=eve.id).signed_in(client_id)
    made[0] = (await home.refresh(client_id, made[0]["refresh_token"])).body
    made.append(await home.signed_in(client_id))
    assert [await home.good(each) for each in made] == [True, False, True, True]
    made.append(await home.signed_in("gatehouse-cli", resource=f"{PUBLIC}/api/v1", place="org"))
    assert [await home.good(each) for each in made] == [True, False, False, True, True]
    assert len(await Grants(home.table, home.clock).of_member(home.member_id)) == 3
    assert await home.good(others)


async def test_who_has_no_secret_introspects_nothing_and_who_registered_itself_only_its_own(home: House):
    public_id, _ = await home.dynamic()
    own_id, own_secret = await home.dynamic(token_endpoint_auth_method="client_secret_post")
    others = await home.signed_in(public_id)
    assert error_of(await introspect(home, others["access_token"], client_id=public_id)) == (401, "invalid_client")
    assert error_of(await introspect(home, others["access_token"])) == (401, "invalid_client")
    assert own_secret
    proof = {"client_id": own_id, "client_secret": own_secret}
    assert (await introspect(home, others["access_token"], **proof)).body == {"active": False}
    own = await home.redeem(own_id, await home.code(own_id), **proof)
    assert (await introspect(home, own.body["access_token"], **proof)).body["active"] is True
    assert error_of(await introspect(home, "", **proof)) == (400, "invalid_request")


async def test_grants_are_listed_by_person_and_by_workspace_and_end_when_revoked(home: House):
    client_id, _ = await home.dynamic()
    listed = Grants(home.table, home.clock)
    made = [await home.signed_in(client_id) for _ in range(3)]
    admin = await home.signed_in("gatehouse-cli", resource=f"{PUBLIC}/api/v1", place="org")
    research = WORKSPACES["research"]
    assert len(await listed.of_member(home.member_id)) == 4
    assert len(await listed.of_place(research)) == 3
    assert [grant.client_id for grant in await listed.of_place("org")] == ["gatehouse-cli"]
    assert await listed.of_place(WORKSPACES["sales"]) == []
    grant = await home.grant_of(made[0]["access_token"])
    assert grant is not None
    assert await listed.revoke(research, grant.id)
    assert not await listed.revoke(research, grant.id)
    assert not await home.good(made[0])
    assert await home.good(made[1])
    assert await home.good(admin)
    assert len(await listed.of_member(home.member_id)) == 3
