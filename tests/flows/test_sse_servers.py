"""Streams at HTTP+SSE servers: when one is opened, used again, and closed."""

import asyncio
from typing import Any

import httpx2
import pytest

from gateway_core.upstream import http_sse, sse_sessions
from tests.flows.crossing import HttpSse
from tests.flows.gateways import INITIALIZE, MODERN_META, Gateway, call, gateway
from tests.flows.stage import Stage
from tests.flows.upstreams import Asked, Json, unaided, upstream
from tests.flows.visitors import Cell, LegacyVisitor, ModernVisitor, crossed

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


async def test_a_server_that_is_silent_when_its_stream_is_opened_does_not_cost_a_call_all_its_time(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(http_sse, "OPEN_S", 0.3)

    async def silent(asked: Asked) -> None:
        await asyncio.Event().wait()

    async with upstream(silent) as server, gateway(tmp_path, registered(server.url, timeout_s=60)) as gw:
        async with asyncio.timeout(5):
            told = (await forecast(gw)).json()["result"]
            await server.gone.wait()
        assert told["content"][0]["text"].startswith("weather did not answer the opening of its stream.")


NO_ADDRESS = ["http://127.0.0.1:99999/x", "http://[bad/x"]


@pytest.mark.parametrize("endpoint", NO_ADDRESS)
async def test_a_server_that_names_no_address_for_messages_is_told_of_and_its_stream_closed(tmp_path, endpoint):
    fake = HttpSse(endpoint=endpoint)
    async with upstream(fake) as server, gateway(tmp_path, registered(server.url)) as gw:
        told = (await forecast(gw)).json()["result"]
        assert told["content"][0]["text"] == "weather wants its messages at an address that is none."
        assert gw.records.lines[-1]["reason"] == "upstream_garbage"
        assert fake.opened == 1
        await until_closed(fake)


@pytest.mark.parametrize("endpoint", NO_ADDRESS)
async def test_nor_does_such_an_address_break_the_finding_out_of_what_a_server_speaks(tmp_path, endpoint):
    fake = HttpSse(endpoint=endpoint)

    async def picky(asked: Asked) -> None:
        await (fake(asked) if asked.method == "GET" else asked.respond.raw(b"", 404))

    async with unaided(picky) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        told = (await forecast(gw)).json()["result"]
        assert told["content"][0]["text"] == "weather wants its messages at an address that is none."
        await until_closed(fake)


BOTH = {"a modern client": Cell(ModernVisitor, HttpSse), "a legacy client": Cell(LegacyVisitor, HttpSse)}
both = pytest.mark.parametrize("cell", BOTH.values(), ids=BOTH.keys())


@both
async def test_a_call_has_all_its_time_on_a_stream_that_others_had_before_it(tmp_path, monkeypatch, cell):
    monkeypatch.setattr(sse_sessions, "LIFE_S", 1.0)
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow(stage: Stage) -> None:
        if stage.params["arguments"].get("slow"):
            begun.set()
            await over.wait()
        await stage.answer()

    server = HttpSse(slow)
    async with crossed(tmp_path, cell, server) as crossing:
        await crossing.client.call()
        calling = asyncio.create_task(crossing.client.call({"slow": True}, id=2))
        await asyncio.wait_for(begun.wait(), 5)
        done, _ = await asyncio.wait({calling}, timeout=1.3)
        assert not done
        over.set()
        assert (await calling)[-1]["result"]["content"][0]["text"] == "Sunny."
        opened = server.opened
        # No other call begins on a stream of that age.
        await crossing.client.call(id=3)
        assert server.opened == opened + 1


async def test_a_subscription_outlasts_the_age_at_which_no_call_begins_on_a_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(sse_sessions, "LIFE_S", 1.0)
    server = HttpSse(capabilities={"tools": {"listChanged": True}})
    async with crossed(tmp_path, BOTH["a modern client"], server) as crossing:
        wanted = {"notifications": {"toolsListChanged": True}}
        async with crossing.client.open("subscriptions/listen", wanted) as messages, asyncio.timeout(5):
            await anext(messages)
            await asyncio.sleep(1.2)
            server.tell("tools/list_changed")
            assert (await anext(messages))["method"] == "notifications/tools/list_changed"


@both
async def test_what_came_for_the_calls_before_it_is_not_counted_against_a_call(tmp_path, cell):
    async def large(stage: Stage) -> None:
        await stage.answer("x" * (7 << 20))

    server = HttpSse(large)
    async with crossed(tmp_path, cell, server) as crossing:
        for id in range(1, 5):
            told = (await crossing.client.call(id=id))[-1]["result"]
            assert len(told["content"][0]["text"]) == 7 << 20
        assert server.opened == 1


@both
async def test_but_what_comes_in_the_course_of_one_call_is_bounded(tmp_path, cell):
    async def flooding(stage: Stage) -> None:
        for _ in range(5):
            await stage.notify("message", {"level": "error", "data": "x" * (5 << 20)})
        await stage.answer()

    async with crossed(tmp_path, cell, HttpSse(flooding)) as crossing:
        told = (await crossing.client.call())[-1]["result"]
        assert "larger than 20 MiB" in told["content"][0]["text"]


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
