"""Streams that could not be begun: what was opened for them is closed at once, not when its time is up."""

import asyncio
from typing import Any

import pytest

from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import served_to
from tests.flows.stage import Stage
from tests.flows.upstreams import Json
from tests.flows.visitors import PATH, Cell, LegacyVisitor, ModernVisitor, crossed

OFFERS = {"tools": {"listChanged": True}}
WANTED: Json = {"notifications": {"toolsListChanged": True}}
CALL: Json = {"name": "forecast", "arguments": {}, "_meta": {"progressToken": "t"}}


async def talking(stage: Stage) -> None:
    await stage.progress(1)
    await asyncio.Event().wait()


async def _gone(_: Any) -> None:
    raise ConnectionResetError


async def _served_to_nobody(visitor: Any, method: str) -> None:
    """A request of a client that leaves before the head of the answer can be sent. GET is for its session's stream."""
    if method == "GET":
        await served_to(visitor.gw, _gone, "GET", PATH, mcp_session_id=visitor.token)
        return
    body, fields = visitor.request(method, CALL if method == "tools/call" else WANTED, id=1)
    await served_to(visitor.gw, _gone, "POST", PATH, body, **fields)


@pytest.mark.parametrize(
    ("client", "server", "method"),
    [
        (LegacyVisitor, Legacy, "GET"),
        (LegacyVisitor, Modern, "GET"),
        (LegacyVisitor, HttpSse, "GET"),
        (ModernVisitor, Legacy, "subscriptions/listen"),
        (ModernVisitor, HttpSse, "subscriptions/listen"),
        (ModernVisitor, Modern, "tools/call"),
        (ModernVisitor, Legacy, "tools/call"),
        (LegacyVisitor, Modern, "tools/call"),
    ],
)
async def test_a_client_that_leaves_before_its_stream_begins_leaves_none_open_at_the_server(
    tmp_path, client, server, method
):
    async with crossed(tmp_path, Cell(client, server), server(talking, capabilities=OFFERS)) as crossing:
        await _served_to_nobody(crossing.client, method)
        await asyncio.wait_for(crossing.upstream.gone.wait(), 5)
        assert (crossing.gw.records.lines[-1]["outcome"], crossing.gw.records.lines[-1]["reason"]) == (
            "gone",
            "client_left",
        )
