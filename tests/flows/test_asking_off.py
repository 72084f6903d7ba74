"""`ASK_S=0`: nobody waits for answers, and who is asked all the same hears which setting that is."""

from dataclasses import dataclass

import pytest

from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import gateway
from tests.flows.stage import wondering
from tests.flows.upstreams import unaided
from tests.flows.visitors import LegacyVisitor, ModernVisitor, cells, crossed

OFF = "asks for something in mid-call (elicitation/create), and this gateway waits for no answers: ASK_S is 0. Ask its"


@cells()
async def test_a_client_that_could_be_asked_hears_of_the_setting_and_not_of_what_it_lacks(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), ask_s=0) as crossing:
        told = (await crossing.client.ask("tools/call"))["result"]
        assert told["isError"] is True
        assert f"Weather {OFF}" in told["content"][0]["text"]
        assert "capability" not in told["content"][0]["text"]
        assert crossing.gw.records.lines[-1]["reason"] == "asking_is_off"


@cells(having="legacy client")
async def test_a_client_that_cannot_be_asked_hears_what_it_lacks_whatever_the_setting(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(wondering), capabilities={}, ask_s=0) as crossing:
        told = (await crossing.client.ask("tools/call"))["result"]
        assert "it lacks the capability elicitation." in told["content"][0]["text"]


@dataclass(frozen=True)
class Pair:
    """A client and a server of the same era and transport."""

    client: type[LegacyVisitor | ModernVisitor]
    server: type[Legacy | Modern]


PAIRS = {"legacy": Pair(LegacyVisitor, Legacy), "modern": Pair(ModernVisitor, Modern)}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
async def test_where_nothing_is_bridged_questions_pass_all_the_same(tmp_path, pair):
    async with unaided(pair.server(wondering)) as server:
        setup = {"url": server.url, "timeout_s": 10, **pair.server.setup}
        async with gateway(tmp_path, {"weather": setup}, ask_s=0) as gw:
            client = pair.client(gw)
            if isinstance(client, LegacyVisitor):
                await client.start()
            assert "accept" in (await client.call())[-1]["result"]["content"][0]["text"]


async def test_an_http_sse_server_learns_of_no_client_of_any_era_that_it_could_be_asked(tmp_path):
    async with unaided(HttpSse()) as server:
        setup = {"url": server.url, **HttpSse.setup}
        async with gateway(tmp_path, {"weather": setup}, ask_s=0) as gw:
            old = LegacyVisitor(gw)
            await old.start()
            for client in (old, ModernVisitor(gw)):
                await client.ask("tools/call")
            told = [asked.message["params"]["capabilities"] for asked in server.calls("initialize")]
            assert told == [{}] * len(told) != []
