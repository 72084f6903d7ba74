"""The door: paths, hosts, web pages, browsers, and methods that an MCP endpoint does not have."""

import asyncio
from functools import partial
from typing import Any

import pytest

from gateway_core.access import throttle
from gateway_core.signin.cookies import cookie_name
from tests.flows.browsers import PUBLIC, stage
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import upstream, weather

PATHS = (
    "/", "/mcp", "/a/b/c/mcp", "/weather/mcp/", "//weather/mcp", "/weather/../weather/mcp", "/./weather/mcp",
    "/WEATHER/mcp", "/%77eather/mcp", "/weather%2fmcp", "/weather\\mcp", "/weather;x/mcp",
    "/console", "/k/mcp", "/k/a/b/c/mcp", "/k//weather/mcp", "/K/weather/mcp", "/k/k/a/b/mcp",
    "/weather/mcp/.well-known/oauth-protected-resource", "/research/weather/mcp/.well-known/oauth-authorization-server",
    "/k/research/weather/mcp/.well-known/openid-configuration", "/weather/sse/.well-known/oauth-protected-resource",
)  # fmt: skip


async def test_a_path_that_is_no_endpoint_is_a_plain_404(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for path in PATHS:
            # As bytes: HTTP clients tidy such paths up before they send them.
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gw.url.rpartition(":")[2]))
            head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Length: 0"]
            writer.write("\r\n".join([*head, f"Authorization: Bearer {gw.key}", "", ""]).encode())
            answer = (await reader.read()).decode()
            assert answer.startswith("HTTP/1.1 404"), path
            assert "An MCP endpoint is /{workspace}/{server}/mcp" in answer, path
            writer.close()
            await writer.wait_closed()
        assert server.seen == []


