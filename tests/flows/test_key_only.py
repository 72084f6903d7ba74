"""URLs for clients that forget their key as soon as a server says that one can sign in: `/k/…` knows API keys alone."""

from tests.flows.actors import PUBLIC, granted, joined, workspace_id
from tests.flows.gateways import INITIALIZE, call, gateway
from tests.flows.test_sessions import Sessions
from tests.flows.test_sse_clients import visit
from tests.flows.upstreams import upstream, weather

PATHS = ("/k/weather/mcp", "/k/research/weather/mcp")


async def test_a_key_opens_the_same_endpoint_there_in_both_eras(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for path in PATHS:
            assert (await gw.post(path, call())).json()["result"]["content"]
            assert (await gw.post(path, call(), authorization="", x_api_key=gw.key)).status_code == 200
            assert (await gw.modern(path, "tools/list")).status_code == 200
        assert {(line["workspace"], line["server"]) for line in gw.records.lines} == {("research", "weather")}


async def test_nothing_there_says_that_one_could_sign_in(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for path in PATHS:
            for method in ("POST", "GET", "DELETE"):
                bare = await gw.http.request(method, gw.url + path, headers=gw.headers(authorization=""))
                assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="gatehouse"')
                assert "Sign in" not in bare.text
            wrong = await gw.post(path, call(), gw.key[:-1] + "_")
            refused = 'Bearer realm="gatehouse", error="invalid_token", error_description="'
            assert wrong.headers["www-authenticate"].startswith(refused)
            for document in ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration"):
                for url in (f"/.well-known/{document}{path}", f"{path}/.well-known/{document}"):
                    assert (await gw.http.get(gw.url + url)).status_code == 404, url


async def test_tokens_are_refused_there_with_words(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        place = await workspace_id(gw, "research")
        for path in PATHS:
            for resource in (PUBLIC + path, PUBLIC + path.removeprefix("/k"), f"{PUBLIC}/research/mcp"):
                _, token = await granted(gw, ana.id, place=place, resource=resource, scope="mcp")
                refused = await gw.post(path, call(), token)
                assert refused.status_code == 401
                words = (
                    "This URL takes API keys alone (they begin with ghk_). To sign in instead, add the URL without /k"
                )
                assert words in refused.json()["error"]["message"]
                assert "resource_metadata" not in refused.headers["www-authenticate"]
            jwt = await gw.post(path, call(), "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2ln")
            assert (jwt.status_code, jwt.json()["error"]["data"]["reason"]) == (401, "keys_only")
        assert server.seen == []


async def test_a_session_goes_on_whichever_of_the_two_urls_is_used(tmp_path):
    async with upstream(Sessions()) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for opened_at, used_at in (("/k/research/weather/mcp", "/weather/mcp"), ("/weather/mcp", "/k/weather/mcp")):
            opened = await gw.post(opened_at, INITIALIZE)
            session = opened.headers["mcp-session-id"]
            for path in (opened_at, used_at):
                assert (await gw.post(path, call(), mcp_session_id=session)).status_code == 200
            ended = await gw.http.delete(gw.url + used_at, headers=gw.headers(mcp_session_id=session))
            assert ended.status_code == 200
            assert (await gw.post(opened_at, call(), mcp_session_id=session)).status_code == 404


async def test_a_client_of_the_older_transport_is_told_to_post_where_it_came_in(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for path in ("/k/research/weather/sse", "/k/weather/sse"):
            async with visit(gw, path=path) as client:
                assert await client.post(call(id=3)) == 202
                assert (await client.message())["id"] == 3


async def test_k_alone_is_no_server_and_can_be_nobodys_name(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert (await gw.post("/k/mcp", call(), authorization="")).status_code == 404
        assert (await gw.post("/research/k/mcp", call())).status_code == 404
