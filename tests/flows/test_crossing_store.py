"""What crossed calls and waiting clients ask of the store: as much as calls of one era, and a look a second."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway_core.compose_lean import data_plane
from gateway_core.local.server import local_world
from gateway_core.proxy import listening, mailbox
from gateway_core.settings import Settings
from tests.flows.crossing import Legacy, Modern
from tests.flows.gateways import INITIALIZE, Lines, gateway
from tests.flows.stage import sunny, wondering
from tests.flows.upstreams import Json, serving, unaided
from tests.flows.visitors import Cell, LegacyVisitor, ModernVisitor

HASTE = 10
"""Waiting goes this much faster than in production."""
EARLY = 0.99
"""A timer may fire a little early, by the resolution of its clock."""


@dataclass
class Look:
    verb: str
    name: str
    """Last part of the key, where there is one."""
    at: float


class Watched:
    """A store that keeps what it is asked, when."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.looks: asyncio.Queue[Look] = asyncio.Queue()

    def __getattr__(self, verb: str) -> Any:
        async def ask(*given: Any, **named: Any) -> Any:
            name = getattr(given[0], "sk", "") if given else ""
            self.looks.put_nowait(Look(verb, name, asyncio.get_running_loop().time()))
            return await getattr(self.table, verb)(*given, **named)

        return ask

    def asked(self) -> list[str]:
        """What it was asked since the last time."""
        return [self.looks.get_nowait().verb for _ in range(self.looks.qsize())]

    async def next(self, count: int, name: str | None = None) -> list[Look]:
        """The next looks, those at `name` where one is given."""
        found: list[Look] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                look = await self.looks.get()
                if name in (None, look.name):
                    found.append(look)
        return found


@asynccontextmanager
async def watched(folder: Path, cell: Cell, play: Any = sunny) -> AsyncIterator[tuple[Any, Watched]]:
    """The client of `cell` at its server, over a gateway whose store is watched."""
    server = cell.server(play)
    async with unaided(server) as running:
        setup: Json = {"url": running.url, "name": "Weather", **server.setup}
        async with gateway(folder, {"weather": setup}) as gw:
            table, settings = Watched(gw.table), Settings(public_url=gw.url, gatehouse_data=folder)
            world = replace(local_world(settings, gw.table), table=table, records=Lines(), clock=lambda: gw.clock[0])
            mcp = data_plane(settings, world)
            async with serving(mcp) as port:
                client = cell.client(replace(gw, url=f"http://127.0.0.1:{port}"))
                if isinstance(client, LegacyVisitor):
                    await client.start()
                yield client, table
            await mcp.close()


@pytest.fixture
def _hasty(monkeypatch):
    """Seconds between two looks would make slow tests."""
    assert (mailbox.FIRST_LOOK_S, mailbox.SLOWEST_LOOK_S, listening.LOOK_S) == (0.05, 1.0, 1.0)
    monkeypatch.setattr(mailbox, "FIRST_LOOK_S", 0.05 / HASTE)
    monkeypatch.setattr(mailbox, "SLOWEST_LOOK_S", 1.0 / HASTE)
    monkeypatch.setattr(listening, "LOOK_S", 1.0 / HASTE)


def once_a_second(looks: list[Look]) -> bool:
    """Whether every two of them are as far apart as they should be, told in the time of production."""
    return all(later.at - look.at >= EARLY / HASTE for look, later in pairwise(looks))


CROSSED = {
    "legacy client, modern server": Cell(LegacyVisitor, Modern),
    "modern client, legacy server": Cell(ModernVisitor, Legacy),
}


@pytest.mark.parametrize("cell", CROSSED.values(), ids=CROSSED.keys())
async def test_a_crossed_call_of_a_known_caller_asks_the_store_once_and_writes_nothing(tmp_path, cell):
    async with watched(tmp_path, cell) as (client, table):
        for _ in range(3):
            table.asked()
            assert (await client.call())[-1]["result"]["content"][0]["text"] == "Sunny."
        assert table.asked() == ["get_many"]


@pytest.mark.usefixtures("_hasty")
async def test_an_idle_client_on_http_sse_costs_the_store_one_look_a_second(tmp_path):
    async with watched(tmp_path, Cell(LegacyVisitor, Modern)) as (client, table):
        gw = client.gw
        stream = gw.http.stream("GET", f"{gw.url}/weather/sse", headers=gw.headers(accept="text/event-stream"))
        async with stream as response:
            data = (line[6:] async for line in response.aiter_lines() if line.startswith("data: "))
            address = await anext(data)
            assert (await gw.post(address, INITIALIZE)).status_code == 202
            assert json.loads(await anext(data))["id"] == INITIALIZE["id"]
            # Whoever has just heard something looks again soon, then less often: the ninth look is a second's.
            table.asked()
            await table.next(16)
            looks = await table.next(4)
        assert {look.verb for look in looks} == {"query"}
        assert once_a_second(looks)


@pytest.mark.usefixtures("_hasty")
async def test_an_idle_stream_of_a_session_at_a_modern_server_costs_the_store_one_look_a_second(tmp_path):
    async with watched(tmp_path, Cell(LegacyVisitor, Modern)) as (client, table):
        gw, fields = client.gw, {"accept": "text/event-stream", "mcp_session_id": client.token}
        table.asked()
        async with gw.http.stream("GET", f"{gw.url}/weather/mcp", headers=gw.headers(**fields)) as response:
            assert response.status_code == 200
            opening, *looks = await table.next(5)
        assert opening.verb == "get_many"
        assert {look.verb for look in looks} == {"get"}
        assert once_a_second(looks)


@pytest.mark.usefixtures("_hasty")
async def test_a_question_that_nobody_answers_is_looked_after_nine_times_in_three_seconds_then_once_a_second(tmp_path):
    async with watched(tmp_path, Cell(LegacyVisitor, Modern), wondering) as (client, table):
        async with client.open() as messages:
            asked = await anext(messages)
            assert asked["method"] == "elicitation/create"
            # The first of them opens the box.
            opened, *looks = await table.next(14, "ASKED")
            assert opened.verb == "put"
            await client.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}})
            assert (await anext(messages))["id"] == 1
        assert {look.verb for look in looks} == {"get"}
        gaps = [(later.at - look.at) * HASTE for look, later in pairwise(looks)]
        for number, gap in enumerate(gaps):
            assert gap >= EARLY * min(0.05 * 1.5**number, 1.0)
        assert (looks[9].at - looks[0].at) * HASTE > 3


@pytest.mark.usefixtures("_hasty")
async def test_a_call_under_way_looks_once_a_second_whether_it_was_cancelled(tmp_path):
    async with watched(tmp_path, Cell(LegacyVisitor, Modern), wondering) as (client, table):
        async with client.open() as messages:
            asked = await anext(messages)
            looks = await table.next(4, "CANCELLED")
            await client.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}})
            assert (await anext(messages))["id"] == 1
        assert {look.verb for look in looks} == {"get"}
        assert once_a_second(looks)