async def test_a_web_page_of_a_foreign_origin_and_a_foreign_host_are_refused(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        page = await gw.post("/weather/mcp", call(), origin="https://evil.example")
        assert page.status_code == 403
        assert "An operator allows one with ALLOWED_ORIGINS." in page.text
        assert "access-control-allow-origin" not in page.headers
        rebound = await gw.post("/weather/mcp", call(), host="evil.example:8787")
        assert rebound.status_code == 421
        assert "for another host than this gateway" in rebound.text
        assert server.seen == []


async def test_a_web_page_of_an_allowed_origin_may_call_and_is_told_so_beforehand(tmp_path):
    origins = ("https://inspector.example",)
    async with (
        upstream(weather) as server,
        gateway(tmp_path, {"weather": server.url}, allowed_origins=origins) as gw,
    ):
        asked = {"origin": "https://inspector.example", "access-control-request-method": "POST"}
        preflight = await gw.http.options(gw.url + "/weather/mcp", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://inspector.example"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        response = await gw.post("/weather/mcp", call(), origin="https://inspector.example")
        assert response.headers["access-control-allow-origin"] == "https://inspector.example"
        assert "mcp-session-id" in response.headers["access-control-expose-headers"]


async def test_a_browser_that_opens_the_url_sees_what_it_is_for(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        page = await gw.http.get(gw.url + "/research/weather/mcp", headers={"accept": "text/html,*/*;q=0.8"})
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "This is an MCP endpoint" in page.text
        alone = "claude mcp add --transport http weather http://127.0.0.1:8787/research/weather/mcp\n"
        with_key = alone.rstrip() + ' --header "Authorization: Bearer YOUR_API_KEY"'
        assert -1 < page.text.replace("</pre>", "\n").find(alone) < page.text.find(with_key)
        assert "<pre>http://127.0.0.1:8787/k/research/weather/mcp</pre>" in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_a_url_at_which_nothing_is_says_so_to_clients_and_in_a_page_to_people(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        words = {
            "/research/weather/mcp/": "An MCP endpoint is /{workspace}/{server}/mcp, without a slash at its end.",
            "/weather/sse/": "/{workspace}/{server}/mcp, without a slash at its end.",
            "/research/weather": "An MCP endpoint is /{workspace}/{server}/mcp.",
            "/a/b/c/": "An MCP endpoint is /{workspace}/{server}/mcp.",
        }
        for path, told in words.items():
            answer = await gw.post(path, call())
            assert (answer.status_code, answer.json()["error"]["message"].endswith(told)) == (404, True), answer.text
            page = await gw.http.get(gw.url + path, headers={"accept": "text/html"})
            assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
            assert f"{told}</p>" in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_a_page_of_a_url_for_keys_alone_says_nothing_of_signing_in_and_a_credential_gets_no_page(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        page = await gw.http.get(gw.url + "/k/weather/mcp", headers={"accept": "text/html"})
        assert 'weather http://127.0.0.1:8787/k/weather/mcp --header "Authorization' in page.text
        assert "sign in" not in page.text
        for name, value in (("authorization", f"Bearer {gw.key}"), ("x-api-key", gw.key)):
            answer = await gw.http.get(gw.url + "/weather/mcp", headers={"accept": "text/html", name: value})
            assert answer.status_code == 405


async def test_get_and_delete_without_a_session_are_405_and_head_has_no_body(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for method in ("GET", "DELETE", "HEAD", "PUT"):
            response = await gw.http.request(method, gw.url + "/weather/mcp", headers=gw.headers())
            assert response.status_code == 405
            assert response.headers["allow"] == "POST, OPTIONS"
        assert server.seen == []


async def test_a_client_that_cannot_read_both_forms_of_answer_is_told_what_to_accept(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        refused = await gw.post("/weather/mcp", call(), accept="application/json")
        assert refused.status_code == 406
        assert "Send 'Accept: application/json, text/event-stream'" in refused.text
        for fine in ("", "*/*", "text/event-stream, application/json"):
            assert (await gw.post("/weather/mcp", call(), accept=fine)).status_code == 200


async def test_no_header_chooses_the_address_that_tries_are_counted_by(tmp_path, monkeypatch):
    monkeypatch.setitem(throttle.LIMITS, "setup", throttle.Limit(2, 900))
    async with gateway(tmp_path, {}) as gw:
        told = [
            (await gw.http.get(f"{gw.url}/oauth/setup", headers={"x-forwarded-for": f"203.0.113.{n}"})).status_code
            for n in range(3)
        ]
        assert told == [403, 403, 429]


async def test_a_second_line_of_cookies_hides_nothing_of_the_first(tmp_path):
    async with stage(tmp_path) as at:
        name, mine = cookie_name(PUBLIC), at.ana.http.cookies[cookie_name(PUBLIC)]
        for second, signed_in in ((f"theme=dark; {name}x=1", True), (f"{name}={'A' * 43}", False)):
            url = at.gw.url + "/oauth/account"
            told = await at.gw.http.get(url, headers=[("cookie", f"{name}={mine}"), ("cookie", second)])
            assert (told.status_code == 200) is signed_in, told.status_code


@pytest.mark.parametrize("length", ["²", "9" * 5_000, "-1", "x"])
async def test_a_declared_length_that_nobody_can_mean_is_no_mistake_of_ours(tmp_path, length):
    async with gateway(tmp_path, {}) as gw:
        for front, path in ((gw.mcp, "/weather/mcp"), (gw.oauth, "/token"), (gw.front, "/api/v1/apply")):
            sent: list[Any] = []

            async def send(message: Any, into: list[Any] = sent) -> None:
                into.append(message)

            headers = [(b"host", b"127.0.0.1"), (b"content-length", length.encode("latin-1"))]
            scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
                     "headers": headers, "client": ("127.0.0.1", 1), "root_path": ""}  # fmt: skip
            pending = [{"type": "http.request", "body": b""}]
            await front(scope, partial(_received, pending), send)
            assert 400 <= sent[0]["status"] < 500, path


async def _received(pending: list[Any]) -> Any:
    return pending.pop() if pending else await asyncio.Event().wait()
