"""What a server refuses is told as what it is: no lost session, no other era, and it is not sent again for that."""

import asyncio
from typing import Any

import pytest

from gateway_core.errors import StoreUnavailable
from tests.flows.crossing import Legacy, Modern
from tests.flows.gateways import INITIALIZE, call, gateway
from tests.flows.stage import Stage
from tests.flows.upstreams import Asked, Json, upstream
from tests.flows.visitors import Cell, LegacyVisitor, ModernVisitor, crossed

PATH = "/weather/mcp"
ABOUT_SESSIONS = {"code": -32602, "message": "Invalid arguments: session_name is required"}


def refusing(kind: type[Any], status: int, body: Json) -> type[Any]:
    """A server that answers every tool call with an HTTP error; "$" in place of an id is the call's own."""

    class Refusing(kind):  # type: ignore[misc]
        async def __call__(self, asked: Asked) -> None:
            if asked.rpc != "tools/call":
                await super().__call__(asked)
                return
            own = {name: asked.message["id"] if value == "$" else value for name, value in body.items()}
            await asked.respond.json({"jsonrpc": "2.0", **own}, status)

    return Refusing


@pytest.mark.parametrize(
    "cell", [Cell(LegacyVisitor, Modern), Cell(ModernVisitor, Legacy), Cell(LegacyVisitor, Legacy)]
)
async def test_a_refusal_that_speaks_of_sessions_is_no_lost_session_and_the_call_is_not_sent_again(tmp_path, cell):
    kind = refusing(cell.server, 400, {"id": "$", "error": ABOUT_SESSIONS})
    async with crossed(tmp_path, Cell(cell.client, kind), kind()) as crossing:
        told = await crossing.client.ask("tools/call", call()["params"])
        assert told["error"]["message"] == ABOUT_SESSIONS["message"]
        assert len(crossing.upstream.calls("tools/call")) == 1


@pytest.mark.parametrize(
    "cell", [Cell(ModernVisitor, Modern), Cell(ModernVisitor, Legacy), Cell(LegacyVisitor, Modern)]
)
@pytest.mark.parametrize(
    "body", [{"id": "other", "result": {}}, {"id": "other", "error": ABOUT_SESSIONS}, {"id": "$", "result": {}}]
)
async def test_what_comes_with_an_http_error_and_is_no_error_of_the_call_is_not_passed_on(tmp_path, cell, body):
    kind = refusing(cell.server, 404, body)
    async with crossed(tmp_path, Cell(cell.client, kind), kind()) as crossing:
        told = await crossing.client.ask("tools/call", call()["params"])
        assert told["result"]["isError"] is True
        assert "other" not in str(told)


async def test_a_server_that_says_nothing_on_its_own_account_has_no_stream_for_its_clients(tmp_path):
    class Mute(Modern):
        async def __call__(self, asked: Asked) -> None:
            if asked.rpc != "subscriptions/listen":
                return await super().__call__(asked)
            error = {"code": -32601, "message": "Method not found"}
            return await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, 404)

    async with upstream(Mute(), "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        answer = await gw.http.get(gw.url + PATH, headers=gw.headers(mcp_session_id=token))
        assert answer.status_code == 405
        assert "says nothing on its own account" in answer.json()["error"]["message"]


async def test_a_store_that_cannot_be_asked_for_a_cancellation_does_not_end_a_call_that_goes_well(
    tmp_path, monkeypatch
):
    async def slow(stage: Stage) -> None:
        await asyncio.sleep(1.5)
        await stage.answer()

    async with crossed(tmp_path, Cell(LegacyVisitor, Modern), Modern(slow)) as crossing:

        async def failing(*_: object) -> None:
            raise StoreUnavailable("The database did not answer.")

        monkeypatch.setattr(type(crossing.gw.table), "get", failing)
        assert (await crossing.client.call())[-1]["result"]["content"][0]["text"] == "Sunny."
