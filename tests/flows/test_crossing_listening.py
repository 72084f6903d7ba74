"""Listening across eras: a session's stream at a modern server, a subscription at a legacy one."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway_core.egress import Response
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import gateway
from tests.flows.stage import Stage
from tests.flows.upstreams import Asked
from tests.flows.visitors import PATH, Cell, LegacyVisitor, ModernVisitor, cells, crossed, messages_of

modern_clients = cells(having="modern client")
legacy_clients = cells(having="legacy client")
OFFERS = {"tools": {"listChanged": True}, "resources": {"subscribe": True, "listChanged": True}}
A, B = "file:///a", "file:///b"
ID = "io.modelcontextprotocol/subscriptionId"
WANTED = {"notifications": {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": [A]}}


@asynccontextmanager
async def listening(client: LegacyVisitor):
    """The stream of a legacy session."""
    fields = client.gw.headers(mcp_session_id=client.token, accept="text/event-stream")
    async with client.gw.http.stream("GET", client.gw.url + PATH, headers=fields) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        yield messages_of(response)


async def soon(messages):
    return await asyncio.wait_for(anext(messages), 5)


def wishes(crossing):
    """What a modern server was asked to tell, time after time."""
    calls = crossing.upstream.calls("subscriptions/listen")
    return [asked.message["params"]["notifications"].get("resourceSubscriptions", []) for asked in calls]


@legacy_clients
async def test_the_stream_of_a_legacy_session_tells_what_the_server_says_of_its_own_accord(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing, listening(crossing.client) as messages:
        server.tell("tools/list_changed")
        told = await soon(messages)
        assert told["method"] == "notifications/tools/list_changed"
        assert ID not in str(told)


@legacy_clients
async def test_a_resource_is_told_of_from_when_its_subscription_is_answered_until_it_is_given_up(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing, listening(crossing.client) as messages:
        client = crossing.client
        for uri in (A, B):
            assert (await client.ask("resources/subscribe", {"uri": uri}))["result"] == {}
        server.tell("resources/updated", {"uri": A})
        assert (await soon(messages))["params"] == {"uri": A}
        assert (await client.ask("resources/unsubscribe", {"uri": A}))["result"] == {}
        if cell.server is Modern:
            assert wishes(crossing)[-1] == [A, B]
        else:
            asked = [asked.message["params"]["uri"] for asked in crossing.upstream.calls("resources/subscribe")]
            assert asked[-2:] == [A, B]


@cells(having="modern server")
async def test_subscriptions_of_a_session_are_known_to_every_process(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing:
        await crossing.client.ask("resources/subscribe", {"uri": A})
        setup = {"url": crossing.upstream.url, **server.setup}
        async with gateway(tmp_path, {"weather": setup}) as second:
            elsewhere = LegacyVisitor(second)
            elsewhere.token = crossing.client.token
            async with listening(elsewhere) as messages:
                server.tell("resources/updated", {"uri": A})
                assert (await soon(messages))["params"] == {"uri": A}
        assert wishes(crossing) == [[A]]


@legacy_clients
async def test_what_a_session_may_subscribe_to_is_bounded_and_needs_a_session(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(capabilities=OFFERS)) as crossing:
        client = crossing.client
        for number in range(100):
            assert "result" in await client.ask("resources/subscribe", {"uri": f"file:///{number}"})
        told = await client.ask("resources/subscribe", {"uri": A})
        assert "One session may be subscribed to 100 resources" in told["error"]["message"]
        assert "result" in await client.ask("resources/subscribe", {"uri": "file:///0"})
        assert "uri must be" in (await client.ask("resources/subscribe", {"uri": 7}))["error"]["message"]
        client.token = ""
        told = await client.ask("resources/subscribe", {"uri": A})
        assert "needs a session: send the Mcp-Session-Id" in told["error"]["message"]


@legacy_clients
async def test_a_client_that_stops_listening_takes_the_stream_at_the_server_with_it(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing:
        async with listening(crossing.client) as messages:
            server.tell("tools/list_changed")
            await soon(messages)
        await asyncio.wait_for(crossing.upstream.gone.wait(), 5)


async def test_a_client_that_leaves_while_its_stream_is_opened_anew_leaves_none_open(tmp_path, monkeypatch):
    changing, cut, open_there, none_open = asyncio.Event(), Response.close, [], asyncio.Event()

    class Counting(Modern):
        async def _listened_to(self, asked: Asked) -> None:
            open_there.append(asked)
            try:
                await super()._listened_to(asked)
            finally:
                open_there.remove(asked)
                if not open_there:
                    none_open.set()

    async def slowly(response: Response) -> None:
        """The first stream takes until its client leaves; the others are closed at once."""
        try:
            if len(open_there) == 2 and not changing.is_set():
                changing.set()
                await asyncio.Event().wait()
        finally:
            await cut(response)

    async with crossed(tmp_path, Cell(LegacyVisitor, Modern), Counting(capabilities=OFFERS)) as crossing:
        monkeypatch.setattr(Response, "close", slowly)
        async with listening(crossing.client):
            subscribing = asyncio.create_task(crossing.client.ask("resources/subscribe", {"uri": A}))
            await asyncio.wait_for(changing.wait(), 5)
        await asyncio.wait_for(none_open.wait(), 5)
        await subscribing


@legacy_clients
async def test_the_stream_of_a_session_ends_with_it(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(capabilities=OFFERS)) as crossing:
        client = crossing.client
        async with listening(client) as messages:
            fields = client.gw.headers(mcp_session_id=client.token)
            assert (await client.gw.http.delete(client.gw.url + PATH, headers=fields)).status_code == 200
            assert await asyncio.wait_for(anext(messages, "ended"), 5) == "ended"


@modern_clients
async def test_a_subscription_at_a_legacy_server_is_acknowledged_once_it_is_heard_and_tagged(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing:
        async with crossing.client.open("subscriptions/listen", WANTED, id="mine") as messages:
            first = await soon(messages)
            assert first["method"] == "notifications/subscriptions/acknowledged"
            # What this server does not offer is not promised.
            honoured = {"toolsListChanged": True, "resourceSubscriptions": [A]}
            assert first["params"] == {"notifications": honoured, "_meta": {ID: "mine"}}
            assert [asked.method for asked in crossing.upstream.seen if asked.method == "GET"]
            (asked,) = crossing.upstream.calls("resources/subscribe")
            assert asked.message["params"] == {"uri": A}
            for method, params in [
                ("resources/updated", {"uri": B}),
                ("resources/list_changed", None),
                ("message", {"level": "error", "data": "x"}),
                ("tools/list_changed", None),
                ("resources/updated", {"uri": A}),
            ]:
                server.tell(method, params)
            assert (await soon(messages))["method"] == "notifications/tools/list_changed"
            assert (await soon(messages))["params"] == {"uri": A, "_meta": {ID: "mine"}}
        # Leaving is the cancellation: nothing is left behind at the server.
        await asyncio.wait_for(crossing.upstream.gone.wait(), 5)


@modern_clients
async def test_a_subscription_at_a_legacy_server_that_lasted_its_time_ends_with_a_result(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(capabilities=OFFERS), listen_s=1) as crossing:
        async with crossing.client.open("subscriptions/listen", WANTED, id="mine") as messages:
            last = [message async for message in messages][-1]
        assert last == {"jsonrpc": "2.0", "id": "mine", "result": {"resultType": "complete", "_meta": {ID: "mine"}}}
        assert crossing.gw.records.lines[-1]["outcome"] == "ok"
        if cell.server is Legacy:
            assert crossing.server.known == set()


@modern_clients
async def test_a_server_that_offers_nothing_to_listen_to_is_acknowledged_as_that_and_the_subscription_ends(
    tmp_path, cell
):
    async with crossed(tmp_path, cell, cell.server(capabilities={"tools": {}})) as crossing:
        async with crossing.client.open("subscriptions/listen", WANTED) as messages:
            first, last = [message async for message in messages]
        assert first["params"]["notifications"] == {}
        assert last["result"]["resultType"] == "complete"


async def test_a_server_that_is_silent_at_a_subscription_is_said_to_be(tmp_path):
    class Mute(HttpSse):
        async def act(self, stage: Stage) -> None:
            if stage.asked.rpc != "resources/subscribe":
                await super().act(stage)

    mute = Mute(capabilities=OFFERS)
    async with crossed(tmp_path, Cell(ModernVisitor, HttpSse), mute, timeout_s=0.5) as crossing:
        told = await crossing.client.ask("subscriptions/listen", WANTED)
        assert "Weather did not answer resources/subscribe within 0.5 s." in told["error"]["message"]
        await asyncio.wait_for(crossing.upstream.gone.wait(), 5)


@modern_clients
async def test_a_server_that_asks_where_nobody_can_be_asked_is_told_so(tmp_path, cell):
    server = cell.server(capabilities=OFFERS)
    async with crossed(tmp_path, cell, server) as crossing:
        async with crossing.client.open("subscriptions/listen", WANTED) as messages:
            await soon(messages)
            for id, method in [("p", "ping"), ("s", "sampling/createMessage")]:
                server.utter({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
            server.tell("tools/list_changed")
            await soon(messages)
        declared = crossing.upstream.calls("initialize")[-1].message["params"]["capabilities"]
        assert declared == {}
        assert [(reply["id"], "result" in reply) for reply in server.replies] == [("p", True), ("s", False)]


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_subscription_that_a_server_refuses_in_http_alone_costs_nothing_else_of_the_wish(tmp_path, status):
    class Picky(Legacy):
        async def __call__(self, asked: Asked) -> None:
            if asked.rpc == "resources/subscribe" and asked.message["params"]["uri"] == A:
                return await asked.respond.raw(b"", status)
            return await super().__call__(asked)

    server = Picky(capabilities=OFFERS)
    async with crossed(tmp_path, Cell(ModernVisitor, Picky), server) as crossing:
        wanted = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": [A, B]}}
        async with crossing.client.open("subscriptions/listen", wanted) as messages:
            honoured = (await soon(messages))["params"]["notifications"]
            assert honoured == {"toolsListChanged": True, "resourceSubscriptions": [B]}
            server.tell("tools/list_changed")
            assert (await soon(messages))["method"] == "notifications/tools/list_changed"


@cells()
async def test_a_gateway_that_holds_no_streams_promises_none(tmp_path, cell):
    async with crossed(tmp_path, cell, cell.server(capabilities=OFFERS), listen_s=0) as crossing:
        client = crossing.client
        if isinstance(client, LegacyVisitor):
            told = (await client.start())["result"]
            refused = await client.ask("resources/subscribe", {"uri": A})
            fields = client.gw.headers(mcp_session_id=client.token)
            assert (await client.gw.http.get(client.gw.url + PATH, headers=fields)).status_code == 405
        else:
            told = (await client.ask("server/discover"))["result"]
            refused = await client.ask("subscriptions/listen", WANTED)
        assert told["capabilities"] == {"tools": {}, "resources": {}}
        assert refused["error"]["code"] == -32601
        assert "This gateway offers no subscriptions." in refused["error"]["message"]
