"""One call through the gateway and back, in both eras."""

import asyncio
import json

import pytest

from tests.flows.gateways import INITIALIZE, call, events, gateway
from tests.flows.upstreams import Asked, result, text, upstream, weather


async def test_a_legacy_call_reaches_the_upstream_once_and_its_answer_comes_back_untouched(tmp_path):
    answer = {"content": [], "isError": False, "vendor": {"kept": [1, 2.5, None, "é"]}}

    async def vendor(asked: Asked) -> None:
        await asked.respond.json(result(asked, answer))

    async with upstream(vendor) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/research/weather/mcp", call(arguments={"city": "Zürich", "vendor": {"x": 1}}))
        assert response.status_code == 200
        assert response.json() == {"jsonrpc": "2.0", "id": 1, "result": answer}
        assert [asked.message for asked in server.seen] == [call(arguments={"city": "Zürich", "vendor": {"x": 1}})]


@pytest.mark.parametrize("path", ["/research/weather/mcp", "/weather/mcp", "ids"])
async def test_a_server_answers_at_its_long_url_its_short_url_and_by_ids(tmp_path, path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        if path == "ids":
            state = await gw.admin.state()
            path = f"/{state.workspaces['research'].record.id}/{state.servers['weather'].record.id}/mcp"
        response = await gw.post(path, call())
        assert response.json()["result"]["content"][0]["text"] == "Sunny."


@pytest.mark.parametrize("header", ["authorization", "x-portkey-api-key", "x-api-key"])
async def test_a_key_is_taken_from_every_header_that_clients_put_it_in(tmp_path, header):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        headers = {**gw.headers(), "authorization": ""}
        headers[header] = f"Bearer {gw.key}" if header == "authorization" else gw.key
        sent = {name: value for name, value in headers.items() if value}
        response = await gw.http.post(gw.url + "/weather/mcp", content=json.dumps(call()), headers=sent)
        assert response.status_code == 200
        assert gw.key not in json.dumps([asked.headers for asked in server.seen])


async def test_a_modern_call_reaches_the_upstream_with_headers_made_anew_from_its_body(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.modern(
            "/weather/mcp", "tools/call", {"name": "wetter für alle", "arguments": {}},
            mcp_name="=?base64?d2V0dGVyIGbDvHIgYWxsZQ==?=", mcp_param_region="eu", x_custom="stays here",
        )  # fmt: skip
        assert response.status_code == 200, response.text
        headers = server.seen[0].headers
        assert headers["mcp-protocol-version"] == "2026-07-28"
        assert headers["mcp-method"] == "tools/call"
        assert headers["mcp-name"] == "=?base64?d2V0dGVyIGbDvHIgYWxsZQ==?="
        assert headers["mcp-param-region"] == "eu"
        assert not {"x-custom", "authorization", "cookie"} & headers.keys()


async def test_discover_is_answered_by_a_modern_upstream(tmp_path):
    async def modern(asked: Asked) -> None:
        value = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        await asked.respond.json(result(asked, value))

    async with upstream(modern) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.modern("/weather/mcp", "server/discover")
        assert response.json()["result"]["supportedVersions"] == ["2026-07-28"]


async def test_progress_arrives_while_the_call_still_runs(tmp_path):
    seen_by_client = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
        await seen_by_client.wait()
        await asked.respond.event(text(asked, "Done."))
        await asked.respond.end()

    async with upstream(slow) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        request = gw.http.stream("POST", gw.url + "/weather/mcp", content=json.dumps(call()), headers=gw.headers())
        async with request as response:
            assert response.headers["content-type"] == "text/event-stream"
            assert response.headers["x-accel-buffering"] == "no"
            lines = response.aiter_lines()
            first = await anext(line async for line in lines if line.startswith("data: "))
            assert json.loads(first[6:])["method"] == "notifications/progress"
            seen_by_client.set()
            last = [line async for line in lines if line.startswith("data: ")]
            assert json.loads(last[-1][6:])["result"]["content"][0]["text"] == "Done."


async def test_an_upstream_asks_a_legacy_client_in_mid_call_and_gets_the_answer(tmp_path):
    answered = asyncio.Event()

    async def asking(asked: Asked) -> None:
        if asked.rpc != "tools/call":
            answered.set()
            return await asked.respond.raw(b"", 202)
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {}})
        await answered.wait()
        await asked.respond.event(text(asked, "Thanks."))
        await asked.respond.end()
        return None

    async with upstream(asking) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        request = gw.http.stream("POST", gw.url + "/weather/mcp", content=json.dumps(call()), headers=gw.headers())
        async with request as response:
            lines = response.aiter_lines()
            question = json.loads((await anext(line async for line in lines if line.startswith("data: ")))[6:])
            reply = await gw.post(
                "/weather/mcp", {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
            )
            assert (reply.status_code, reply.content) == (202, b"")
            last = [line async for line in lines if line.startswith("data: ")]
            assert json.loads(last[-1][6:])["result"]["content"][0]["text"] == "Thanks."
        assert server.seen[1].message == {"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept"}}


