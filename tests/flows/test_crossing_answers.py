"""What becomes of answers across the eras: taken by the server, sealed on the way, asked only where that is allowed."""

import json
from typing import Any

import pytest

from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import INITIALIZE
from tests.flows.stage import Stage, wondering
from tests.flows.upstreams import Asked, Json, result
from tests.flows.visitors import ACCEPTED, Cell, LegacyVisitor, ModernVisitor, cells, crossed, retry

UNKNOWN = " What it did with the call is unknown: check before you repeat it."
CALL = {"name": "forecast", "arguments": {}}
modern_clients = cells(having="modern client")


def deaf(kind: type[Any], status: int) -> Any:
    """A server that does not take the first answer that it gets."""

    class Deaf(kind):  # type: ignore[misc]
        refused = False

        async def __call__(self, asked: Asked) -> None:
            if asked.message and "method" not in asked.message and not self.refused:
                self.refused = True
                await asked.respond.raw(b"", status)
                return
            await super().__call__(asked)

    return Deaf


@modern_clients
@pytest.mark.parametrize("status", [401, 500])
async def test_an_answer_that_the_server_did_not_take_can_be_given_once_more(tmp_path, cell, status):
    kind = deaf(cell.server, status)
    async with crossed(tmp_path, Cell(cell.client, kind), kind(wondering)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        told = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "did not take the answer" in told["result"]["content"][0]["text"]
        assert "Send it once more." in told["result"]["content"][0]["text"]
        done = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=3)
        assert done["result"]["content"][0]["text"] == f"Heard {json.dumps(ACCEPTED)}."
        assert len(crossing.upstream.calls("tools/call")) == 1


@modern_clients
@pytest.mark.parametrize("status", [400, 404, 410])
async def test_who_answers_what_the_server_knows_no_more_hears_that_the_outcome_is_unknown(tmp_path, cell, status):
    kind = deaf(cell.server, status)
    async with crossed(tmp_path, Cell(cell.client, kind), kind(wondering)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        told = (await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2))["result"]
        assert f"may be gone: Weather did not take the answer (HTTP {status})." in told["content"][0]["text"]
        assert told["content"][0]["text"].endswith(UNKNOWN)
        assert len(crossing.upstream.calls("tools/call")) == 1


async def test_a_legacy_client_whose_answer_an_http_sse_server_knows_no_call_for_hears_that_too(tmp_path):
    kind = deaf(HttpSse, 404)
    async with crossed(tmp_path, Cell(LegacyVisitor, kind), kind(wondering)) as crossing:
        told = (await crossing.client.call())[-1]["result"]
        assert told["content"][0]["text"] == f"Weather no longer knows the stream of this call.{UNKNOWN}"
        assert len(crossing.upstream.calls("tools/call")) == 1


async def test_a_log_level_stays_with_the_session_that_set_it_at_an_http_sse_server(tmp_path):
    async def silent(stage: Stage) -> None:
        await stage.answer()

    server = HttpSse(silent, capabilities={"logging": {}})
    async with crossed(tmp_path, Cell(LegacyVisitor, HttpSse), server) as crossing:
        await crossing.client.ask("logging/setLevel", {"level": "debug"})
        await crossing.client.call()
        other = LegacyVisitor(crossing.gw)
        await other.start()
        await other.call()
        (loud, quiet) = (asked.path for asked in crossing.upstream.calls("tools/call"))
        assert [asked.path for asked in crossing.upstream.calls("logging/setLevel")] == [loud]
        assert quiet != loud


async def test_what_a_person_answers_is_nowhere_in_the_store_as_plain_text(tmp_path):
    secret = {"action": "accept", "content": {"n": "the-answer-of-a-person"}}
    async with crossed(tmp_path, Cell(ModernVisitor, Legacy), Legacy(wondering)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        done = await crossing.client.ask("tools/call", retry(CALL, asked, secret), id=2)
        assert "the-answer-of-a-person" in done["result"]["content"][0]["text"]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("gatehouse.db*"))
    assert b"MAIL#" in kept
    assert b"the-answer-of-a-person" not in kept
    assert b"How many?" not in kept


async def test_a_server_that_asks_during_a_request_that_may_not_ask_is_told_so_and_goes_on(tmp_path):
    class Nosy(Legacy):
        async def __call__(self, asked: Asked) -> None:
            if asked.rpc != "tools/list":
                return await super().__call__(asked)
            await asked.respond.stream()
            await asked.respond.event({"jsonrpc": "2.0", "id": "r-1", "method": "roots/list"})
            await asked.respond.event(result(asked, {"tools": []}))
            return await asked.respond.end()

    async with crossed(tmp_path, Cell(ModernVisitor, Nosy), Nosy()) as crossing:
        listed = await crossing.client.ask("tools/list", {})
        assert listed["result"]["resultType"] == "complete"
        (told,) = [asked.message for asked in crossing.upstream.seen if (asked.message or {}).get("id") == "r-1"]
        assert told["error"]["code"] == -32601


async def test_a_legacy_client_that_knows_mcp_apps_says_so_to_a_modern_server(tmp_path):
    apps: Json = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
    declared = {"extensions": {**apps, "io.modelcontextprotocol/tasks": {}}, "elicitation": {}}
    opening = {**INITIALIZE["params"], "capabilities": declared}
    async with crossed(tmp_path, Cell(LegacyVisitor, Modern), Modern()) as crossing:
        answer = await crossing.gw.post("/weather/mcp", {**INITIALIZE, "params": opening})
        token = answer.headers["mcp-session-id"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
        await crossing.gw.post("/weather/mcp", call, mcp_session_id=token)
        meta = crossing.upstream.calls("tools/call")[-1].message["params"]["_meta"]
        assert meta["io.modelcontextprotocol/clientCapabilities"] == {"extensions": apps, "elicitation": {}}


async def test_a_session_lasts_a_month_and_an_ended_one_stays_ended(tmp_path):
    async with crossed(tmp_path, Cell(LegacyVisitor, Modern), Modern()) as crossing:
        gw = crossing.gw
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
        opened = [(await gw.post("/weather/mcp", INITIALIZE)).headers["mcp-session-id"] for _ in range(2)]
        headers = gw.headers(mcp_session_id=opened[0])
        assert (await gw.http.delete(gw.url + "/weather/mcp", headers=headers)).status_code == 200
        for days, status in ((8, 200), (31, 404)):
            gw.clock[0] += days * 86_400
            ended = await gw.post("/weather/mcp", call, mcp_session_id=opened[0])
            lasting = await gw.post("/weather/mcp", call, mcp_session_id=opened[1])
            assert (ended.status_code, lasting.status_code) == (404, status)
