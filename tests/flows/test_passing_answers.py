"""What a modern client answers is passed on to its legacy server once, whatever goes wrong on the way."""

import asyncio
import json
from typing import Any

import pytest

from gateway_core.proxy.lines import remote
from gateway_core.proxy.mailbox import Mailbox
from tests.flows.crossing import Legacy
from tests.flows.gateways import gateway
from tests.flows.stage import ELICIT, Stage, wondering
from tests.flows.test_crossing_answers import deaf
from tests.flows.test_reading_on import Resumable, ask
from tests.flows.upstreams import Asked, result, upstream
from tests.flows.visitors import ACCEPTED, Cell, ModernVisitor, crossed, retry

CALL = {"name": "forecast", "arguments": {}}
HEARD = f"Heard {json.dumps(ACCEPTED)}."
UNKNOWN = "What it did with the call is unknown: check before you repeat it."


def is_answer(asked: Asked) -> bool:
    return isinstance(asked.message, dict) and "method" not in asked.message


@pytest.fixture
def posted(monkeypatch) -> "asyncio.Queue[Any]":
    """What held calls bring, as it is put into their boxes."""
    found: asyncio.Queue[Any] = asyncio.Queue()
    post = Mailbox.post

    async def told(self: Mailbox, box: str, number: int, text: str, **named: Any) -> None:
        await post(self, box, number, text, **named)
        found.put_nowait(json.loads(text))

    monkeypatch.setattr(Mailbox, "post", told)
    return found


async def until(posted: "asyncio.Queue[Any]", kind: str) -> None:
    async with asyncio.timeout(5):
        while (await posted.get()).get("kind") != kind:
            pass


async def test_what_a_server_says_meanwhile_does_not_hide_that_it_did_not_take_the_answer(tmp_path, posted):
    think = asyncio.Event()

    async def chatty(stage: Stage) -> None:
        async def chat() -> None:
            await think.wait()
            await stage.notify("message", {"level": "info", "data": "Waiting."})

        chatting = asyncio.create_task(chat())
        await stage.answer(f"Heard {json.dumps(await stage.ask())}.")
        await chatting

    kind = deaf(Legacy, 503)
    async with crossed(tmp_path, Cell(ModernVisitor, kind), kind(chatty)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        think.set()
        await until(posted, "notification")
        told = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "Send it once more." in told["result"]["content"][0]["text"]
        done = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=3)
        assert done["result"]["content"][0]["text"] == HEARD
        assert crossing.server.cancelled.empty()


async def test_who_answers_a_call_that_has_ended_hears_how_whatever_was_said_before_that(tmp_path, posted):
    think = asyncio.Event()

    async def hasty(stage: Stage) -> None:
        await stage.say({"jsonrpc": "2.0", "id": "q", **ELICIT})
        await think.wait()
        await stage.notify("message", {"level": "info", "data": "Waiting."})
        await stage.answer("I could not wait.")

    kind = deaf(Legacy, 503)
    async with crossed(tmp_path, Cell(ModernVisitor, kind), kind(hasty)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        think.set()
        await until(posted, "answer")
        told = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert told["result"]["content"][0]["text"] == "I could not wait."


async def test_an_answer_is_passed_on_once_for_as_long_as_it_can_be_given(tmp_path):
    answers = []

    async def silent(asked: Asked) -> None:
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s"})
        if asked.rpc == "tools/call":
            await asked.respond.stream()
            await asked.respond.event({"jsonrpc": "2.0", "id": "q", **ELICIT}, id="e-1")
            await asyncio.Event().wait()
        if is_answer(asked):
            answers.append(asked.message["result"])
        return await asked.respond.raw(b"", 405 if asked.method == "GET" else 202)

    async with upstream(silent, "legacy") as server:
        async with gateway(tmp_path, {"weather": {"url": server.url, "timeout_s": 0.3}}) as gw:
            client = ModernVisitor(gw)
            asked = (await client.ask("tools/call", CALL))["result"]
            for id, later_s in enumerate((0, 400, 3_100)):
                gw.clock[0] += later_s
                told = await client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=id)
                assert UNKNOWN in told["result"]["content"][0]["text"]
        assert answers == [ACCEPTED]


