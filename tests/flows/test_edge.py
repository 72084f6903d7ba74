"""The door: paths, hosts, web pages, browsers, and methods that an MCP endpoint does not have."""

import asyncio

from tests.flows.gateways import call, gateway
from tests.flows.upstreams import upstream, weather

PATHS = (
    "/", "/mcp", "/a/b/c/mcp", "/weather/mcp/", "//weather/mcp", "/weather/../weather/mcp", "/./weather/mcp",
    "/WEATHER/mcp", "/%77eather/mcp", "/weather%2fmcp", "/weather\\mcp", "/weather;x/mcp",
    "/.well-known/oauth-protected-resource", "/console",
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
            assert "An MCP endpoint is /{workspace}/{server}/mcp." in answer, path
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
        assert "claude mcp add --transport http weather http://127.0.0.1:8787/research/weather/mcp" in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


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
