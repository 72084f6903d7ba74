"""What clients and servers of different eras tell each other beside the call: levels, tokens, headers, codes, hints."""

import asyncio

from tests.flows.crossing import Legacy, Modern
from tests.flows.gateways import call, events, gateway
from tests.flows.stage import Stage, sunny
from tests.flows.visitors import PATH, LegacyVisitor, ModernVisitor, cells, crossed

everywhere = cells()
modern_clients = cells(having="modern client")
legacy_clients = cells(having="legacy client")
at_modern = cells(having="modern server")
META = "io.modelcontextprotocol/"
LEVELS = ("debug", "info", "warning", "error")


async def chatty(stage: Stage) -> None:
    """Logs at every level, whatever it was asked for."""
    for level in LEVELS:
        await stage.notify("message", {"level": level, "data": level})
    await stage.answer()


def logged(messages) -> list[str]:
    return [each["params"]["level"] for each in messages if each.get("method") == "notifications/message"]


async def heard(client, params=None, **given):
    async with client.open("tools/call", params, **given) as messages:
        return [message async for message in messages]


HEARD = {None: [], "debug": list(LEVELS), "warning": ["warning", "error"], "silly": []}


@modern_clients
async def test_a_modern_client_hears_of_a_legacy_server_what_its_request_asks_for(tmp_path, cell):
    server = cell.server(chatty, capabilities={"tools": {}, "logging": {}})
    async with crossed(tmp_path, cell, server) as crossing:
        for level, expected in HEARD.items():
            meta = {} if level is None else {"_meta": {META + "logLevel": level}}
            messages = await heard(crossing.client, {"name": "forecast", "arguments": {}, **meta})
            assert logged(messages) == expected, level
        asked = [asked.message["params"]["level"] for asked in crossing.upstream.calls("logging/setLevel")]
        # A session that is shared is only ever made to say more.
        assert asked == (["debug"] if cell.server is Legacy else ["debug", "warning"])


@modern_clients
async def test_a_server_that_offers_no_logging_is_not_asked_for_any(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(chatty)) as crossing:
        meta = {META + "logLevel": "error"}
        assert logged(await heard(crossing.client, {"name": "forecast", "arguments": {}, "_meta": meta})) == ["error"]
        assert crossing.upstream.calls("logging/setLevel") == []


