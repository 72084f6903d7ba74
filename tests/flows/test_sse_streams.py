"""The streams of HTTP+SSE clients: how long they last, what ends with them, and what is heard on them."""

import asyncio
import gc
import itertools
from collections.abc import Awaitable, Callable

from gateway_core.proxy import sse_clients
from tests.flows.gateways import call, gateway, served_to
from tests.flows.test_sse_clients import ABLE, PATH, Slow, stateful, visit
from tests.flows.upstreams import Answer, Asked, Json, text, upstream, weather


def hearable(hear: Callable[[Asked, int], Awaitable[None]]) -> Answer:
    """A legacy server whose stream is `hear`, which learns how often it was opened before."""
    heard = itertools.count()

    async def answer(asked: Asked) -> None:
        if asked.method == "GET":
            return await hear(asked, next(heard))
        return await stateful(asked)

    return answer


CHANGED: Json = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def refusing_first(status: int) -> Callable[[Asked, int], Awaitable[None]]:
    """Answers with `status` when it is listened to for the first time; after that it tells of a change."""

    async def hear(asked: Asked, before: int) -> None:
        if before == 0:
            await asked.respond.raw(b"", status)
            return
        await asked.respond.stream()
        await asked.respond.event(CHANGED)
        await asyncio.Event().wait()

    return hear


async def test_a_revoked_key_loses_its_stream(tmp_path):
    async def refusing(asked: Asked, _: int) -> None:
        await asked.respond.raw(b"", 405)

    async with (
        upstream(hearable(refusing), "legacy") as server,
        gateway(tmp_path, {"weather": server.url}, listen_s=1) as gw,
    ):
        key, key_id = await gw.new_key()
        async with visit(gw, key) as client, asyncio.timeout(10):
            await client.post(ABLE)
            await client.message()
            await gw.admin.revoke_key(key_id, by="ana@acme.dev")
            assert [line async for line in client.lines if line.startswith("data:")] == []


async def test_a_stream_outlasts_the_time_after_which_its_client_is_looked_at_again(tmp_path):
    async with (
        upstream(weather) as server,
        gateway(tmp_path, {"weather": server.url, "linear": server.url}, listen_s=1) as gw,
    ):
        limited, _ = await gw.new_key(servers=["linear"])
        async with visit(gw, limited) as client:
            loop = asyncio.get_running_loop()
            ends_at = loop.time() + 2.2
            while loop.time() < ends_at:
                await client.post(ABLE)
                assert (await client.message())["error"]["code"] == -31003


async def test_a_client_that_leaves_cancels_its_calls(tmp_path):
    slow = Slow()
    async with upstream(slow, "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client, asyncio.timeout(10):
            await client.post(call())
            await slow.begun.wait()
        async with asyncio.timeout(10):
            await slow.ended.wait()
    lines = [line for line in gw.records.lines if line["method"] == "tools/call"]
    assert [(line["outcome"], line["reason"]) for line in lines] == [("gone", "client_left")]


async def test_a_session_that_opens_after_its_stream_has_ended_ends_too(tmp_path, monkeypatch):
    # So that the call is not cut off first, as most are.
    monkeypatch.setattr(sse_clients, "WATCH_AFTER_S", 60.0)
    begun, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(asked: Asked) -> None:
        if asked.rpc == "initialize":
            begun.set()
            await left.wait()
        if asked.method == "DELETE":
            assert asked.headers["mcp-session-id"] == "s-1"
            ended.set()
        await stateful(asked)

    async with upstream(slow, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        async with visit(gw) as client, asyncio.timeout(10):
            await client.post(ABLE)
            await begun.wait()
        async with asyncio.timeout(10):
            while await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"}) != 404:
                pass
            left.set()
            await ended.wait()
        assert await client.post(call()) == 404


async def test_a_client_that_leaves_while_it_is_told_where_to_post_has_left(tmp_path):
    told: list[bytes] = []

    async def leaving(message: Json) -> None:
        told.append(message.get("body", b""))
        if told[-1]:
            raise ConnectionResetError

    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await asyncio.wait_for(served_to(gw, leaving, "GET", PATH), 10)
        address = told[-1].decode().partition("data: ")[2].strip()
        assert (await gw.post(address, call())).status_code == 404
        assert server.seen == []


async def test_a_server_that_stops_in_the_middle_of_a_call_raises_nothing(tmp_path):
    begun, answered = asyncio.Event(), asyncio.Event()

    async def slow(_: Asked) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def send(message: Json) -> None:
        if message["type"] == "http.response.body":
            answered.set()

    async with upstream(slow) as server, gateway(tmp_path, {"weather": server.url}) as gw, visit(gw) as client:
        posting = asyncio.create_task(served_to(gw, send, "POST", client.address, call()))
        async with asyncio.timeout(10):
            await answered.wait()
            await begun.wait()
            posting.cancel("as a server does whose time to stop is up")
            await posting
        assert [line["reason"] for line in gw.records.lines if line["method"] == "tools/call"] == ["gateway_stopped"]


async def test_a_server_that_fails_once_is_listened_to_again(tmp_path):
    async with (
        upstream(hearable(refusing_first(503)), "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as gw,
        visit(gw) as client,
    ):
        await client.post(ABLE)
        assert (await client.message())["id"] == 0
        assert await client.message() == CHANGED


async def test_a_server_without_a_stream_is_asked_again_once_there_is_something_to_hear(tmp_path):
    async with (
        upstream(hearable(refusing_first(405)), "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as gw,
        visit(gw) as client,
        asyncio.timeout(10),
    ):
        await client.post(ABLE)
        message = await client.message()
        # Each subscription makes the gateway look again; the first may come before it has heard the refusal.
        for number in itertools.count(1):
            if message == CHANGED:
                break
            await client.post(
                {"jsonrpc": "2.0", "id": number, "method": "resources/subscribe", "params": {"uri": "x:y"}}
            )
            message = await client.message()


async def test_an_answer_too_large_to_be_handed_on_is_said_to_be(tmp_path):
    async def huge(asked: Asked) -> None:
        if asked.rpc != "tools/call":
            return await stateful(asked)
        return await asked.respond.json(text(asked, "x" * (7 << 20)))

    async with (
        upstream(huge, "legacy") as server,
        gateway(tmp_path, {"weather": server.url}) as gw,
        visit(gw) as client,
    ):
        await client.post(call())
        told = (await client.message())["result"]
        assert told["isError"]
        assert told["content"][0]["text"].startswith("A message is larger than 6 MiB")
        assert gw.records.lines[-1]["reason"] == "upstream_too_large"


async def test_a_stream_leaves_no_task_behind(tmp_path):
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context["message"]))
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw, visit(gw):
        pass
    gc.collect()
    assert problems == []
