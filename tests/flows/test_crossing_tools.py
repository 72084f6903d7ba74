"""Lists of tools across eras: the headers that their schemas want, what is left out, how long they may be kept."""

import base64

import pytest

from tests.flows.stage import Server, Stage
from tests.flows.visitors import cells, crossed

modern_clients = cells(having="modern client")
at_modern = cells(having="modern server")
META = "io.modelcontextprotocol/"


def tool(name: str, **properties):
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


CITY = {"city": {"type": "string", "x-mcp-header": "City"}}
HINTS = {"ttlMs": 60_000, "cacheScope": "public", "resultType": "complete"}


@at_modern
@pytest.mark.parametrize(
    ("city", "field"),
    [
        ("Ulm", "Ulm"),
        ("Zürich", f"=?base64?{base64.b64encode('Zürich'.encode()).decode()}?="),
        (" x ", "=?base64?IHgg?="),
        (None, None),
        (7, "7"),
    ],
)
async def test_headers_that_a_tool_wants_are_made_for_a_client_that_knows_of_none(tmp_path, cell, city, field):
    server = cell.server(answers={"tools/list": {"tools": [tool("forecast", **CITY)], **HINTS}})
    async with crossed(tmp_path, cell, server) as crossing:
        for _ in range(2):
            await crossing.client.call({"city": city, "day": "Monday"})
        for asked in crossing.upstream.calls("tools/call"):
            assert asked.headers.get("mcp-param-city") == field
            assert (asked.headers["mcp-name"], asked.headers["mcp-method"]) == ("forecast", "tools/call")
        assert len(crossing.upstream.calls("tools/list")) == 1


@at_modern
async def test_headers_that_a_server_finds_wrong_are_made_anew_from_its_list_and_the_call_sent_once_more(
    tmp_path, cell
):
    server: Server = cell.server(answers={"tools/list": {"tools": [tool("forecast")], **HINTS}})

    async def strict(stage: Stage) -> None:
        if "mcp-param-city" in stage.asked.headers:
            return await stage.answer()
        return await stage.refuse(-32020, 400)

    server.play = strict
    async with crossed(tmp_path, cell, server) as crossing:
        told = (await crossing.client.call({"city": "Ulm"}))[-1]
        assert told["error"]["code"] == -32603
        assert len(crossing.upstream.calls("tools/call")) == 2
        server.answers["tools/list"] = {"tools": [tool("forecast", **CITY)], **HINTS}
        assert (await crossing.client.call({"city": "Ulm"}))[-1]["result"]["content"][0]["text"] == "Sunny."
        assert len(crossing.upstream.calls("tools/call")) == 4


@at_modern
@pytest.mark.parametrize(("refusals", "outcome"), [(1, ("ok", "")), (2, ("error", "code_-32020"))])
async def test_a_call_whose_headers_were_made_anew_has_failed_when_it_is_refused_again(
    tmp_path, cell, refusals, outcome
):
    server: Server = cell.server(answers={"tools/list": {"tools": [tool("forecast")], **HINTS}})

    async def strict(stage: Stage) -> None:
        await (stage.answer() if stage.server.played > refusals else stage.refuse(-32020, 400))

    server.play = strict
    async with crossed(tmp_path, cell, server) as crossing:
        assert ("result" in (await crossing.client.call())[-1]) is (outcome[0] == "ok")
        line = crossing.gw.records.lines[-1]
        assert (line["outcome"], line["reason"]) == outcome


@at_modern
async def test_tools_that_no_client_over_http_may_call_are_left_out_and_hints_that_legacy_lacks_too(tmp_path, cell):
    twice = {"a": {"type": "string", "x-mcp-header": "City"}, "b": {"type": "string", "x-mcp-header": "city"}}
    listed = [tool("forecast", **CITY), tool("rain", **twice), {**tool("wind"), "outputSchema": {"type": "array"}}]
    server = cell.server(answers={"tools/list": {"tools": listed, **HINTS}})
    async with crossed(tmp_path, cell, server) as crossing:
        told = (await crossing.client.ask("tools/list"))["result"]
        assert set(told) == {"tools"}
        assert [each["name"] for each in told["tools"]] == ["forecast", "wind"]
        assert "outputSchema" not in told["tools"][1]


@modern_clients
async def test_what_a_modern_client_may_keep_of_a_legacy_server_is_nothing(tmp_path, cell):
    required = {**tool("slow"), "execution": {"taskSupport": "required"}}
    optional = {**tool("forecast"), "execution": {"taskSupport": "optional"}}
    server = cell.server(answers={"tools/list": {"tools": [required, optional]}, "resources/read": {"contents": []}})
    async with crossed(tmp_path, cell, server) as crossing:
        told = (await crossing.client.ask("tools/list"))["result"]
        hints = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
        assert {name: told[name] for name in hints} == hints
        assert told["tools"] == [tool("forecast")]
        assert told["_meta"] == {META + "serverInfo": {"name": "fake", "version": "1"}}
        read = (await crossing.client.ask("resources/read", {"uri": "file:///a"}))["result"]
        assert {name: read[name] for name in hints} == hints
        called = (await crossing.client.call())[-1]["result"]
        assert called["resultType"] == "complete"
        assert "ttlMs" not in called


ODD_LISTS = [{"tools": 7}, {"tools": [7, None, {"name": ["x"]}, {"name": "forecast", "inputSchema": []}]},
             {"ttlMs": "x"},
             {"tools": [], "ttlMs": True, "nextCursor": ""}, {"nextCursor": "again"}, {"tools": {"a": 1}}]  # fmt: skip


@at_modern
async def test_a_list_of_tools_that_is_no_list_does_not_keep_anybody_from_calling_one(tmp_path, cell):
    for number, listed in enumerate(ODD_LISTS):
        server = cell.server(answers={"tools/list": listed})
        async with crossed(tmp_path / str(number), cell, server) as crossing:
            assert "Sunny." in str(await crossing.client.call({"city": "Ulm"})), listed
            assert "error" not in await crossing.client.ask("tools/list") or number == 1
