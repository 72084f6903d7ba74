"""A gateway that is told to stop in the middle of its work does so without a word of complaint."""

import asyncio
import json
import os
import signal
from itertools import cycle
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.stage import Stage
from tests.flows.upstreams import unaided
from tests.gateway_process import gateway_beside

CALLS = 12
MODES: tuple[Literal["legacy", "auto"], ...] = ("legacy", "auto", "legacy", "auto")


def acting(begun: asyncio.Semaphore):
    """A play in which of four calls one ends at once, one tells of its progress, one is slow and one never ends."""
    turns = cycle(range(4))

    async def play(stage: Stage) -> None:
        begun.release()
        turn = next(turns)
        if turn == 1:
            await stage.progress(1)
        if turn > 1:
            await (asyncio.sleep(0.2) if turn == 2 else asyncio.Event().wait())
        await stage.answer()

    return play


async def visit(url: str, key: str, mode: Literal["legacy", "auto"], begun: asyncio.Semaphore) -> None:
    """Calls at the same time, every third of them cancelled, the others waited for."""
    fields = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=fields, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        calls = [asyncio.create_task(client.call_tool("forecast")) for _ in range(CALLS)]
        await begun.acquire()
        for call in calls[::3]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def said(log: Path) -> list[str]:
    """What a gateway has said besides its welcome and the records of calls."""
    lines = log.read_text().splitlines()
    logged = [line for line in lines if line.startswith("{") and json.loads(line)["type"] == "log"]
    return logged + [line for line in lines if any(word in line for word in ("Traceback", "Error", "Task ", "never "))]


@pytest.mark.parametrize("kind", [HttpSse, Legacy, Modern], ids=["http+sse", "legacy", "modern"])
async def test_a_gateway_that_is_stopped_in_mid_call_says_nothing_of_its_own_tasks(tmp_path, kind):
    begun = asyncio.Semaphore(0)
    async with unaided(kind(acting(begun))) as server, gateway_beside(tmp_path) as gateway:
        url = await asyncio.to_thread(gateway.serve, "weather", server.url, **kind.setup)
        key = await asyncio.to_thread(gateway.key)
        visits = [asyncio.create_task(visit(url, key, mode, begun)) for mode in MODES]
        await asyncio.wait(visits, timeout=1)
        os.kill(gateway.pid, signal.SIGTERM)
        done, late = await asyncio.wait(visits, timeout=15)
        await asyncio.gather(*done, return_exceptions=True)
        assert not late
    assert '"gateway_stopped"' in (tmp_path / "gateway.log").read_text()
    assert said(tmp_path / "gateway.log") == []
