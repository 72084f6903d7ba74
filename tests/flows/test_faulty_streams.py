"""The streams of HTTP+SSE clients where something fails: they last, lose nothing and leave nothing behind."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway_core.errors import Conflict, StoreUnavailable
from gateway_core.proxy import sse_streams
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.storage.sqlite import SqliteTable
from tests.flows.gateways import call, gateway, served_to
from tests.flows.test_sse_clients import ABLE, PATH, Slow, modern, stateful, visit
from tests.flows.upstreams import Asked, Json, result, upstream


class Stutter:
    """Makes one kind of request to the store fail, once each time that it is `due`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, verb: str, wanted: Callable[..., bool]) -> None:
        self.due, self.failed = False, asyncio.Event()
        ask = getattr(SqliteTable, verb)

        async def stutter(table: SqliteTable, *given: Any, **named: Any) -> Any:
            if self.due and wanted(*given):
                self.due = False
                self.failed.set()
                raise StoreUnavailable("The database did not answer.")
            return await ask(table, *given, **named)

        monkeypatch.setattr(SqliteTable, verb, stutter)
        monkeypatch.setattr(sse_streams, "AGAIN_S", 0.1)

    async def happen(self) -> None:
        self.due = True
        await asyncio.wait_for(self.failed.wait(), 5)


def a_box(partition: Any) -> bool:
    return str(partition[1]).startswith("MAIL#")


async def quiet(asked: Asked) -> None:
    """As `stateful`, with nothing to say on its own account."""
    if asked.method == "GET":
        return await asked.respond.raw(b"", 405)
    return await stateful(asked)


async def test_a_stream_outlasts_a_store_that_does_not_answer_for_a_moment(tmp_path, monkeypatch):
    stutter = Stutter(monkeypatch, "query", a_box)
    async with (
        upstream(quiet, "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as gw,
        visit(gw) as client,
    ):
        await client.post(ABLE)
        assert (await client.message())["id"] == 0
        await stutter.happen()
        assert await client.post(call(id=5)) == 202
        assert [(await client.message())["id"] for _ in range(2)] == ["q-1", 5]


async def test_a_client_whose_standing_nobody_can_look_up_for_a_moment_keeps_its_stream(tmp_path, monkeypatch):
    stutter = Stutter(monkeypatch, "get_many", lambda *_: True)
    async with (
        upstream(quiet, "legacy") as server,
        gateway(tmp_path, {"weather": server.url}, listen_s=1) as gw,
        visit(gw) as client,
    ):
        await stutter.happen()
        await client.post(ABLE)
        assert (await client.message())["id"] == 0


async def test_a_server_is_listened_to_once_the_store_can_say_in_which_session(tmp_path, monkeypatch):
    stutter = Stutter(monkeypatch, "get", lambda key: key.sk == "SESSION" and key.pk.startswith("MAIL#"))
    remember = sse_streams.SseStreams.remember

    async def remembered(*given: Any) -> None:
        await remember(*given)
        stutter.due = True

    monkeypatch.setattr(sse_streams.SseStreams, "remember", remembered)
    async with (
        upstream(stateful, "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as gw,
        visit(gw) as client,
    ):
        await client.post(ABLE)
        assert (await client.message())["id"] == 0
        assert (await client.message())["method"] == "notifications/tools/list_changed"
        assert stutter.failed.is_set()


async def test_a_fault_of_the_gateway_itself_that_ends_a_stream_is_in_the_log(tmp_path, monkeypatch, caplog):
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug of ours")
        yield

    monkeypatch.setattr(Mailbox, "received", broken)
    async with upstream(quiet, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        with caplog.at_level(logging.ERROR):
            async with visit(gw) as client, asyncio.timeout(5):
                assert [line async for line in client.lines if line.startswith("data:")] == []
    assert [record.message for record in caplog.records] == ["stream_failed"]


async def test_what_comes_while_a_client_is_told_where_to_post_is_not_lost(tmp_path):
    said, answered = [], asyncio.Event()

    async with upstream(modern, "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:

        async def send(message: Json) -> None:
            body = message.get("body", b"").decode()
            said.append(body)
            if "event: endpoint" in body:
                # The client has it already; who writes it has not heard so.
                address = body.partition("data: ")[2].strip()
                for id in (5, 6):
                    await gw.post(address, {"jsonrpc": "2.0", "id": id, "method": "ping"})
                await asyncio.sleep(0.5)
            if '"id":6' in body:
                answered.set()

        serving = asyncio.create_task(served_to(gw, send, "GET", PATH))
        await asyncio.wait_for(answered.wait(), 10)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert '"id":5' in "".join(said)


def counted(ended: "asyncio.Queue[str]") -> Callable[[Asked], Any]:
    """A legacy server that gives each session a name of its own."""
    numbers = itertools.count(1)

    async def answer(asked: Asked) -> None:
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": f"s-{next(numbers)}"})
        if asked.method == "DELETE":
            ended.put_nowait(asked.headers["mcp-session-id"])
        return await asked.respond.raw(b"", 405 if asked.method == "GET" else 202)

    return answer


async def test_a_client_that_initializes_again_leaves_no_session_behind(tmp_path):
    ended: asyncio.Queue[str] = asyncio.Queue()
    async with upstream(counted(ended), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client, asyncio.timeout(10):
            for _ in range(2):
                await client.post(ABLE)
                assert (await client.message())["id"] == 0
            assert await ended.get() == "s-1"
        assert await asyncio.wait_for(ended.get(), 10) == "s-2"
        assert ended.empty()


@pytest.mark.parametrize("verb", ["swap", "mark"])
async def test_a_session_ends_with_its_stream_whatever_the_store_does_not_take(tmp_path, monkeypatch, verb):
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def refuse(*_: Any, **__: Any) -> Any:
        raise Conflict("This was changed by others at the same time. Try again.")

    async with upstream(counted(ended), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client:
            await client.post(ABLE)
            await client.message()
            monkeypatch.setattr(Mailbox, verb, refuse)
        assert await asyncio.wait_for(ended.get(), 10) == "s-1"


async def test_the_calls_of_a_client_that_left_end_whatever_becomes_of_its_session(tmp_path, monkeypatch):
    slow = Slow()

    async def refuse(*_: Any, **__: Any) -> Any:
        raise Conflict("This was changed by others at the same time. Try again.")

    async with upstream(slow, "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client, asyncio.timeout(10):
            await client.post(call())
            await slow.begun.wait()
            monkeypatch.setattr(Mailbox, "swap", refuse)
        await asyncio.wait_for(slow.ended.wait(), 10)
