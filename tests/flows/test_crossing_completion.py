"""`completion/complete`, which both eras have in the same words, from any client to any server."""

from tests.flows.upstreams import Json
from tests.flows.visitors import cells, crossed

everywhere = cells()
WANTED: Json = {
    "ref": {"type": "ref/prompt", "name": "trip"},
    "argument": {"name": "city", "value": "U"},
    "context": {"arguments": {"country": "de"}},
}
FOUND: Json = {"completion": {"values": ["Ulm", "Unna"], "total": 2, "hasMore": False}}


@everywhere
async def test_a_client_is_told_what_a_server_of_another_era_suggests(tmp_path, cell):
    server = cell.server(answers={"completion/complete": FOUND}, capabilities={"completions": {}})
    async with crossed(tmp_path, cell, server) as crossing:
        told = (await crossing.client.ask("completion/complete", WANTED))["result"]
        assert told["completion"] == FOUND["completion"]
        (asked,) = crossing.upstream.calls("completion/complete")
        assert {name: asked.message["params"][name] for name in WANTED} == WANTED


@everywhere
async def test_a_reference_that_a_server_does_not_know_is_an_error_of_invalid_parameters(tmp_path, cell):
    refused = {"error": {"code": -32602, "message": "No such prompt."}}
    server = cell.server(answers={"completion/complete": refused}, capabilities={"completions": {}})
    async with crossed(tmp_path, cell, server) as crossing:
        assert (await crossing.client.ask("completion/complete", WANTED))["error"]["code"] == -32602
