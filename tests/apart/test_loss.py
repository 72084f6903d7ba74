"""A process that holds something for a client goes away."""

import os
import signal
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.apart.clients import LegacyClient, ModernClient, answer_to, words
from tests.apart.worlds import World, tapped, world
from tests.processes import conformance_server

pytestmark = pytest.mark.tools

SOON_S = 2.0
"""How long a server may take for an answer here."""


@pytest.fixture(params=["sqlite", "dynamo"])
async def fragile(request: pytest.FixtureRequest, tmp_path) -> AsyncGenerator[tuple[World, httpx2.AsyncClient]]:
    with conformance_server(tmp_path, "legacy") as legacy, conformance_server(tmp_path, "modern") as modern:
        async with (
            world(request.param, tmp_path) as made,
            tapped(legacy) as (_, legacy_at),
            tapped(modern) as (_, modern_at),
            httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        ):
            await made.serve("legacy-server", legacy_at, timeout_s=SOON_S)
            await made.serve("modern-server", modern_at, timeout_s=SOON_S)
            yield made, http


async def test_whose_call_was_held_by_a_process_that_died_hears_that_the_outcome_is_unknown(fragile):
    gateway, http = fragile
    here, there = gateway.doors
    client = ModernClient(gateway, http, "legacy-server")
    first = (await client.call(here, "test_elicitation", {"message": "?"}))["result"]
    os.kill(gateway.pids[0], signal.SIGKILL)
    answers = {key: answer_to(asked) for key, asked in first["inputRequests"].items()}
    retry = {"inputResponses": answers, "requestState": first["requestState"]}
    told = await client.call(there, "test_elicitation", {"message": "?"}, **retry)
    assert told["result"]["isError"] is True
    assert "What it did with the call is unknown" in words(told)
    assert words(await client.call(there, "test_simple_text"))


async def test_a_session_outlives_the_process_that_opened_it(fragile):
    gateway, http = fragile
    here, there = gateway.doors
    clients = [LegacyClient(gateway, http, slug) for slug in ("legacy-server", "modern-server")]
    for client in clients:
        await client.open(here)
        assert words((await client.call(here, "test_simple_text"))[-1])
    os.kill(gateway.pids[0], signal.SIGKILL)
    for client in clients:
        assert words((await client.call(there, "test_simple_text"))[-1])
