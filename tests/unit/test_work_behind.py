"""What goes on behind an answer: a platform that halts as soon as we return is held up until all of it is done."""

import asyncio
from typing import Any

from gateway_core.protocol.reply import ACCEPTED, Reply
from gateway_core.proxy.place import Request
from gateway_core.telemetry import CallRecord
from gateway_core.web.edge import Edge
from gateway_core.web.mcp import McpApp


class Leaving:
    """See proxy.exchange.Exchange. Leaves work behind that leaves more behind."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def handle(self, request: Request, record: CallRecord) -> Reply:
        async def second() -> None:
            await asyncio.sleep(0.01)
            self.done.append("second")

        async def first() -> None:
            await asyncio.sleep(0.01)
            request.afterwards.append(asyncio.create_task(second()))
            self.done.append("first")

        request.afterwards.append(asyncio.create_task(first()))
        return ACCEPTED


async def test_work_behind_an_answer_and_the_work_that_it_leaves_are_waited_for():
    exchange: Any = Leaving()
    records: Any = type("Nothing", (), {"write": lambda *_: None})()
    edge = Edge(public_url="", body_limit=1024, origins=frozenset(), any_origin=False, hosts=None)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"} if not sent else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        assert exchange.done == [], "the answer does not wait"

    scope = {"type": "http", "method": "POST", "path": "/a/b/mcp", "headers": [(b"host", b"127.0.0.1")]}
    await McpApp(exchange, edge, records, asyncio.sleep)(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 202
    assert exchange.done == ["first", "second"]