@at_modern
async def test_a_level_that_a_legacy_client_sets_goes_with_each_request_in_every_process(tmp_path, cell):
    server = cell.server(chatty)

    def levels(crossing) -> list[str]:
        return [asked.message["params"]["_meta"][META + "logLevel"] for asked in crossing.upstream.calls("tools/call")]

    async with crossed(tmp_path, cell, server) as crossing:
        client = crossing.client
        assert logged(await heard(client)) == list(LEVELS)
        wrong = await client.ask("logging/setLevel", {"level": "silly"})
        assert wrong["error"]["code"] == -32602
        assert "debug, info, notice, warning, error" in wrong["error"]["message"]
        assert (await client.ask("logging/setLevel", {"level": "error"}))["result"] == {}
        await heard(client)
        setup = {"url": crossing.upstream.url, **server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            elsewhere = LegacyVisitor(second)
            elsewhere.token = client.token
            await heard(elsewhere)
        assert levels(crossing) == ["info", "error", "error"]
        assert crossing.upstream.calls("logging/setLevel") == []


@cells(having="legacy client, HTTP+SSE")
async def test_a_level_that_a_legacy_client_sets_reaches_the_stream_that_its_call_runs_on(tmp_path, cell):
    server = cell.server(sunny, capabilities={"logging": {}})
    async with crossed(tmp_path, cell, server) as crossing:
        await crossing.client.call()
        assert (await crossing.client.ask("logging/setLevel", {"level": "error"}))["result"] == {}
        await crossing.client.call()
        await crossing.client.call()
        (asked,) = crossing.upstream.calls("logging/setLevel")
        assert asked.message["params"] == {"level": "error"}


@everywhere
async def test_two_clients_with_the_same_id_and_token_at_the_same_time_hear_their_own_alone(tmp_path, cell):
    both = asyncio.Barrier(2)

    async def working(stage: Stage) -> None:
        done = stage.params["arguments"]["n"]
        await both.wait()
        await stage.progress(done)
        await both.wait()
        await stage.answer(str(done))

    async with crossed(tmp_path, cell, cell.server(working)) as crossing:

        async def visit(n):
            params = {"name": "forecast", "arguments": {"n": n}, "_meta": {"progressToken": "mine"}}
            return await heard(crossing.client, params, id=5)

        for n, messages in enumerate(await asyncio.gather(visit(0), visit(1))):
            assert messages[0]["params"] == {"progressToken": "mine", "progress": n}
            assert (messages[1]["id"], messages[1]["result"]["content"][0]["text"]) == (5, str(n))
            assert len(messages) == 2
        calls = crossing.upstream.calls("tools/call")
        if cell.server is Legacy:
            assert len({asked.headers["mcp-session-id"] for asked in calls}) == 1
            assert len({asked.message["params"]["_meta"]["progressToken"] for asked in calls}) == 2
            assert len({asked.message["id"] for asked in calls}) == 2


URI = "file:///gone"


@everywhere
async def test_a_resource_that_is_not_there_is_told_in_the_code_of_the_clients_own_era(tmp_path, cell):
    code, expected = (
        -32602 if each is modern else -32002 for each, modern in [(cell.server, Modern), (cell.client, ModernVisitor)]
    )
    error = {"code": code, "message": "Resource not found", "data": {"uri": URI}}
    async with crossed(tmp_path, cell, cell.server(answers={"resources/read": {"error": error}})) as crossing:
        told = await crossing.client.ask("resources/read", {"uri": URI}, id=4)
        assert (told["id"], told["error"]) == (4, {**error, "code": expected})


@legacy_clients
async def test_notifications_that_have_no_counterpart_are_taken_in_silence(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        before = len(crossing.upstream.seen)
        for method in ("initialized", "roots/list_changed", "progress", "cancelled", "made/up"):
            taken = await crossing.client.send({"jsonrpc": "2.0", "method": f"notifications/{method}"})
            assert (taken.status_code, taken.content) == (202, b"")
        assert (await crossing.client.ask("ping"))["result"] == {}
        assert len(crossing.upstream.seen) == before


@cells(lacking="legacy client, HTTP+SSE")
async def test_tasks_do_not_cross_and_are_refused_by_name(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        before = len(crossing.upstream.seen)
        told = await crossing.client.ask("tasks/get", {"taskId": "t"})
        assert told["error"]["code"] == -32601
        assert "tasks/get cannot be passed on: this server speaks MCP" in told["error"]["message"]
        told = await crossing.client.ask("tools/call", {"name": "forecast", "task": {"ttl": 1}})
        assert told["error"]["code"] == -32601
        assert "This tool cannot run as a task" in told["error"]["message"]
        assert len(crossing.upstream.seen) == before


@everywhere
async def test_the_trace_and_what_others_put_beside_a_call_go_along(tmp_path, cell):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    params = {"name": "forecast", "arguments": {"deep": {"n": [1, None, 1.5]}}, "_meta": {"acme.dev/tag": {"a": 1}}}
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        await heard(crossing.client, params, traceparent=trace)
        (asked,) = crossing.upstream.calls("tools/call")
        assert asked.headers["traceparent"].split("-")[1] == trace.split("-")[1]
        assert asked.headers["traceparent"] != trace
        assert asked.message["params"]["arguments"] == params["arguments"]
        assert asked.message["params"]["_meta"]["acme.dev/tag"] == {"a": 1}
        modern = {name for name in asked.message["params"]["_meta"] if name.startswith(META)}
        assert bool(modern) is (cell.server is Modern)


@legacy_clients
async def test_a_batch_of_2025_03_26_is_carried_across_call_by_call(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        batch = [call(id=1), {"jsonrpc": "2.0", "method": "notifications/initialized"}, call(id="b"), call(id=1)]
        session = {"mcp_session_id": crossing.client.token, "mcp_protocol_version": "2025-03-26"}
        response = await crossing.gw.post(PATH, batch, **session)
        assert [message["id"] for message in events(response)] == [1, "b", 1]
        assert all(message["result"]["content"][0]["text"] == "Sunny." for message in events(response))
        assert len(crossing.upstream.calls("tools/call")) == 3


VERSIONS = {
    "2024-11-05": "2024-11-05",
    "2025-03-26": "2025-03-26",
    "2025-11-25": "2025-11-25",
    "1999-01-01": "2025-11-25",
}


@legacy_clients
async def test_every_legacy_client_gets_a_session_of_its_own_and_the_revision_that_it_asked_for(tmp_path, cell):
    server = cell.server(capabilities={"tools": {"listChanged": True}, "tasks": {}, "logging": {}})
    async with crossed(tmp_path, cell, server) as crossing:
        tokens = set()
        for asked, agreed in VERSIONS.items():
            client = LegacyVisitor(crossing.gw)
            opened = (await client.start(asked))["result"]
            assert opened["protocolVersion"] == agreed
            assert opened["capabilities"] == {"tools": {"listChanged": True}, "logging": {}}
            tokens.add(client.token)
        assert len(tokens) == len(VERSIONS)
        assert "" not in tokens


@legacy_clients
async def test_a_session_that_its_client_ended_is_unknown_for_good_in_every_process(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        client = crossing.client
        await client.call()
        fields = crossing.gw.headers(mcp_session_id=client.token)
        assert (await crossing.gw.http.delete(crossing.gw.url + PATH, headers=fields)).status_code == 200
        before = len(crossing.upstream.seen)
        setup = {"url": crossing.upstream.url, **crossing.server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            for gw in (crossing.gw, second):
                refusals = [
                    await gw.post(PATH, call(), mcp_session_id=client.token),
                    await gw.post(PATH, {"jsonrpc": "2.0", "method": "notifications/x"}, mcp_session_id=client.token),
                    await gw.http.get(gw.url + PATH, headers=gw.headers(mcp_session_id=client.token)),
                    await gw.http.delete(gw.url + PATH, headers=gw.headers(mcp_session_id=client.token)),
                ]
                assert [refusal.status_code for refusal in refusals] == [404] * 4
        assert len(crossing.upstream.seen) == before
        await client.start()
        assert "Sunny." in str(await client.call())


@everywhere
async def test_what_a_server_is_called_and_offers_is_told_in_the_clients_own_form(tmp_path, cell):
    server = cell.server(capabilities={"tools": {"listChanged": True}, "extensions": {"acme.dev/x": {}}})
    async with crossed(tmp_path, cell, server) as crossing:
        if cell.client is ModernVisitor:
            told = (await crossing.client.ask("server/discover"))["result"]
            assert told["supportedVersions"] == ["2026-07-28"]
            assert told["_meta"][META + "serverInfo"] == {"name": "fake", "version": "1"}
        else:
            told = (await crossing.client.start())["result"]
            assert told["serverInfo"]["name"] in ("fake", "Weather")
        assert told["capabilities"] == {"tools": {"listChanged": True}}


@everywhere
async def test_a_client_that_sends_what_cannot_be_read_is_refused_before_anything_crosses(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        before = len(crossing.upstream.seen)
        told = await crossing.client.ask("moon/phase", {})
        assert told["error"]["code"] == -32601
        assert len(crossing.upstream.seen) == before


@everywhere
async def test_a_name_that_is_no_unicode_is_refused_and_not_a_fault_of_the_gateway(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        for arguments in ({"name": "\ud800", "arguments": {}}, {"name": "forecast", "arguments": {"\udfff": "\ud800"}}):
            headers = {"mcp_name": "x"} if cell.client is ModernVisitor else {}
            body, fields = crossing.client.request("tools/call", arguments, id=1)
            told = await crossing.gw.post(PATH, body, **{**fields, **headers})
            assert told.status_code < 500


def plan(crossing, name: str):
    """The server, reached with another credential."""
    auth = {"type": "headers", "headers": {"X-Plan": name}}
    setup = {"url": crossing.upstream.url, "name": "Weather", **crossing.server.setup}
    return {"servers": [{"slug": "weather", "workspaces": ["research"], "auth": auth, **setup}]}


@everywhere
async def test_a_credential_that_was_changed_is_used_from_the_next_call_on(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        for name in ("gold", "silver"):
            await crossing.gw.apply(plan(crossing, name))
            await crossing.client.call()
        plans = [asked.headers.get("x-plan") for asked in crossing.upstream.calls("tools/call")]
        assert plans == ["gold", "silver"]


@cells(lacking="modern server")
async def test_two_callers_never_share_a_session_at_a_server_and_one_goes_on_in_its_own(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server()) as crossing:
        other = cell.client(crossing.gw, key=(await crossing.gw.new_key(subject="someone-else"))[0])
        if isinstance(other, LegacyVisitor):
            await other.start()
        for client in (crossing.client, other, crossing.client, other):
            await client.call()
        sessions = [asked.headers.get("mcp-session-id", asked.path) for asked in crossing.upstream.calls("tools/call")]
        assert sessions[0] == sessions[2] != sessions[1] == sessions[3]
