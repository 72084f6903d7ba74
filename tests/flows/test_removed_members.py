"""Whoever was removed hears that, wherever they show something that was theirs; and the record says whose it was."""

from pathlib import Path

import pytest

from gateway_core.access.grants import Grant
from gateway_core.admin.administration import Administration
from gateway_core.admin.leaving import tidy
from gateway_core.issuer.grants import Grants
from gateway_core.registry.members import Member, Roles
from gateway_core.registry.people import People
from gateway_core.storage import keys
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.gateways import Gateway, gateway
from tests.flows.test_tokens import HERE, refused, token_for
from tests.flows.upstreams import upstream, weather
from tests.unit.issuer.house import error_of, house

WORDS = "ben@acme.dev is no longer a member here. Ask an administrator"


async def removed(gw: Gateway, member: Member) -> None:
    gone = await ask(gw, await admin_key(gw), "DELETE", f"/members/{member.id}")
    assert gone.status_code == 204


async def kept(gw: Gateway, grant: Grant) -> bool:
    return await gw.table.get(keys.grant(grant.place, grant.id)) is not None


async def test_a_removed_members_token_and_key_say_so_and_their_records_name_caller_and_workspace(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        grant, token = await token_for(gw, HERE, ben.id)
        key, key_id = await gw.new_key(kind="user", subject="ben@acme.dev")
        await removed(gw, ben)
        for credential, id_ in ((token, grant.id), (key, key_id)):
            answer = await refused(gw, "/research/weather/mcp", credential, WORDS, "removed_member")
            assert "new one" not in answer.text
            line = gw.records.lines[-1]
            assert (line["caller"], line["workspace"]) == ("user:ben@acme.dev", "research")
            assert (line["credential"], line["reason"]) == (id_, "removed_member")
        assert server.seen == []


async def test_whoever_makes_up_a_token_of_a_removed_members_grant_learns_nothing(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        _, token = await token_for(gw, HERE, ben.id)
        await removed(gw, ben)
        made_up = token[:-1] + ("a" if token[-1] != "a" else "b")
        answer = await refused(gw, "/research/weather/mcp", made_up, "has expired or was revoked", "unknown_token")
        assert "ben@acme.dev" not in answer.text
        assert gw.records.lines[-1]["caller"] == ""


async def test_a_key_that_was_revoked_or_has_expired_names_caller_and_workspace_in_the_record(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, key_id = await gw.new_key(subject="ci")
        await gw.admin.revoke_key(key_id, by="ana@acme.dev")
        await refused(gw, "/weather/mcp", key, "by ana@acme.dev. Ask them for a new one", "revoked_credential")
        line = gw.records.lines[-1]
        assert (line["caller"], line["credential"], line["workspace"]) == ("service:ci", key_id, "research")


async def test_a_key_that_was_revoked_before_its_member_was_removed_speaks_of_the_removal_too(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        key, key_id = await gw.new_key(kind="user", subject="ben@acme.dev")
        await gw.admin.revoke_key(key_id, by="ana@acme.dev")
        await removed(gw, ben)
        await refused(gw, "/weather/mcp", key, WORDS, "removed_member")
        listed = (await ask(gw, await admin_key(gw), "GET", "/keys")).json()["keys"]
        assert [each["revoked_by"] for each in listed if each["id"] == key_id] == ["ana@acme.dev"]


async def test_a_removed_members_login_says_so_and_is_in_no_list(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, ben = await admin_key(gw), await joined(gw, "ben@acme.dev", research="member")
        login, token = await granted(gw, ben.id)
        await removed(gw, ben)
        answer = await ask(gw, token, "GET", "/me")
        assert (answer.status_code, answer.json()["title"]) == (401, "removed_member")
        assert answer.json()["detail"].startswith(WORDS)
        assert (await ask(gw, key, "GET", "/grants")).json() == {"grants": []}
        assert (await ask(gw, key, "DELETE", f"/grants/{login.id}")).status_code == 404
        assert await Grants(gw.table, lambda: gw.clock[0]).find(login.place, login.id) is None
        # What tells them is kept for as long as the tokens would have been, and no longer.
        assert await kept(gw, login)
        gw.clock[0] = login.expires_at + 1
        assert not await kept(gw, login)


async def test_what_a_member_had_before_they_were_removed_opens_nothing_when_they_are_invited_anew(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        _, token = await token_for(gw, HERE, ben.id)
        await removed(gw, ben)
        await joined(gw, "ben@acme.dev", research="member")
        words = "if they have invited you anew, sign in again"
        await refused(gw, "/research/weather/mcp", token, words, "removed_member")


@pytest.mark.parametrize("tidied", [True, False])
async def test_a_removed_members_refresh_token_says_so_to_the_client_it_was_given_to_alone(
    tmp_path: Path, tidied: bool
):
    async with house(tmp_path) as home:
        client_id, _ = await home.dynamic()
        other_id, _ = await home.dynamic(client_name="Other")
        first = await home.signed_in(client_id)
        people = People(home.table, home.clock)
        await people.add("boss@acme.dev", given=Roles("owner"), by="test")
        member = await people.remove(home.member_id)
        if tidied:
            admin = Administration(home.table, None, home.clock, check_url=str)  # type: ignore[arg-type]
            await tidy(admin, member, by="test")
            assert await Grants(home.table, home.clock).of_member(home.member_id) == []
        for client, told in ((client_id, "is no longer a member here"), (other_id, "is not known, has expired")):
            answer = await home.refresh(client, first["refresh_token"])
            assert error_of(answer) == (400, "invalid_grant")
            assert told in answer.body["error_description"]
            who = member.email if tidied else "Whoever this was given to"
            assert (who in answer.body["error_description"]) is (client == client_id)
