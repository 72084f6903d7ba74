"""OAuth access tokens at MCP endpoints: for whom, for what URL, and until when. Nothing but the URL was configured."""

from typing import Any

import httpx2
import pytest

from gateway_core.access import grants
from gateway_core.access.api_keys import digest
from gateway_core.issuer.grants import Grants
from gateway_core.storage import keys
from tests.flows.actors import PUBLIC, granted, joined, roles, workspace_id
from tests.flows.gateways import INITIALIZE, Gateway, call, gateway
from tests.flows.test_sessions import Sessions
from tests.flows.upstreams import upstream, weather

HERE = f"{PUBLIC}/research/weather/mcp"


async def token_for(gw: Gateway, resource: str, member_id: str = "", **changed: Any) -> tuple[grants.Grant, str]:
    """A grant of somebody in research, and a token of it, as the issuer would have written them."""
    member_id = member_id or (await joined(gw, "ana@acme.dev", research="member")).id
    place = await workspace_id(gw, "research")
    told = {"client_id": "https://client.example/id", "client_name": "Claude Code", "client_kind": "metadata_document"}
    return await granted(gw, member_id, **{"place": place, "resource": resource, "scope": "mcp", **told, **changed})


async def refused(gw: Gateway, path: str, token: str, words: str, reason: str) -> httpx2.Response:
    response = await gw.post(path, call(), token)
    assert response.status_code == 401, response.text
    assert words in response.json()["error"]["message"]
    assert response.json()["error"]["data"] == {"reason": reason}
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    return response


