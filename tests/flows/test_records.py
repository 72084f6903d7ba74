"""One record per call: everything a platform team asks for, and nothing that must not be there."""

from tests.flows.gateways import INITIALIZE, call, gateway
from tests.flows.upstreams import Asked, text, upstream, weather


async def test_every_call_leaves_one_flat_line_that_says_who_what_and_how_long(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", call(), user_agent="claude-code/2.1.329 (cli)")
        (line,) = gw.records.lines
        assert line.pop("time") > 1_700_000_000
        assert line.pop("ms_total") >= line.pop("ms_upstream") > 0
        assert line.pop("ms_own") >= 0
        assert line.pop("credential").startswith("k-")
        assert len(line.pop("trace_id")) == 32
        assert line.pop("request_id") == response.headers["x-request-id"]
        assert line.pop("bytes_out") == len(response.content)
        assert line == {
            "type": "call",
            "workspace": "research",
            "server": "weather",
            "method": "tools/call",
            "capability": "forecast",
            "caller": "service:ci",
            "client": "claude-code",
            "client_version": "2.1.329",
            "era_in": "legacy",
            "era_out": "legacy",
            "outcome": "ok",
            "reason": "",
            "status": 200,
            "bytes_in": 100,
        }


async def test_a_modern_call_names_its_client_itself_and_a_session_remembers_it(tmp_path):
    async def with_session(asked: Asked) -> None:
        await asked.respond.json(
            {"jsonrpc": "2.0", "id": asked.message["id"], "result": {}}, headers={"mcp-session-id": "s"}
        )

    async with upstream(with_session) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await gw.modern("/weather/mcp", "tools/list")
        opened = await gw.post("/weather/mcp", INITIALIZE)
        await gw.post("/weather/mcp", call(), mcp_session_id=opened.headers["mcp-session-id"])
        told = [(line["client"], line["client_version"], line["era_in"]) for line in gw.records.lines]
        assert told == [("flow", "2", "modern"), ("flow", "1", "legacy"), ("flow", "1", "legacy")]


async def test_the_trace_of_the_client_goes_through_record_and_upstream(tmp_path):
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await gw.post("/weather/mcp", call(), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        await gw.post("/weather/mcp", call(), traceparent="00-nonsense-01")
        assert gw.records.lines[0]["trace_id"] == trace
        first, second = (asked.headers["traceparent"] for asked in server.seen)
        assert first.startswith(f"00-{trace}-")
        assert "00f067aa0ba902b7" not in first
        assert trace not in second


async def test_no_argument_result_header_or_credential_is_ever_in_a_record_or_an_error(tmp_path):
    marker = "MARKER-7f3a"

    async def echoing(asked: Asked) -> None:
        await asked.respond.json(text(asked, f"{marker}-result"))

    servers = {"weather": {"url": "", "auth": {"type": "headers", "headers": {"X-Key": {"secret": "weather-key"}}}}}
    async with upstream(echoing) as server:
        servers["weather"]["url"] = server.url
        async with gateway(tmp_path, servers) as gw:
            missing = await gw.post("/weather/mcp", call(arguments={"secret": f"{marker}-argument"}))
            assert "needs the secret 'weather-key', which is not set" in missing.text
            await gw.admin.set_secret("weather-key", f"{marker}-secret")
            for path in ("/weather/mcp", "/nowhere/mcp"):
                await gw.post(path, call(arguments={"secret": f"{marker}-argument"}), x_other=f"{marker}-header")
            await gw.post("/weather/mcp", b'{"x": "' + marker.encode())
            assert server.seen[-1].headers["x-key"] == f"{marker}-secret"
            told = str(gw.records.lines)
            assert len(gw.records.lines) == 4
            assert marker not in told
            assert gw.key not in told
            assert gw.key.rpartition("_")[2] not in told
