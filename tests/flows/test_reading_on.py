"""A call that waits for its client outlives the process that holds it, where its server can be resumed."""

import asyncio

from tests.flows.gateways import MODERN_META, Gateway, call, events, gateway
from tests.flows.upstreams import Asked, Json, result, text, upstream

PATH = "/weather/mcp"
ABLE = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
QUESTION = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "elicitation/create",
    "params": {"message": "Which city?", "requestedSchema": {"type": "object", "properties": {}}},
}


class Resumable:
    """A legacy server that asks twice, on whichever stream is open, and can be read on by Last-Event-ID."""

    def __init__(self) -> None:
        self.call: Asked | None = None
        self.answers: asyncio.Queue[Json] = asyncio.Queue()
        self.read_from: list[str] = []

    async def __call__(self, asked: Asked) -> None:
        if asked.rpc == "initialize":
            value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            return await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})
        if asked.rpc == "tools/call":
            self.call = asked
            await asked.respond.stream()
            return await self._go_on(asked, "e-0")
        if asked.method == "GET" and "last-event-id" in asked.headers:
            self.read_from.append(asked.headers["last-event-id"])
            await asked.respond.stream()
            return await self._go_on(asked, asked.headers["last-event-id"])
        if asked.method == "GET":
            return await asked.respond.raw(b"", 405)
        if isinstance(asked.message, dict) and "result" in asked.message:
            await self.answers.put(asked.message)
        return await asked.respond.raw(b"", 202)

    async def _go_on(self, asked: Asked, behind: str) -> None:
        if behind == "e-0":
            await asked.respond.event(QUESTION, id="e-1")
        first = (await self.answers.get())["result"]["content"]["city"] if behind in ("e-0", "e-1") else "Rome"
        if behind in ("e-0", "e-1"):
            await asked.respond.event({**QUESTION, "id": 1}, id="e-2")
        second = (await self.answers.get())["result"]["content"]["city"]
        assert self.call is not None
        await asked.respond.event(text(self.call, f"{first} and {second}"), id="e-3")
        await asked.respond.end()


async def ask(gw: Gateway, number: int, asked: Json | None = None, city: str = "") -> Json:
    """Call the tool as a modern client, or answer what it asked; the result."""
    body = {**call(id=number), "params": {**call()["params"], "_meta": ABLE}}
    if asked is not None:
        (key,) = asked["inputRequests"]
        body["params"] |= {"inputResponses": {key: {"action": "accept", "content": {"city": city}}}}
        body["params"] |= {"requestState": asked["requestState"]}
    named = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "forecast"}
    answer = await gw.post(PATH, body, **named)
    message = events(answer)[-1] if "event-stream" in answer.headers["content-type"] else answer.json()
    found: Json = message["result"]
    return found


async def test_a_gateway_that_stops_leaves_the_call_to_whoever_gets_the_answer(tmp_path):
    resumable = Resumable()
    async with upstream(resumable, "legacy") as server:
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            asked = await ask(gw, 1)
            await gw.mcp.stop()
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            again = await ask(gw, 2, asked, "Rome")
            done = await ask(gw, 3, again, "Oslo")
        assert done["content"][0]["text"] == "Rome and Oslo"
        assert resumable.read_from == ["e-1"]
        assert len(server.calls("tools/call")) == 1
        assert server.calls("notifications/cancelled") == []


async def test_a_person_who_takes_longer_than_a_call_is_held_is_still_heard(tmp_path):
    resumable = Resumable()
    async with upstream(resumable, "legacy") as server:
        known = {"url": server.url, "timeout_s": 0.5}
        async with gateway(tmp_path, {"weather": known}, ask_s=1) as gw:
            asked = await ask(gw, 1)
            await asyncio.wait_for(server.gone.wait(), 5)
            gw.clock[0] += 1_000
            again = await ask(gw, 2, asked, "Rome")
            server.gone.clear()
            await asyncio.wait_for(server.gone.wait(), 5)
            done = await ask(gw, 3, again, "Oslo")
        assert done["content"][0]["text"] == "Rome and Oslo"
        assert resumable.read_from == ["e-1", "e-2"]
        assert len(server.calls("tools/call")) == 1


async def test_after_an_hour_even_that_is_over(tmp_path):
    async with upstream(Resumable(), "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        asked = await ask(gw, 1)
        gw.clock[0] += 3_601
        (key,) = asked["inputRequests"]
        params = {
            **call()["params"],
            "requestState": asked["requestState"],
            "inputResponses": {key: {"action": "decline"}},
        }
        late = await gw.modern(PATH, "tools/call", params)
        assert late.status_code == 400
        assert "requestState is too old" in late.json()["error"]["message"]


async def test_who_answers_a_call_that_cannot_be_read_on_any_more_hears_that_its_outcome_is_unknown(tmp_path):
    resumable = Resumable()

    async def forgetful(asked: Asked) -> None:
        if asked.method == "GET":
            return await asked.respond.raw(b"", 404)
        return await resumable(asked)

    async with upstream(forgetful, "legacy") as server:
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            asked = await ask(gw, 1)
            await gw.mcp.stop()
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            told = await ask(gw, 2, asked, "Rome")
        assert told["content"][0]["text"].endswith(
            "no longer lets this call be read on (HTTP 404). What it did with the call is unknown: check before you "
            "repeat it."
        )
        assert len(server.calls("tools/call")) == 1