async def test_a_stream_that_ends_early_is_resumed_and_the_call_is_not_sent_again(tmp_path):
    async def polling(asked: Asked) -> None:
        await asked.respond.stream()
        if asked.method == "POST":
            await asked.respond.event(id="e1", retry=1)
        else:
            assert asked.headers["last-event-id"] == "e1"
            await asked.respond.event({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}, id="e2")
        await asked.respond.end()

    async with upstream(polling) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", call())
        assert events(response) == [{"jsonrpc": "2.0", "id": 1, "result": {"content": []}}]
        assert "id: e1" in response.text
        assert [asked.method for asked in server.seen] == ["POST", "GET"]


async def test_a_subscription_delivers_each_notification_as_it_happens(tmp_path):
    changed = asyncio.Event()

    async def listening(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"})
        await changed.wait()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await asyncio.Event().wait()

    async with upstream(listening) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        body = {"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": {"notifications": {}}}
        body["params"]["_meta"] = {  # type: ignore[index]
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers = gw.headers(mcp_protocol_version="2026-07-28", mcp_method="subscriptions/listen")
        async with gw.http.stream(
            "POST", gw.url + "/weather/mcp", content=json.dumps(body), headers=headers
        ) as response:
            lines = (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: "))
            assert (await anext(lines))["method"].endswith("acknowledged")
            changed.set()
            assert (await anext(lines))["method"] == "notifications/tools/list_changed"
        # Leaving is the cancellation: it reaches the upstream.
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_subscription_that_lasted_its_time_ends_in_good_order(tmp_path):
    async def listening(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"})
        await asyncio.Event().wait()

    async with upstream(listening) as server, gateway(tmp_path, {"weather": server.url}, listen_s=1) as gw:
        response = await gw.modern("/weather/mcp", "subscriptions/listen", {"notifications": {}})
        ended = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": 7}}
        assert events(response)[-1] == {"jsonrpc": "2.0", "id": 7, "result": ended}
        assert gw.records.lines[-1]["outcome"] == "ok"


async def test_a_gateway_that_offers_no_subscriptions_says_so_as_its_revision_demands(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}, listen_s=0) as gw:
        response = await gw.modern("/weather/mcp", "subscriptions/listen", {"notifications": {}})
        assert (response.status_code, response.json()["error"]["code"]) == (404, -32601)
        assert server.seen == []


async def test_notifications_are_accepted_with_202_and_reach_the_upstream(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (response.status_code, response.content) == (202, b"")
        assert server.seen[0].rpc == "notifications/initialized"


async def test_a_batch_of_2025_03_26_is_answered_call_by_call_on_one_stream(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        batch = [call(id=1), {"jsonrpc": "2.0", "method": "notifications/initialized"}, call(id=2)]
        response = await gw.post("/weather/mcp", batch, mcp_protocol_version="2025-03-26")
        assert [message["id"] for message in events(response)] == [1, 2]
        assert len(server.seen) == 3
        told = [(line["method"], line["capability"], line["outcome"]) for line in gw.records.lines]
        calls = [
            ("tools/call", "forecast", "ok"),
            ("notifications/initialized", "", "ok"),
            ("tools/call", "forecast", "ok"),
        ]
        assert told == [*calls, ("batch", "", "ok")]
        refused = await gw.post("/weather/mcp", batch, mcp_protocol_version="2025-11-25")
        assert refused.status_code == 400
        assert "Batches exist in 2025-03-26 alone" in refused.json()["error"]["message"]
        many = await gw.post("/weather/mcp", [call(id=n) for n in range(21)])
        assert "A batch holds 1 to 20 messages, not 21." in many.json()["error"]["message"]
        assert len(server.seen) == 3


async def test_initialize_is_passed_on_as_it_is_and_no_session_is_made_where_the_upstream_has_none(tmp_path):
    async def stateless(asked: Asked) -> None:
        await asked.respond.json(result(asked, {"protocolVersion": "2025-11-25", "capabilities": {"x": {}}}))

    async with upstream(stateless) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", INITIALIZE)
        assert response.json()["result"] == {"protocolVersion": "2025-11-25", "capabilities": {"x": {}}}
        assert "mcp-session-id" not in response.headers
        assert server.seen[0].message == INITIALIZE


async def test_calls_share_kept_connections_whether_answers_are_streamed_or_not(tmp_path):
    async def either(asked: Asked) -> None:
        if asked.message["id"] % 2:
            return await asked.respond.json(text(asked, "x"))
        await asked.respond.stream()
        await asked.respond.event(text(asked, "x"))
        return await asked.respond.end()

    async with upstream(either) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for number in range(20):
            assert (await gw.post("/weather/mcp", call(id=number))).status_code == 200
        assert len({asked.connection for asked in server.seen}) <= 3
