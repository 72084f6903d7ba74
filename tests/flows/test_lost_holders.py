"""A process that holds a call for its client is killed and leaves no word: who answers hears what is unknown."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.flows.crossing import HttpSse, Legacy
from tests.flows.gateways import Gateway, Lines
from tests.flows.stage import Server, wondering
from tests.flows.upstreams import Asked, Json, unaided
from tests.flows.visitors import ACCEPTED, ModernVisitor, retry
from tests.gateway_process import gateway_beside

CALL = {"name": "forecast", "arguments": {}}
GONE = "The process of the gateway that held this call may be gone"
UNKNOWN = " What it did with the call is unknown: check before you repeat it."


@dataclass
class Forgetting(HttpSse):
    """Answers messages for streams that have ended with `status`."""

    status: int = 404

    async def __call__(self, asked: Asked) -> None:
        ended = asked.method == "POST" and asked.path.partition("session=")[2] not in self.streams
        await (asked.respond.raw(b"", self.status) if ended else super().__call__(asked))


@asynccontextmanager
async def process(folder: Path, url: str, setup: Json) -> AsyncIterator[tuple[int, ModernVisitor]]:
    """A gateway as a process of its own on the data of `folder`, and a client of it."""
    async with gateway_beside(folder) as gateway, httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        fields = {"name": "Weather", "timeout_s": 1, **setup}
        await asyncio.to_thread(gateway.serve, "weather", url, **fields)
        nobody: Any = None
        key = await asyncio.to_thread(gateway.key)
        yield gateway.pid, ModernVisitor(Gateway(gateway.origin, nobody, key, http, Lines(), [], *[nobody] * 5))


LOST: dict[str, tuple[type[Server], Json, str]] = {
    "Streamable HTTP": (Legacy, {}, ", or its server did not go on in time."),
    "HTTP+SSE that takes everything": (Forgetting, {"status": 202}, ", or its server did not go on in time."),
    "HTTP+SSE": (Forgetting, {"status": 404}, ": Weather did not take the answer (HTTP 404)."),
}


@pytest.mark.parametrize(("kind", "fields", "words"), LOST.values(), ids=LOST.keys())
async def test_who_answers_a_call_whose_holder_was_killed_hears_that_its_outcome_is_unknown(
    tmp_path, kind, fields, words
):
    async with unaided(kind(wondering, **fields)) as server:
        async with process(tmp_path, server.url, kind.setup) as (pid, client):
            asked = await client.ask("tools/call", CALL)
            os.kill(pid, signal.SIGKILL)
        async with process(tmp_path, server.url, kind.setup) as (_, client):
            told = (await client.ask("tools/call", retry(CALL, asked["result"], ACCEPTED), id=2))["result"]
        assert told["isError"] is True
        assert told["content"][0]["text"] == GONE + words + UNKNOWN
        assert len(server.calls("tools/call")) == 1
