"""The 401: what a client learns from it, on every method and path, before anything else is looked at."""

import re

import pytest

from tests.flows.actors import PUBLIC
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import upstream, weather

METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH")
PATHS = ("/weather/mcp", "/research/weather/mcp", "/weather/sse", "/research/weather/sse", "/nobody/nothing/mcp")


@pytest.mark.parametrize("path", PATHS)
async def test_the_challenge_says_where_to_sign_in_for_exactly_this_url(tmp_path, path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        where = f'resource_metadata="{PUBLIC}/.well-known/oauth-protected-resource{path}", scope="mcp"'
        for method in METHODS:
            bare = await gw.http.request(method, gw.url + path, headers=gw.headers(authorization=""))
            assert bare.status_code == 401, method
            assert bare.headers["www-authenticate"] == f'Bearer realm="gatehouse", {where}'
            wrong = await gw.http.request(method, gw.url + path, headers=gw.headers("ghk_wrong"))
            assert wrong.status_code == 401, method
            told = f'Bearer realm="gatehouse", {where}, error="invalid_token", error_description='
            assert wrong.headers["www-authenticate"].startswith(f'{told}"This API key looks cut off')
        assert server.seen == []


@pytest.mark.parametrize("path", PATHS)
async def test_the_url_in_the_challenge_leads_to_a_document_about_the_url_that_was_called(tmp_path, path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        bare = await gw.post(path, call(), authorization="")
        found = re.search(r'resource_metadata="([^"]+)"', bare.headers["www-authenticate"])
        assert found is not None
        document = await gw.http.get(found[1].replace(PUBLIC, gw.url))
        assert document.status_code == 200
        assert document.json()["resource"] == PUBLIC + path
        assert document.json()["authorization_servers"] == [PUBLIC]


async def test_the_body_says_in_words_how_to_sign_in_or_get_a_key(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        error = (await gw.post("/weather/mcp", call(), authorization="")).json()["error"]
        assert error == {
            "code": -31001,
            "message": "This gateway needs a credential. Sign in: your client opens the page for it (Claude Code: "
            "/mcp). Or send an API key as the header 'Authorization: Bearer ghk_…'; an administrator makes one with: "
            "gatehouse keys create",
            "data": {"reason": "no_credential"},
        }


@pytest.mark.parametrize("came", ["localhost:8787", "[::1]:8787"])
async def test_who_came_by_another_name_of_this_machine_is_told_the_url_to_sign_in_at(tmp_path, came):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        bare = await gw.post("/research/weather/mcp", call(), authorization="", host=came)
        message = bare.json()["error"]["message"]
        url = f"{PUBLIC}/research/weather/mcp"
        words = f"This gateway goes by {PUBLIC}: to sign in, give your client the URL {url} instead. Or send an API key"
        assert (bare.status_code, words in message) == (401, True), message
        assert (await gw.post("/research/weather/mcp", call(), host=came)).status_code == 200
        keys_only = await gw.post("/k/research/weather/mcp", call(), authorization="", host=came)
        assert "goes by" not in keys_only.json()["error"]["message"]


async def test_a_gateway_that_does_not_know_its_own_url_sends_nobody_to_sign_in(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}, public_url="") as gw:
        bare = await gw.post("/weather/mcp", call(), authorization="")
        assert bare.headers["www-authenticate"] == 'Bearer realm="gatehouse"'
        assert "This gateway needs a credential. Send an API key" in bare.json()["error"]["message"]
        assert (await gw.post("/weather/mcp", call())).status_code == 200


async def test_a_token_in_the_query_or_in_a_cookie_is_none(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for query in (f"access_token={gw.key}", f"token={gw.key}", f"key={gw.key}", f"authorization=Bearer%20{gw.key}"):
            assert (await gw.post(f"/weather/mcp?{query}", call(), authorization="")).status_code == 401
        for name in ("authorization", "access_token", "gatehouse", "__Host-gatehouse"):
            assert (
                await gw.post("/weather/mcp", call(), authorization="", cookie=f"{name}={gw.key}")
            ).status_code == 401
        form = await gw.post(
            "/weather/mcp", f"access_token={gw.key}".encode(), authorization="",
            content_type="application/x-www-form-urlencoded",
        )  # fmt: skip
        assert form.status_code == 401
        assert server.seen == []


async def test_web_pages_can_read_the_challenge(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}, allowed_origins=("*",)) as gw:
        bare = await gw.post("/weather/mcp", call(), authorization="", origin="https://inspector.example")
        assert bare.status_code == 401
        assert "www-authenticate" in bare.headers["access-control-expose-headers"]


async def test_what_is_looked_for_behind_an_endpoint_is_a_quick_404_without_a_challenge(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for document in ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration"):
            for path in ("/weather/mcp", "/research/weather/mcp", "/k/weather/mcp"):
                answer = await gw.http.get(f"{gw.url}{path}/.well-known/{document}")
                assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
                assert "www-authenticate" not in answer.headers
        assert gw.records.lines == []
