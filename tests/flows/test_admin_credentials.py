"""What opens the admin API and what does not, and the mapping, clients and grants behind it."""

from typing import Any

import pytest

from gateway_core.access.grants import new_token
from tests.flows.actors import ADMIN_URL, PUBLIC, admin_key, ask, granted, joined, workspace_id
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import upstream, weather


async def test_a_token_for_the_admin_api_acts_as_its_member_and_leaves_their_name(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana = await joined(gw, "ana@acme.dev", "owner")
        _, token = await granted(gw, ana.id)
        me = (await ask(gw, token, "GET", "/me")).json()
        assert (me["name"], me["member"]["id"], me["member"]["roles"]["organisation"]) == (ana.email, ana.id, "owner")
        made = await ask(gw, token, "POST", "/keys", {"workspace": "research", "kind": "service", "subject": "ci"})
        assert made.json()["created_by"] == "ana@acme.dev"
        gone = await ask(gw, token, "DELETE", f"/keys/{made.json()['id']}")
        assert gone.json()["revoked_by"] == "ana@acme.dev"
        invited = await ask(gw, token, "POST", "/members", {"email": "new@acme.dev"})
        assert invited.json()["created_by"] == "ana@acme.dev"
        nobody = await ask(gw, await admin_key(gw), "GET", "/me")
        assert nobody.json() == {"name": "administrator", "member": None, "servers": [], "more_servers": False}


REFUSED: dict[str, dict[str, Any]] = {
    "another resource": {"resource": f"{PUBLIC}/research/mcp"},
    "the admin API of another gateway": {"resource": "https://other.example.com/api/v1"},
    "the admin API with a slash": {"resource": f"{ADMIN_URL}/"},
    "the scope of MCP": {"scope": "mcp"},
    "a scope that only begins so": {"scope": "administrate"},
    "a grant that has ended": {"expires_at": 1},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_for_anything_else_opens_no_administration(tmp_path, name: str):
    async with gateway(tmp_path, {}) as gw:
        ana = await joined(gw, "ana@acme.dev", "owner")
        _, token = await granted(gw, ana.id, **REFUSED[name])
        answer = await ask(gw, token, "GET", "/me")
        assert answer.status_code == 401
        place = f"{PUBLIC}/.well-known/oauth-protected-resource/api/v1"
        assert answer.headers["www-authenticate"] == f'Bearer realm="gatehouse", resource_metadata="{place}"'
        assert (await gw.http.get(place.replace(PUBLIC, gw.url))).json()["resource"] == ADMIN_URL
        assert "Log in with: gatehouse login" in answer.json()["detail"]


async def test_a_token_that_has_expired_or_was_never_given_or_is_of_another_grant_is_refused(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana = await joined(gw, "ana@acme.dev", "owner")
        grant, token = await granted(gw, ana.id)
        other, _ = await granted(gw, ana.id)
        refresh = token.replace("gha_", "ghr_")
        spelled = token.replace(grant.id, other.id)
        for wrong in (new_token("gha_", "org", grant.id), refresh, spelled, token + "x", token[:-1]):
            assert (await ask(gw, wrong, "GET", "/me")).status_code == 401
        assert (await ask(gw, token, "GET", "/me")).status_code == 200
        gw.clock[0] += 3_600
        late = await ask(gw, token, "GET", "/me")
        assert (late.status_code, "expired or was revoked" in late.json()["detail"]) == (401, True)


async def test_credentials_for_mcp_open_no_administration_and_those_for_administering_no_mcp(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", "owner")
        place = await workspace_id(gw, "research")
        _, mcp = await granted(gw, ana.id, place=place, resource=f"{PUBLIC}/research/weather/mcp", scope="mcp")
        _, admin = await granted(gw, ana.id)
        for token in (mcp, gw.key):
            answer = await ask(gw, token, "GET", "/me")
            assert (answer.status_code, "opens no administration" in answer.json()["detail"]) == (401, True)
        for token in (admin, await admin_key(gw)):
            assert (await gw.post("/research/weather/mcp", call(), token)).status_code == 401
        assert server.seen == []


async def test_two_authorization_headers_are_refused(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        given = [("authorization", f"Bearer {key}"), ("authorization", "Bearer other")]
        answer = await gw.http.get(f"{gw.url}/api/v1/me", headers=given)
        assert (answer.status_code, answer.json()["title"]) == (400, "two_credentials")


async def test_the_mapping_from_groups_is_replaced_whole_and_shown_with_slugs(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        rows = [
            {"group": "platform", "organisation": "admin", "workspaces": {}},
            {"group": "research", "organisation": None, "workspaces": {"research": "manager", "sales": "member"}},
        ]
        put = await ask(gw, key, "PUT", "/groups", {"groups": rows})
        assert (put.status_code, put.json()) == (200, {"groups": rows})
        assert (await ask(gw, key, "GET", "/groups")).json() == {"groups": rows}
        wrong = await ask(gw, key, "PUT", "/groups", {"groups": [{"group": "x", "workspaces": {"nowhere": "member"}}]})
        assert wrong.status_code == 422
        assert wrong.json()["problems"] == [
            {
                "path": ["groups", 0, "workspaces", "nowhere"],
                "message": "there is no workspace 'nowhere' (there is: research, sales)",
            }
        ]
        assert (await ask(gw, key, "GET", "/groups")).json() == {"groups": rows}
        assert (await ask(gw, key, "PUT", "/groups", {"groups": []})).json() == {"groups": []}


async def test_the_mapping_stands_in_the_configuration_file_too(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        groups = [
            {"group": "new-team", "workspaces": {"support": "admin"}},
            {"group": "board", "organisation": "owner"},
        ]
        config = {"workspaces": [{"slug": "support"}], "groups": groups}
        first = (await ask(gw, key, "POST", "/apply", {"config": config})).json()["changes"]
        assert [f"{each['action']} {each['kind']}" for each in first] == ["create workspace", "update groups"]
        assert first[1]["fields"] == ["board", "new-team"]
        assert (await ask(gw, key, "POST", "/apply", {"config": config})).json() == {"changes": []}
        # A file that does not name them leaves them; one with another list replaces them.
        assert (await ask(gw, key, "POST", "/apply", {"config": {"organisation": "Acme"}})).json()["changes"]
        told = (await ask(gw, key, "GET", "/groups")).json()["groups"]
        assert [row["group"] for row in told] == ["new-team", "board"]
        bad = {"groups": [{"group": "x", "workspaces": {"nowhere": "member"}}]}
        refused = await ask(gw, key, "POST", "/apply", {"config": bad})
        assert refused.json()["problems"][0]["path"] == ["config", "groups", 0, "workspaces", "nowhere"]


async def test_only_an_owner_says_which_groups_own_the_organisation(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        _, admin = await granted(gw, (await joined(gw, "ben@acme.dev", "admin")).id)
        _, owner = await granted(gw, (await joined(gw, "ana@acme.dev", "owner")).id)
        board = {"group": "board", "organisation": "owner"}
        mine = {"group": "mine", "organisation": "admin"}
        assert (await ask(gw, admin, "PUT", "/groups", {"groups": [board]})).status_code == 403
        assert (await ask(gw, admin, "POST", "/apply", {"config": {"groups": [board]}})).status_code == 403
        assert (await ask(gw, owner, "PUT", "/groups", {"groups": [board]})).status_code == 200
        # What owns it already, an admin neither takes away nor needs to leave everything else alone for.
        assert (await ask(gw, admin, "PUT", "/groups", {"groups": [mine]})).status_code == 403
        assert (await ask(gw, admin, "POST", "/apply", {"config": {"groups": []}})).status_code == 403
        assert (await ask(gw, admin, "PUT", "/groups", {"groups": [board, mine]})).status_code == 200
        assert (await ask(gw, admin, "POST", "/apply", {"config": {"groups": [mine, board]}})).status_code == 200


async def test_a_clients_secret_is_shown_once_and_with_the_client_go_its_grants(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        body = {
            "name": "Reports",
            "redirect_uris": ["https://reports.example.com/cb"],
            "auth_method": "client_secret_basic",
        }
        made = (await ask(gw, key, "POST", "/clients", body)).json()
        assert made["secret"].startswith("ghs_")
        assert (made["name"], made["auth_method"]) == ("Reports", "client_secret_basic")
        listed = await ask(gw, key, "GET", "/clients")
        assert [each["id"] for each in listed.json()["clients"]] == [made["id"]]
        assert made["secret"] not in listed.text
        assert "secret_hash" not in listed.text
        _, token = await granted(gw, (await joined(gw, "ana@acme.dev", "owner")).id, client_id=made["id"])
        assert (await ask(gw, key, "DELETE", f"/clients/{made['id']}")).status_code == 204
        assert (await ask(gw, token, "GET", "/me")).status_code == 401
        again = await ask(gw, key, "DELETE", f"/clients/{made['id']}")
        assert (again.status_code, again.json()["title"]) == (404, "unknown_client")
        public = (await ask(gw, key, "POST", "/clients", {**body, "auth_method": "none"})).json()
        assert public["secret"] is None


BAD_CLIENTS: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "no redirect URI": {"redirect_uris": []},
    "21 redirect URIs": {"redirect_uris": [f"https://a.example.com/{n}" for n in range(21)]},
    "plain http": {"redirect_uris": ["http://app.example.com/cb"]},
    "a script": {"redirect_uris": ["javascript:alert(1)"]},
    "a fragment": {"redirect_uris": ["https://app.example.com/cb#x"]},
    "an unknown method": {"auth_method": "private_key_jwt"},
}


@pytest.mark.parametrize("name", BAD_CLIENTS)
async def test_a_client_that_cannot_be_entered_is_refused_with_a_reason(tmp_path, name: str):
    async with gateway(tmp_path, {}) as gw:
        body = {"name": "App", "redirect_uris": ["https://app.example.com/cb"], **BAD_CLIENTS[name]}
        answer = await ask(gw, await admin_key(gw), "POST", "/clients", body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_grants_are_listed_by_workspace_member_and_client_without_their_secrets_and_revoked(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, ana, ben = await admin_key(gw), await joined(gw, "ana@acme.dev", "owner"), await joined(gw, "ben@acme.dev")
        first, token = await granted(gw, ana.id)
        gw.clock[0] += 1
        second, _ = await granted(gw, ben.id, place=await workspace_id(gw, "sales"), client_id="c-22222222")

        async def ids(query: str = "") -> list[str]:
            return [each["id"] for each in (await ask(gw, key, "GET", f"/grants{query}")).json()["grants"]]

        assert await ids() == [first.id, second.id]
        assert await ids("?workspace=sales") == [second.id]
        assert await ids("?member=Ana@acme.dev") == [first.id]
        assert await ids("?client=c-22222222") == [second.id]
        assert await ids("?workspace=research") == await ids("?member=nobody@acme.dev") == []
        told = (await ask(gw, key, "GET", "/grants?workspace=sales")).json()["grants"][0]
        assert told["member"] == {"id": ben.id, "email": "ben@acme.dev"}
        assert (told["workspace"], told["client"]["kind"], "refresh_hash" in told) == ("sales", "built_in", False)
        assert (await ask(gw, key, "DELETE", f"/grants/{first.id}")).status_code == 204
        assert (await ask(gw, token, "GET", "/me")).status_code == 401
        assert await ids() == [second.id]


async def test_a_person_in_two_workspaces_is_told_who_may_where_their_own_role_is_too_low(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await joined(gw, "wes@acme.dev", research="admin", sales="member")
        _, token = await granted(gw, wes.id)
        _, key_id = await gw.new_key("sales")
        grant, _ = await granted(gw, wes.id, place=await workspace_id(gw, "sales"))
        for method, path in (
            ("DELETE", f"/keys/{key_id}"),
            ("DELETE", f"/grants/{grant.id}"),
            ("GET", "/keys?workspace=sales"),
            ("GET", "/grants?workspace=sales"),
            ("GET", "/members?workspace=sales"),
        ):
            answer = await ask(gw, token, method, path)
            assert answer.status_code == 403, path
            assert "admin" in answer.json()["detail"]
        # Their own they may end anywhere.
        assert (await ask(gw, token, "DELETE", f"/me/grants/{grant.id}")).status_code == 204


async def test_half_a_character_in_a_workspaces_name_is_refused_like_any_other_mistake(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, rows = await admin_key(gw), {"groups": [{"group": "g", "workspaces": {"\ud800": "member"}}]}
        for method, path, body in (
            ("PUT", "/groups", rows),
            ("POST", "/apply", {"config": rows}),
            ("POST", "/members", {"email": "a@acme.dev", "workspaces": {"\ud800": "member"}}),
        ):
            answer = await ask(gw, key, method, path, body)
            assert answer.status_code == 422
            assert answer.json()["problems"][0]["path"][-1] == "\ud800"
