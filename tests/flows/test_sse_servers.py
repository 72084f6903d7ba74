"""Streams at HTTP+SSE servers: when one is opened, used again, and closed."""

import asyncio
from typing import Any

import httpx2

from gateway_core.upstream import sse_sessions
from tests.flows.crossing import HttpSse
from tests.flows.gateways import INITIALIZE, MODERN_META, Gateway, call, gateway
from tests.flows.upstreams import Asked, Json, upstream

LEVEL: Json = {"io.modelcontextprotocol/logLevel": "info"}


def registered(url: str, **fields: Any) -> dict[str, str | Json]:
    return {"weather": {"url": url, "transport": "sse", **fields}}


async def forecast(gw: Gateway, meta: Json | None = None) -> httpx2.Response:
    params = {**call()["params"], "_meta": {**MODERN_META, **(meta or {})}}
    sent = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "forecast"}
    return await gw.post("/weather/mcp", {**call(), "params": params}, **sent)


async def until_closed(server: HttpSse) -> None:
    async with asyncio.timeout(10):
        while server.streams:  # noqa: ASYNC110 - the fake says nothing when a stream has gone
            await asyncio.sleep(0.01)


async def test_a_server_that_never_opens_its_stream_is_given_up_at_the_end_of_the_call_s_time(tmp_path):
    async def silent(asked: Asked) -> None:
        await asyncio.Event().wait()

    async with upstream(silent) as server, gateway(tmp_path, registered(server.url, timeout_s=1)) as gw:
        async with asyncio.timeout(8):
            answer = await forecast(gw)
            await server.gone.wait()
        assert answer.json()["result"]["_meta"]["gatehouse/reason"] == "upstream_timed_out"


async def test_calls_with_a_log_level_share_a_stream_where_the_server_logs_nothing(tmp_path):
    fake = HttpSse()
    async with upstream(fake) as server, gateway(tmp_path, registered(server.url)) as gw:
        for _ in range(3):
            assert (await forecast(gw, LEVEL)).json()["result"]["content"][0]["text"] == "Sunny."
    assert fake.opened == 1


async def test_a_stream_whose_level_cannot_be_set_is_closed(tmp_path):
    fake = HttpSse(capabilities={"tools": {}, "logging": {}})

    async def failing(asked: Asked) -> None:
        if asked.rpc == "logging/setLevel":
            return await asked.respond.raw(b"", 500)
        return await fake(asked)

    async with upstream(failing) as server, gateway(tmp_path, registered(server.url)) as gw:
        assert (await forecast(gw, LEVEL)).json()["result"]["isError"]
        assert fake.opened == 1
        await until_closed(fake)


async def test_an_idle_stream_is_closed_without_another_call(tmp_path, monkeypatch):
    monkeypatch.setattr(sse_sessions, "IDLE_S", 0.2)
    fake = HttpSse()
    async with upstream(fake) as server, gateway(tmp_path, registered(server.url)) as gw:
        await forecast(gw)
        await until_closed(fake)
        assert (await forecast(gw)).json()["result"]["content"][0]["text"] == "Sunny."
    assert fake.opened == 2


async def test_the_first_call_finds_the_stream_of_initialize_whatever_revision_was_agreed_on(tmp_path):
    fake = HttpSse(said={"protocolVersion": "2024-11-05"})
    async with upstream(fake) as server, gateway(tmp_path, registered(server.url)) as gw:
        opened = await gw.post("/weather/mcp", INITIALIZE)
        assert opened.json()["result"]["protocolVersion"] == "2024-11-05"
        sent = {"mcp_session_id": opened.headers["mcp-session-id"], "mcp_protocol_version": "2024-11-05"}
        answer = await gw.post("/weather/mcp", call(), **sent)
        assert answer.json()["result"]["content"][0]["text"] == "Sunny."
    assert fake.opened == 1
