"""API Gateway for tests: HTTP in, events to runtime processes, one at a time each, and their streams back out."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from handlers.http_events import PRELUDE_END
from tests.asgi import read_body
from tests.lambda_.events import rest
from tests.lambda_.fake_runtime_api import FakeRuntimeApi, Invocation


class Front:
    """ASGI. Each request takes an idle runtime, as Lambda does, and waits where there is none."""

    def __init__(self, runtimes: list[FakeRuntimeApi]) -> None:
        self._idle: asyncio.Queue[FakeRuntimeApi] = asyncio.Queue()
        for each in runtimes:
            self._idle.put_nowait(each)
        self._finishing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
        runtime = await self._idle.get()
        event = rest(
            scope["method"],
            scope["path"],
            body=body.decode() or None,
            multiValueHeaders=headers,
            multiValueQueryStringParameters=parse_qs(scope["query_string"].decode()) or None,
        )
        invocation = runtime.invoke(event)
        answering = asyncio.create_task(self._answer(invocation, send))
        leaving = asyncio.create_task(_left(receive))
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        # When the client has left, like API Gateway, let the function finish; whatever it says goes nowhere.
        answering.cancel()
        finishing = asyncio.create_task(self._finish(runtime, invocation))
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled():
            answering.result()

    async def _finish(self, runtime: FakeRuntimeApi, invocation: Invocation) -> None:
        """A runtime may work on when its answer has ended; it is idle when it asks for the next event."""
        await invocation.over.wait()
        self._idle.put_nowait(runtime)

    async def _answer(self, invocation: Invocation, send: Any) -> None:
        started, held = False, b""
        try:
            while True:
                held += await invocation.chunk()
                if not started:
                    if PRELUDE_END not in held:
                        continue
                    prelude, _, held = held.partition(PRELUDE_END)
                    head = json.loads(prelude)
                    fields = [(name.encode(), value.encode()) for name, value in head["headers"].items()]
                    await send({"type": "http.response.start", "status": head["statusCode"], "headers": fields})
                    started = True
                await send({"type": "http.response.body", "body": held, "more_body": True})
                held = b""
        except EOFError:
            await send({"type": "http.response.body", "body": b""})


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
