"""Legacy sessions: sealed into the client's own id, usable from any process, by their owner alone."""

import asyncio
import json

from tests.flows.gateways import INITIALIZE, call, gateway
from tests.flows.upstreams import Asked, result, text, upstream

PATH = "/weather/mcp"


class Sessions:
    """An upstream with sessions: `known` are alive."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.push = asyncio.Event()

    async def __call__(self, asked: Asked) -> None:
        session = asked.headers.get("mcp-session-id", "")
        if asked.rpc == "initialize":
            session = f"upstream-{len(self.known)}"
            self.known.add(session)
            value = {"protocolVersion": "2025-06-18", "capabilities": {}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": session})
        if session not in self.known:
            error = {"code": -32600, "message": "Session not found"}
            return await asked.respond.json({"jsonrpc": "2.0", "id": "server-error", "error": error}, 404)
        if asked.method == "DELETE":
            self.known.discard(session)
            return await asked.respond.raw(b"", 200)
        if asked.method == "GET":
            await asked.respond.stream()
            await self.push.wait()
            await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, id="g1")
            return await asked.respond.end()
        if "id" not in asked.message:
            return await asked.respond.raw(b"", 202)
        return await asked.respond.json(text(asked, f"{session} {asked.headers['mcp-protocol-version']}"))


async def test_a_session_of_the_upstream_lives_in_an_id_that_says_nothing_and_works_everywhere(tmp_path):
    sessions = Sessions()
    async with upstream(sessions) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = await gw.post(PATH, INITIALIZE)
        token = opened.headers["mcp-session-id"]
        assert "upstream-0" not in token
        assert all(0x21 <= ord(character) <= 0x7E for character in token)
        answer = await gw.post(PATH, call(), mcp_session_id=token)
        # The revision that was negotiated goes along, although this client does not name it.
        assert answer.json()["result"]["content"][0]["text"] == "upstream-0 2025-06-18"
        assert token not in json.dumps([asked.headers for asked in server.seen])
        # Another process on the same data goes on with the session.
    async with upstream(sessions) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        answer = await gw.post(PATH, call(), mcp_session_id=token)
        assert answer.json()["result"]["content"][0]["text"] == "upstream-0 2025-06-18"


async def test_a_session_of_somebody_else_or_of_another_server_is_no_session_and_never_a_401(tmp_path):
    async with (
        upstream(Sessions()) as server,
        gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw,
    ):
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        foreign, _ = await gw.new_key(subject="someone-else")
        for path, key, used in [
            (PATH, foreign, token),
            ("/linear/mcp", gw.key, token),
            (PATH, gw.key, token[:-4] + "AAAA"),
            (PATH, gw.key, "made-up"),
            (PATH, gw.key, "x" * 5000),
        ]:
            answer = await gw.post(path, call(), key, mcp_session_id=used)
            assert answer.status_code == 404
            assert "This session has ended. Connect again" in answer.json()["error"]["message"]
            listening = await gw.http.get(gw.url + path, headers=gw.headers(key, mcp_session_id=used))
            assert listening.status_code == 404
        assert all("mcp-session-id" not in asked.headers for asked in server.seen)


async def test_a_session_goes_on_when_its_owner_uses_another_key(tmp_path):
    async with upstream(Sessions()) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        another, _ = await gw.new_key()
        assert (await gw.post(PATH, call(), another, mcp_session_id=token)).status_code == 200


async def test_a_session_that_the_upstream_forgot_is_opened_again_once_and_the_client_never_notices(tmp_path):
    sessions = Sessions()
    declared = {"elicitation": {"form": {}}, "sampling": {}, "roots": {"listChanged": True}}
    opening = {**INITIALIZE, "params": {**INITIALIZE["params"], "capabilities": declared}}
    async with upstream(sessions) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, opening)).headers["mcp-session-id"]
        sessions.known.clear()
        sessions.known.add("another")
        answer = await gw.post(PATH, call(), mcp_session_id=token)
        assert answer.json()["result"]["content"][0]["text"] == "upstream-1 2025-06-18"
        again = server.calls("initialize")[-1].message["params"]
        assert again["capabilities"] == {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
        assert again["clientInfo"] == {"name": "flow", "version": "1"}
        assert [asked.rpc for asked in server.seen[-2:]] == ["notifications/initialized", "tools/call"]
        # From now on every process knows.
        before = len(server.seen)
        assert (await gw.post(PATH, call(), mcp_session_id=token)).status_code == 200
        assert len(server.seen) == before + 1


async def test_a_session_that_the_upstream_forgets_at_once_makes_the_client_initialize_again(tmp_path):
    async def forgetful(asked: Asked) -> None:
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-06-18", "capabilities": {}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s"})
        return await asked.respond.raw(b"", 404)

    async with upstream(forgetful) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        gone = await gw.post(PATH, call(), mcp_session_id=token)
        assert (gone.status_code, gone.json()["id"]) == (404, 1)
        assert len(server.calls("tools/call")) == 2


async def test_an_ended_session_stays_ended_whatever_the_upstream_says(tmp_path):
    async def everlasting(asked: Asked) -> None:
        if asked.method == "DELETE" or "id" not in (asked.message or {}):
            return await asked.respond.raw(b"", 202)
        value = {"protocolVersion": "2025-06-18", "capabilities": {}}
        return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s"})

    async with upstream(everlasting) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        assert (await gw.post(PATH, call(), mcp_session_id=token)).status_code == 200
        assert (await gw.http.delete(gw.url + PATH, headers=gw.headers(mcp_session_id=token))).status_code == 202
        before = len(server.seen)
        assert (await gw.post(PATH, call(), mcp_session_id=token)).status_code == 404
        assert len(server.seen) == before


async def test_ending_a_session_ends_it_at_the_upstream_too(tmp_path):
    sessions = Sessions()
    async with upstream(sessions) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        ended = await gw.http.delete(gw.url + PATH, headers=gw.headers(mcp_session_id=token))
        assert ended.status_code == 200
        assert sessions.known == set()
        again = await gw.http.delete(gw.url + PATH, headers=gw.headers(mcp_session_id=token))
        assert again.status_code == 404


async def test_the_stream_of_a_session_delivers_what_belongs_to_no_call(tmp_path):
    sessions = Sessions()
    async with upstream(sessions) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        headers = gw.headers(mcp_session_id=token, last_event_id="g0", accept="text/event-stream")
        async with gw.http.stream("GET", gw.url + PATH, headers=headers) as response:
            assert response.headers["content-type"] == "text/event-stream"
            sessions.push.set()
            received = [line async for line in response.aiter_lines()]
        assert "id: g1" in received
        assert any("notifications/tools/list_changed" in line for line in received)
        assert server.seen[-1].headers["last-event-id"] == "g0"


async def test_the_stream_of_a_session_ends_after_its_time_and_is_not_offered_where_that_is_zero(tmp_path):
    async with upstream(Sessions()) as server:
        async with gateway(tmp_path, {"weather": server.url}, listen_s=1) as gw:
            token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
            response = await gw.http.get(gw.url + PATH, headers=gw.headers(mcp_session_id=token))
            assert (response.status_code, response.text) == (200, "")
            assert gw.records.lines[-1]["outcome"] == "ok"
        async with gateway(tmp_path, {"weather": server.url}, listen_s=0) as gw:
            response = await gw.http.get(gw.url + PATH, headers=gw.headers(mcp_session_id=token))
            assert (response.status_code, response.headers["allow"]) == (405, "POST, DELETE, OPTIONS")


async def test_a_session_is_opened_over_an_event_stream_as_well(tmp_path):
    async def streaming(asked: Asked) -> None:
        await asked.respond.stream({"mcp-session-id": "s-1"})
        await asked.respond.event(result(asked, {"protocolVersion": "2025-11-25", "capabilities": {}}))
        await asked.respond.end()

    async with upstream(streaming) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = await gw.post(PATH, INITIALIZE)
        assert opened.headers["content-type"] == "text/event-stream"
        assert opened.headers["mcp-session-id"]
        assert '"protocolVersion": "2025-11-25"' in opened.text