async def test_a_token_opens_the_url_it_is_for_and_the_record_says_whose_it_is(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        grant, token = await token_for(gw, HERE)
        answer = await gw.post("/research/weather/mcp", call(), token, user_agent="")
        assert answer.json()["result"]["content"]
        line = gw.records.lines[-1]
        assert (line["caller"], line["credential"]) == ("user:ana@acme.dev", grant.id)
        assert token.rpartition("_")[2] not in str(gw.records.lines)
        assert token not in str(server.seen[-1].headers)


async def test_the_client_of_a_grant_stands_in_the_record_where_it_did_not_introduce_itself(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        _, token = await token_for(gw, HERE)
        headers = gw.headers(token)
        # The HTTP client would say who it is; empty, that says nothing.
        await gw.http.post(gw.url + "/research/weather/mcp", json=call(), headers={**headers, "user-agent": ""})
        await gw.post("/research/weather/mcp", call(), token, user_agent="claude-code/2.1 (cli)")
        await gw.post("/research/weather/mcp", INITIALIZE, token)
        assert [line["client"] for line in gw.records.lines] == ["Claude Code", "claude-code", "flow"]


async def test_a_token_for_a_workspace_opens_every_server_in_it_and_none_by_a_url_without_it(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw:
        _, token = await token_for(gw, f"{PUBLIC}/research/mcp")
        for path in ("/research/weather/mcp", "/research/linear/mcp"):
            assert (await gw.post(path, call(), token)).status_code == 200
        await refused(gw, "/weather/mcp", token, f"is for {PUBLIC}/research/mcp, and not for", "wrong_audience")
        assert (await gw.post("/research/nothing/mcp", call(), token)).status_code == 404


async def test_a_url_without_a_workspace_takes_the_one_that_was_chosen_at_consent(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        _, token = await token_for(gw, f"{PUBLIC}/weather/mcp")
        assert (await gw.post("/weather/mcp", call(), token)).status_code == 200
        assert gw.records.lines[-1]["workspace"] == "research"
        await refused(gw, "/research/weather/mcp", token, "not for the URL that was called", "wrong_audience")


FOREIGN = {
    "another server": "/research/linear/mcp",
    "the same server by its other URL": "/weather/mcp",
    "the same server's other door": "/research/weather/sse",
    "another workspace": "/sales/weather/mcp",
    "another workspace as a whole": "/sales/mcp",
    "administration": "/api/v1",
    "a slash more": "/research/weather/mcp/",
    "a key-only URL": "/k/research/weather/mcp",
    "upper case": "/Research/weather/mcp",
    "the whole gateway": "",
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_token_for_anything_else_is_a_401_that_says_what_it_is_for(tmp_path, name):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw:
        _, token = await token_for(gw, PUBLIC + FOREIGN[name])
        words = f"This access token is for {PUBLIC}{FOREIGN[name]}, and not for the URL that was called. Sign in again"
        await refused(gw, "/research/weather/mcp", token, words, "wrong_audience")
        assert server.seen == []


async def test_a_token_of_another_gateway_with_the_same_names_is_refused(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        _, token = await token_for(gw, "https://other.example/research/weather/mcp")
        await refused(gw, "/research/weather/mcp", token, "This access token is for https://other", "wrong_audience")


async def test_a_token_for_administering_opens_no_endpoint_whatever_its_grant_says(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        _, token = await token_for(gw, HERE, place="org")
        await refused(gw, "/research/weather/mcp", token, "is for administering the gateway", "wrong_audience")
        _, token = await token_for(gw, HERE, (await joined(gw, "bo@acme.dev", research="member")).id, scope="admin")
        await refused(gw, "/research/weather/mcp", token, "and not for the URL", "wrong_audience")


async def test_a_token_whose_grant_is_of_another_workspace_than_its_url_finds_nothing(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member", sales="member")
        _, token = await token_for(gw, HERE, ana.id, place=await workspace_id(gw, "sales"))
        assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 404
        assert server.seen == []


async def test_an_access_token_ends_after_its_hour_and_with_its_grant(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        grant, token = await token_for(gw, HERE, ana.id)
        short, other = await token_for(gw, HERE, ana.id, expires_at=gw.clock[0] + 60)
        gw.clock[0] += 59
        assert (await gw.post("/research/weather/mcp", call(), other)).status_code == 200
        gw.clock[0] += 1
        await refused(gw, "/research/weather/mcp", other, "has expired or was revoked. Sign in again", "unknown_token")
        assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 200
        gw.clock[0] += 3_539
        assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 200
        gw.clock[0] += 1
        await refused(gw, "/research/weather/mcp", token, "has expired or was revoked. Sign in again", "unknown_token")
        assert grant.id != short.id


async def test_a_revoked_grant_ends_all_its_tokens_and_nobody_elses(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        grant, token = await token_for(gw, HERE, ana.id)
        _, other = await token_for(gw, HERE, ana.id)
        assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 200
        assert await Grants(gw.table, lambda: gw.clock[0]).revoke(grant.place, grant.id)
        await refused(gw, "/research/weather/mcp", token, "has expired or was revoked", "unknown_token")
        assert (await gw.post("/research/weather/mcp", call(), other)).status_code == 200


async def test_whoever_makes_a_token_up_learns_nothing_of_the_grants_there_are(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        grant, token = await token_for(gw, HERE)
        guessed = token[:-1] + ("a" if token[-1] != "a" else "b")
        unknown = token.replace(grant.id, "g-2222222222222222")
        answers = [await refused(gw, "/research/weather/mcp", made_up, "has expired or was revoked", "unknown_token")
                   for made_up in (guessed, unknown)]  # fmt: skip
        assert answers[0].json() == answers[1].json()


async def test_a_token_that_points_to_a_grant_it_does_not_hang_on_is_refused(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        grant, _ = await token_for(gw, HERE, ana.id)
        other, token = await token_for(gw, HERE, ana.id)
        crossed = token.replace(other.id, grant.id)
        await gw.table.put(keys.access_token(other.place, digest(crossed)), {"grant_id": other.id})
        await refused(gw, "/research/weather/mcp", crossed, "has expired or was revoked", "unknown_token")


async def test_whoever_was_removed_is_refused_at_once_with_every_credential_they_had(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        _, token = await token_for(gw, HERE, ana.id)
        key, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
        for credential in (token, key):
            assert (await gw.post("/research/weather/mcp", call(), credential)).status_code == 200
        # As it would be if the store lost the rest of what a removal writes.
        await gw.table.delete(keys.member(ana.id))
        await gw.apply({"organisation": "Renamed"})
        for credential in (token, key):
            words = "is no longer a member here. Ask an administrator"
            await refused(gw, "/research/weather/mcp", credential, words, "removed_member")


async def test_whoever_left_the_workspace_is_told_whom_to_ask(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member", sales="member")
        _, token = await token_for(gw, HERE, ana.id)
        key, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
        await gw.admin.people.change(ana.id, given=await roles(gw, sales="member"))
        for credential in (token, key):
            words = "ana@acme.dev no longer belongs to Research. Ask an administrator of Research to add them again."
            await refused(gw, "/research/weather/mcp", credential, words, "left_workspace")
        await gw.admin.people.change(ana.id, given=await roles(gw, "admin"))
        assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 200


async def test_a_persons_key_works_before_its_owner_has_signed_in_and_carries_their_address(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, key_id = await gw.new_key(kind="user", subject="new@acme.dev")
        assert (await gw.post("/weather/mcp", call(), key)).status_code == 200
        assert (gw.records.lines[-1]["caller"], gw.records.lines[-1]["credential"]) == ("user:new@acme.dev", key_id)


async def test_a_persons_key_from_before_there_were_members_asks_for_a_new_one(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, key_id = await gw.new_key(kind="user", subject="ana@acme.dev")
        place = keys.api_key(await workspace_id(gw, "research"), key_id)
        item = await gw.table.get(place)
        assert item is not None
        await gw.table.put(place, {name: value for name, value in item.data.items() if name != "member_id"})
        words = "This API key was made for ana@acme.dev before people had accounts here. Ask an administrator for a new"
        await refused(gw, "/weather/mcp", key, words, "key_without_member")


async def test_a_session_of_one_person_is_none_of_another_and_goes_on_with_any_client_of_the_same(tmp_path):
    async with upstream(Sessions()) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        bo = await joined(gw, "bo@acme.dev", research="member")
        (_, hers), (_, again), (_, his) = [await token_for(gw, HERE, member.id) for member in (ana, ana, bo)]
        opened = await gw.post("/research/weather/mcp", INITIALIZE, hers)
        session = opened.headers["mcp-session-id"]
        assert (await gw.post("/research/weather/mcp", call(), again, mcp_session_id=session)).status_code == 200
        stolen = await gw.post("/research/weather/mcp", call(), his, mcp_session_id=session)
        assert stolen.status_code == 404
        key, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
        assert (await gw.post("/research/weather/mcp", call(), key, mcp_session_id=session)).status_code == 200


async def test_every_message_of_a_session_is_judged_anew(tmp_path):
    async with upstream(Sessions()) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        grant, token = await token_for(gw, HERE)
        opened = await gw.post("/research/weather/mcp", INITIALIZE, token)
        session = opened.headers["mcp-session-id"]
        await Grants(gw.table, lambda: gw.clock[0]).revoke(grant.place, grant.id)
        for method in ("POST", "GET", "DELETE", "HEAD"):
            headers = gw.headers(token, mcp_session_id=session)
            answer = await gw.http.request(method, gw.url + "/research/weather/mcp", headers=headers)
            assert answer.status_code == 401, method
