"""An upstream that takes its time: the line to the client stays open, and the answer arrives all the same."""

import asyncio
import json
from typing import Any

import pytest

from gateway_core.web import outlet
from tests.flows.gateways import INITIALIZE, call, events, gateway, served_to
from tests.flows.upstreams import Asked, result, text, upstream


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Fifteen seconds of silence would make slow tests."""
    assert outlet.PING_EVERY_S <= 15
    monkeypatch.setattr(outlet, "PING_EVERY_S", 0.1)


@pytest.mark.parametrize("begun", [True, False], ids=["in mid-stream", "before the first byte"])
async def test_silence_is_broken_by_comments_until_the_answer_comes(tmp_path, begun):
    pinged = asyncio.Event()

    async def slow(asked: Asked) -> None:
        if begun:
            await asked.respond.stream()
            await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 0}})
        await pinged.wait()
        if begun:
            await asked.respond.event(text(asked, "At last."))
            await asked.respond.end()
        else:
            await asked.respond.json(text(asked, "At last."))

    async with upstream(slow) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        request = gw.http.stream("POST", gw.url + "/weather/mcp", content=json.dumps(call()), headers=gw.headers())
        async with request as response:
            assert response.headers["content-type"] == "text/event-stream"
            lines = response.aiter_lines()
            assert await anext(line async for line in lines if line.startswith(":")) == ": ping"
            pinged.set()
            messages = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]
        assert messages[-1]["result"]["content"][0]["text"] == "At last."
        assert gw.records.lines[-1]["outcome"] == "ok"


async def test_an_error_after_the_silence_was_broken_arrives_as_an_event(tmp_path):
    async def failing(asked: Asked) -> None:
        await asyncio.sleep(0.3)
        await asked.respond.raw(b"", 500)

    async with upstream(failing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", call())
        assert response.headers["content-type"] == "text/event-stream"
        (message,) = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
        assert "failed (HTTP 500)" in message["result"]["content"][0]["text"]


async def test_a_client_that_takes_no_stream_for_a_notification_waits_for_its_status(tmp_path):
    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.3)
        await asked.respond.raw(b"", 202)

    async with upstream(slow) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (response.status_code, response.content) == (202, b"")


async def test_an_upstream_that_is_slow_to_initialize_keeps_its_session_and_discover_its_status(tmp_path):
    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.3)
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {}}
            await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})
        else:
            error = {"code": -32021, "message": "No.", "data": {"requiredCapabilities": {"sampling": {}}}}
            await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, 400)

    async with upstream(slow) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = await gw.post("/weather/mcp", INITIALIZE)
        assert opened.headers["mcp-session-id"]
        assert (await gw.modern("/weather/mcp", "server/discover")).status_code == 400


async def test_on_lambda_a_ping_that_cannot_be_written_ends_the_call_and_is_on_record(tmp_path):
    async def waiting(asked: Asked) -> None:
        await asyncio.Event().wait()

    async with upstream(waiting) as server, gateway(tmp_path, {"weather": server.url}) as gw:

        async def send(message: Any) -> None:
            raise ConnectionResetError

        await asyncio.wait_for(served_to(gw, send, "POST", "/weather/mcp", call()), 5)
        await asyncio.wait_for(server.gone.wait(), 5)
        assert (gw.records.lines[-1]["outcome"], gw.records.lines[-1]["reason"]) == ("gone", "client_left")


async def test_a_gateway_that_stops_answers_every_call_that_is_open_and_says_so_in_the_record(tmp_path):
    reached = asyncio.Event()

    async def endless(asked: Asked) -> None:
        if asked.message["params"]["name"] == "streamed":
            await asked.respond.stream()
            await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 0}})
        else:
            reached.set()
        await asyncio.Event().wait()

    async with upstream(endless) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        body, headers = json.dumps(call("streamed")), gw.headers()
        async with gw.http.stream("POST", gw.url + "/weather/mcp", content=body, headers=headers) as response:
            lines = response.aiter_lines()
            assert "notifications/progress" in await anext(line async for line in lines if line.startswith("data: "))
            silent = asyncio.create_task(gw.post("/weather/mcp", [call("silent", id="s")]))
            await asyncio.wait_for(reached.wait(), 5)
            await gw.mcp.stop()
            (last,) = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]
        told = [last, *events(await silent)]
        assert [message["id"] for message in told] == [1, "s"]
        for message in told:
            assert "The gateway was stopped before it had the answer. What it did" in str(message["result"]["content"])
        assert {line["reason"] for line in gw.records.lines if line["method"] != "batch"} == {"gateway_stopped"}