class Slow(Legacy):
    """Takes an answer, and says so when it is let to."""

    took: asyncio.Event
    say: asyncio.Event

    async def __call__(self, asked: Asked) -> None:
        if not is_answer(asked):
            return await super().__call__(asked)
        self.replies.append(asked.message)
        self.took.set()
        await self.say.wait()
        return await asked.respond.raw(b"", 202)


def slow(play: Any) -> Slow:
    made = Slow(play)
    made.took, made.say = asyncio.Event(), asyncio.Event()
    return made


async def once(stage: Stage) -> None:
    """Says in the end what it heard, which the server of these tests keeps back."""
    await stage.say({"jsonrpc": "2.0", "id": "q", **ELICIT})
    assert isinstance(stage.server, Slow)
    await stage.server.say.wait()
    await stage.answer(f"Heard {json.dumps(stage.server.replies[0]['result'])}.")


async def test_a_client_that_leaves_while_its_answer_is_taken_does_not_give_it_twice(tmp_path):
    server = slow(once)
    async with crossed(tmp_path, Cell(ModernVisitor, Slow), server) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        leaving = asyncio.create_task(crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2))
        await asyncio.wait_for(server.took.wait(), 5)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        async with asyncio.timeout(5):
            while crossing.gw.records.lines[-1]["outcome"] != "gone":  # noqa: ASYNC110 - records are only written
                await asyncio.sleep(0.01)
        server.say.set()
        done = await crossing.client.ask("tools/call", retry(CALL, asked, {"action": "decline"}), id=3)
        assert done["result"]["content"][0]["text"] == HEARD
        assert len(server.replies) == 1


async def test_nor_does_one_whose_server_takes_too_long_to_say_that_it_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "TELL_S", 0.2)
    server = slow(once)
    async with crossed(tmp_path, Cell(ModernVisitor, Slow), server) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        told = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert UNKNOWN in told["result"]["content"][0]["text"]
        server.say.set()
        done = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=3)
        assert done["result"]["content"][0]["text"] == HEARD
        assert len(server.replies) == 1


async def test_nothing_is_read_on_for_an_answer_that_was_not_taken(tmp_path):
    resumable, read = Resumable(), [asyncio.Event(), asyncio.Event()]
    deaf_once = iter([503])

    async def answer(asked: Asked) -> None:
        if is_answer(asked) and (status := next(deaf_once, None)) is not None:
            return await asked.respond.raw(b"", status)
        if asked.method != "GET" or "last-event-id" not in asked.headers:
            return await resumable(asked)
        begun, left = read
        begun.set()
        try:
            return await resumable(asked)
        finally:
            left.set()

    async with upstream(answer, "legacy") as server:
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            asked = await ask(gw, 1)
            await gw.mcp.stop()
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            told = await ask(gw, 2, asked, "Rome")
            assert "Send it once more." in told["content"][0]["text"]
            if read[0].is_set():
                await asyncio.wait_for(read[1].wait(), 5)
            pumps = [task for task in asyncio.all_tasks() if "Pump" in repr(task.get_coro())]
            assert pumps == []
            again = await ask(gw, 3, asked, "Rome")
            done = await ask(gw, 4, again, "Oslo")
        assert done["content"][0]["text"] == "Rome and Oslo"
        assert len(server.calls("tools/call")) == 1


async def test_nobody_looks_for_letters_of_a_call_that_has_ended(tmp_path):
    async with crossed(tmp_path, Cell(ModernVisitor, Legacy), Legacy(wondering)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert crossing.gw.mcp.exchange.forwarding.modern_clients.holding.mailbox._waiting == {}
