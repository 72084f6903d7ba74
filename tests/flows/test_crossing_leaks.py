"""Nothing is left behind at a server, in the store or in memory when something goes wrong on the way across."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway_core.errors import StoreUnavailable, UpstreamGarbage
from gateway_core.ports import Key
from gateway_core.proxy.lines.pump import AHEAD, Pump
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream.answers import Message
from tests.flows.crossing import Legacy
from tests.flows.gateways import INITIALIZE, MODERN_META, Gateway, call, gateway
from tests.flows.stage import ELICIT
from tests.flows.upstreams import Asked, result, text, upstream

PATH = "/weather/mcp"
ABLE = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


@dataclass
class Sessions:
    """A legacy server that says 404 to calls of unknown sessions, to each when its `gate` opens."""

    opened: int = 0
    known: set[str] = field(default_factory=set)
    forgotten: int = 0
    all_came: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0
    """How many calls of unknown sessions must have come before any is refused."""
    late: dict[int, asyncio.Event] = field(default_factory=dict)
    """Ids of calls that are refused later still."""

    async def __call__(self, asked: Asked) -> None:
        session = asked.headers.get("mcp-session-id", "")
        if asked.rpc == "initialize":
            self.opened += 1
            self.known.add(f"s{self.opened}")
            value = {"protocolVersion": "2025-11-25", "capabilities": {}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": f"s{self.opened}"})
        if asked.method == "DELETE":
            self.known.discard(session)
            return await asked.respond.raw(b"")
        if asked.rpc != "tools/call":
            return await asked.respond.raw(b"", 405 if asked.method == "GET" else 202)
        if session in self.known:
            return await asked.respond.json(text(asked, "Sunny."))
        self.forgotten += 1
        if self.forgotten >= self.wanted:
            self.all_came.set()
        await self.all_came.wait()
        number = asked.message["params"]["arguments"].get("number")
        if number in self.late:
            await self.late[number].wait()
        return await asked.respond.raw(b"", 404)


async def modern(gw: Gateway, number: int = 0, **params: object):
    body = call(arguments={"number": number}, id=number)
    body["params"] |= {"_meta": ABLE, **params}
    named = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "forecast"}
    return await gw.post(PATH, body, **named)


async def legacy(gw: Gateway, session: str, number: int = 0):
    named = {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25"}
    return await gw.post(PATH, call(arguments={"number": number}, id=number), **named)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_many_calls_in_a_forgotten_session_leave_one_session_at_the_server(tmp_path, era):
    sessions = Sessions(wanted=4)
    async with upstream(sessions, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        assert era == "legacy" or (await modern(gw)).status_code == 200
        sessions.known.clear()
        sent = [modern(gw, n) if era == "modern" else legacy(gw, opened, n) for n in range(4)]
        answers = await asyncio.gather(*sent)
        assert all("Sunny." in answer.text for answer in answers)
        assert len(sessions.known) == 1


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_late_word_that_a_session_is_forgotten_does_not_cost_the_new_one(tmp_path, era):
    sessions = Sessions(wanted=2, late={1: asyncio.Event()})
    async with upstream(sessions, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        assert era == "legacy" or (await modern(gw)).status_code == 200
        sessions.known.clear()
        before = sessions.opened
        sent = [asyncio.create_task(modern(gw, n) if era == "modern" else legacy(gw, opened, n)) for n in range(2)]
        assert "Sunny." in (await sent[0]).text
        sessions.late[1].set()
        assert "Sunny." in (await sent[1]).text
        assert sessions.opened == before + 1


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_session_that_cannot_be_remembered_is_ended_again(tmp_path, monkeypatch, era):
    sessions = Sessions()
    async with upstream(sessions, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        assert era == "legacy" or (await modern(gw)).status_code == 200
        sessions.known.clear()
        put = SqliteTable.put

        async def refuse(table: SqliteTable, key: Key, *given: Any, **named: Any) -> Any:
            if key.sk == "SESSION":
                raise StoreUnavailable("The database did not answer.")
            return await put(table, key, *given, **named)

        monkeypatch.setattr(SqliteTable, "put", refuse)
        before = sessions.opened
        answer = await (modern(gw) if era == "modern" else legacy(gw, opened))
        assert answer.status_code == 503
        assert sessions.opened == before + 1
        assert sessions.known == set()


async def test_a_kept_session_that_cannot_be_read_is_replaced_once(tmp_path):
    sessions = Sessions()
    async with upstream(sessions, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await modern(gw)
        kept = gw.mcp.exchange.forwarding.modern_clients.switchboard.kept
        (key,) = kept._held
        unreadable = base64.b64encode(b"x" * 60).decode()
        await gw.table.put(key, {"sealed": unreadable}, expires_at=gw.clock[0] + 9_999)
        for _ in range(3):
            kept._held.clear()
            assert "Sunny." in (await modern(gw)).text
        assert sessions.opened == 2


async def test_a_subscription_that_fails_leaves_no_stream_open(tmp_path):
    left = asyncio.Event()

    async def answer(asked: Asked) -> None:
        if asked.method == "GET":
            try:
                await asked.respond.stream()
                await asyncio.Event().wait()
            finally:
                left.set()
        elif asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {"resources": {"subscribe": True}}}
            await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s"})
        else:
            await asked.respond.raw(b"", 500 if asked.rpc == "resources/subscribe" else 202)

    async with upstream(answer, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        wish = {"notifications": {"resourceSubscriptions": ["file:///a"]}}
        await gw.modern(PATH, "subscriptions/listen", wish)
        async with asyncio.timeout(2):
            await left.wait()


async def test_a_list_of_tools_that_is_refused_refuses_the_call_in_the_same_words(tmp_path):
    async def answer(asked: Asked) -> None:
        if asked.rpc == "server/discover":
            value = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
            return await asked.respond.json(result(asked, value))
        return await asked.respond.raw(b"slow down", 429, {"retry-after": "5"})

    async with upstream(answer, "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        opened = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]
        await legacy(gw, opened)
        assert gw.records.lines[-1]["reason"] == "upstream_429"


async def test_a_question_under_an_id_that_cannot_be_carried_is_refused_in_words(tmp_path):
    async def play(stage) -> None:
        await stage.say({"jsonrpc": "2.0", "id": "x" * 13_000, **ELICIT})

    async with upstream(Legacy(play), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert "too long to be carried" in (await modern(gw)).text
        assert gw.records.lines[-1]["reason"] == "upstream_garbage"


async def test_what_is_said_beside_a_call_is_bounded_and_a_question_beyond_it_ends_the_call():
    pump = Pump(None)  # type: ignore[arg-type]
    for _ in range(AHEAD + 9):
        pump.hear(Message("notification", b"", {}))
    assert (await pump.next()).kind == "notification"
    pump.hear(Message("request", b"", {"id": 1}))
    assert not pump.ended
    pump.hear(Message("request", b"", {"id": 2}))
    with pytest.raises(UpstreamGarbage):
        await pump.next()
    await pump.close()
