"""A server is spoken to in another era than it was when it asked: what was asked is answered where it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.crossing import Legacy, Modern
from tests.flows.gateways import Gateway, gateway
from tests.flows.stage import MODERN_VERSION, Play, Stage, wondering
from tests.flows.test_request_state import locked
from tests.flows.upstreams import Asked, Json, Upstream, unaided
from tests.flows.visitors import ACCEPTED, LegacyVisitor, ModernVisitor, retry

CALL = {"name": "forecast", "arguments": {}}
UNKNOWN = " What it did with the call is unknown: check before you repeat it."


@dataclass
class Both:
    """A server of both eras, or of the one that it is down to."""

    play: Play
    only: str = ""
    discovered: bool = True
    """False: it fails when it is asked for its modern revisions."""
    began: list[str] = field(default_factory=list)
    """The era of each tool call that was begun."""

    def __post_init__(self) -> None:
        self.legacy, self.modern = Legacy(self._played), Modern(self._played)

    async def __call__(self, asked: Asked) -> None:
        if asked.rpc == "server/discover" and not self.discovered:
            return await asked.respond.raw(b"", 400)
        if self.discovered and not self.only and asked.rpc == "tools/list" and "mcp-session-id" in asked.headers:
            error = {"code": -32601, "message": "No."}
            return await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, 404)
        modern = self.only == "modern" or asked.headers.get("mcp-protocol-version") == MODERN_VERSION
        return await (self.modern if modern else self.legacy)(asked)

    async def _played(self, stage: Stage) -> None:
        if "inputResponses" not in stage.params:
            self.began.append("modern" if stage.server is self.modern else "legacy")
        await self.play(stage)


@dataclass
class Behind:
    """A gateway before such a server."""

    gw: Gateway
    running: Upstream
    entry: Json

    async def pin(self, era: str) -> None:
        await self.gw.apply({"servers": [{**self.entry, "slug": "weather", "workspaces": ["research"], "era": era}]})


@asynccontextmanager
async def behind(folder: Path, server: Both, era: str) -> AsyncIterator[Behind]:
    async with unaided(server) as running:
        entry = {"url": running.url, "name": "Weather", "timeout_s": 3, "transport": "http"}
        async with gateway(folder, {"weather": {**entry, "era": era}}) as gw:
            yield Behind(gw, running, entry)


async def test_a_call_that_waits_is_answered_and_not_begun_again_when_its_server_is_set_to_another_era(tmp_path):
    server = Both(wondering)
    async with behind(tmp_path, server, "legacy") as stage:
        client = ModernVisitor(stage.gw)
        asked = (await client.ask("tools/call", CALL))["result"]
        await stage.pin("modern")
        told = await client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "accept" in told["result"]["content"][0]["text"]
        assert server.began == ["legacy"]
        assert len(stage.running.calls("tools/call")) == 1
        assert stage.gw.records.lines[-1]["era_out"] == "legacy"


async def test_nor_when_another_request_finds_out_that_the_server_is_modern_too(tmp_path):
    server = Both(wondering, discovered=False)
    async with behind(tmp_path, server, "auto") as stage:
        client = ModernVisitor(stage.gw)
        asked = (await client.ask("tools/call", CALL))["result"]
        server.discovered = True
        assert "result" in await client.ask("tools/list", {}, id=2)
        assert stage.gw.records.lines[-1]["era_out"] == "modern"
        told = await client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=3)
        assert "accept" in told["result"]["content"][0]["text"]
        assert server.began == ["legacy"]


async def test_who_answers_a_server_that_became_a_modern_one_hears_that_the_outcome_is_unknown(tmp_path):
    server = Both(wondering, discovered=False)
    async with behind(tmp_path, server, "auto") as stage:
        client = ModernVisitor(stage.gw)
        asked = (await client.ask("tools/call", CALL))["result"]
        server.discovered, server.only = True, "modern"
        for id in (2, 3):
            told = (await client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=id))["result"]
            assert told["isError"] is True
            assert told["content"][0]["text"].endswith(f"Weather did not take the answer (HTTP 400).{UNKNOWN}")
            # Another request finds out what it speaks by now.
            assert "result" in await client.ask("tools/list", {}, id=9)
        assert server.began == ["legacy"]


async def test_a_state_that_is_too_old_is_refused_whatever_the_server_speaks_by_now(tmp_path):
    server = Both(wondering)
    async with behind(tmp_path, server, "legacy") as stage:
        client = ModernVisitor(stage.gw)
        asked = (await client.ask("tools/call", CALL))["result"]
        await stage.pin("modern")
        stage.gw.clock[0] += 301
        told = await client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "requestState is too old" in told["error"]["message"]
        assert server.began == ["legacy"]


async def test_a_call_that_was_to_be_sent_anew_comes_to_a_modern_server_as_it_was_in_the_beginning(tmp_path):
    async def locked_once(stage: Stage) -> None:
        await (locked(stage) if isinstance(stage.server, Legacy) else stage.answer("Welcome."))

    server = Both(locked_once)
    async with behind(tmp_path, server, "legacy") as stage:
        client = ModernVisitor(stage.gw)
        asked = (await client.ask("tools/call", CALL))["result"]
        await stage.pin("modern")
        declined = await client.ask("tools/call", retry(CALL, asked, {"action": "decline"}), id=2)
        assert declined["result"]["isError"] is True
        told = await client.ask("tools/call", retry(CALL, asked, {"action": "accept"}), id=3)
        assert told["result"]["content"][0]["text"] == "Welcome."
        assert server.began == ["legacy", "modern"]
        params = stage.running.calls("tools/call")[-1].message["params"]
        assert set(params) == {"name", "arguments", "_meta"}


async def test_what_a_modern_server_itself_gave_reaches_it_as_it_is(tmp_path):
    server = Both(wondering)
    async with behind(tmp_path, server, "modern") as stage:
        heard = await ModernVisitor(stage.gw).call()
        assert "accept" in heard[-1]["result"]["content"][0]["text"]
        params = stage.running.calls("tools/call")[-1].message["params"]
        assert (params["requestState"], params["inputResponses"]) == ("as it was", {"q": ACCEPTED})


async def test_a_legacy_client_answers_a_modern_server_that_is_set_to_another_era_meanwhile(tmp_path):
    server = Both(wondering)
    async with behind(tmp_path, server, "modern") as stage:
        client = LegacyVisitor(stage.gw)
        await client.start()
        async with client.open() as messages, asyncio.timeout(5):
            question = await anext(messages)
            await stage.pin("legacy")
            for action in ("accept", "decline"):
                answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": action}}
                assert (await client.send(answer)).status_code == 202
            assert "accept" in (await anext(messages))["result"]["content"][0]["text"]
        assert server.began == ["modern"]
        assert server.legacy.replies == []


async def test_a_legacy_client_answers_a_legacy_server_that_is_set_to_another_era_meanwhile(tmp_path):
    server = Both(wondering)
    async with behind(tmp_path, server, "legacy") as stage:
        client = LegacyVisitor(stage.gw)
        await client.start()
        async with client.open() as messages, asyncio.timeout(5):
            question = await anext(messages)
            await stage.pin("modern")
            await client.send({"jsonrpc": "2.0", "id": question["id"], "result": ACCEPTED})
            assert "accept" in (await anext(messages))["result"]["content"][0]["text"]
        assert server.began == ["legacy"]
