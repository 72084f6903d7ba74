"""An upstream that takes its time: the line to the client stays open, and the answer arrives all the same."""

import asyncio
import json

import pytest

from gateway_core.web import outlet
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import Asked, text, upstream


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
