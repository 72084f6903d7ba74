"""Lambda's Runtime API for one runtime process, in the test's own event loop, on 127.0.0.1.

Beside the Runtime API it has gates: an app that asks for `/gate/NAME` waits until the test opens it. That is how
tests order things without clocks.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handlers.http_events import PRELUDE_END
from tests.canary.watch import WATCH

ROOT = Path(__file__).parents[2]
DEADLINE_MS = 4_102_444_800_000


@dataclass
class Invocation:
    """One event and what the runtime has answered so far."""

    request_id: str
    event: Any
    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the runtime asks for the next event, which may be long after its answer has ended."""
    _chunks: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _writer: asyncio.StreamWriter | None = None

    def begin(self, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        self.headers, self._writer = headers, writer

    def take(self, chunk: bytes | None) -> None:
        self._chunks.put_nowait(chunk)

    async def chunk(self) -> bytes:
        """The next chunk as it arrives. Raises `EOFError` after the last."""
        chunk = await self._chunks.get()
        if chunk is None:
            raise EOFError
        self.body += chunk
        return chunk

    async def answer(self) -> Any:
        """The whole answer of a runtime that does not stream."""
        await self.end()
        return json.loads(self.body)

    async def end(self) -> tuple[dict[str, Any], bytes]:
        """Wait for the end; the prelude, and the body after it."""
        while (chunk := await self._chunks.get()) is not None:
            self.body += chunk
        prelude, _, body = self.body.partition(PRELUDE_END)
        return (json.loads(prelude) if body or self.body.endswith(PRELUDE_END) else {}), body

    def hang_up(self) -> None:
        """Drop the connection on which the response arrives."""
        assert self._writer is not None
        self._writer.transport.abort()


class FakeRuntimeApi:
    """See the module. `asked` holds the paths that the runtime asked for, in order; `connections` counts those on
    which nothing was asked, too.

    With `freezes`, the process stands still from one `/next` until there is an event, as on Lambda. An invocation may
    take `lasts_s`.
    """

    def __init__(self) -> None:
        self.address = ""
        self.freezes = False
        self.lasts_s: float | None = None
        self.process: asyncio.subprocess.Process
        self.asked: list[str] = []
        self.connections = 0
        self.errors: dict[str, Any] = {}
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._events: asyncio.Queue[Invocation] = asyncio.Queue()
        self._taken: Invocation | None = None
        self._invocations: dict[str, Invocation] = {}
        self._serving: set[asyncio.Task[Any]] = set()

    def invoke(self, event: Any) -> Invocation:
        """Hand an event to the runtime at its next `/next`."""
        invocation = Invocation(f"request-{len(self._invocations) + 1}", event)
        self._invocations[invocation.request_id] = invocation
        self._events.put_nowait(invocation)
        return invocation

    async def logged(self) -> dict[str, Any]:
        """The next line that the process wrote to standard output."""
        assert self.process.stdout
        written = await self.process.stdout.readline()
        WATCH.hear("log", "a Lambda runtime", written)
        line: dict[str, Any] = json.loads(written)
        return line

    def hear_answers(self) -> None:
        """Let the canary read whatever the runtime has answered."""
        for invocation in self._invocations.values():
            event, body = invocation.event, invocation.body
            head, _, rest = body.partition(PRELUDE_END) if PRELUDE_END in body else (b"{}", b"", body)
            told = {"statusCode": 0, "headers": {}, **json.loads(head)}
            asked = f"{event.get('httpMethod')} {event.get('path')}" if isinstance(event, dict) else "an event"
            WATCH.hear_answer(asked, told["statusCode"], told["headers"].items(), rest)

    async def close(self) -> None:
        """End what is still waiting: a process that was ended leaves its last `/next` behind."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        self.connections += 1
        try:
            request, headers = await _read_head(reader)
            method, path, _ = request.split(" ")
            path = path.removeprefix("/2018-06-01/runtime")
            self.asked.append(path)
            self.reached[path].set()
            await (self._get(path, writer) if method == "GET" else self._post(path, headers, reader, writer))
        except (OSError, EOFError):
            pass  # the process has been ended, or the test hung up
        finally:
            writer.close()

    async def _get(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/invocation/next":
            invocation = await self._next_event()
            about = {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(self._deadline_ms()),
            }
            await _reply(writer, 200, json.dumps(invocation.event).encode(), about)
            return
        if path.startswith("/gate/"):
            await self.gates[path.removeprefix("/gate/")].wait()
        await _reply(writer, 200, b"{}", {})

    def _deadline_ms(self) -> int:
        return DEADLINE_MS if self.lasts_s is None else int((time.time() + self.lasts_s) * 1000)

    async def _next_event(self) -> Invocation:
        if self._taken is not None:
            self._taken.over.set()
        if self.freezes and self._events.empty():
            self.process.send_signal(signal.SIGSTOP)
            self._taken = await self._events.get()
            self.process.send_signal(signal.SIGCONT)
        else:
            self._taken = await self._events.get()
        return self._taken

    async def _post(
        self, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path.endswith("/error"):
            self.errors[path] = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.reached[f"{path} read"].set()
        else:
            invocation = self._invocations[path.split("/")[2]]
            invocation.begin(headers, writer)
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await reader.readline(), 16):
                    invocation.take(await reader.readexactly(size))
                    await reader.readline()
                invocation.trailers = await _read_fields(reader)
            else:
                invocation.take(await reader.readexactly(int(headers["content-length"])))
            invocation.take(None)
        await _reply(writer, 202, b'{"status":"OK"}', {})


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    request = (await reader.readline()).decode().strip()
    return request, await _read_fields(reader)


async def _read_fields(reader: asyncio.StreamReader) -> dict[str, str]:
    fields: dict[str, str] = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return fields


async def _reply(writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Chunked, as Go's HTTP server writes answers whose length it does not know beforehand."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} OK\r\n{lines}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode())
    writer.write(body + b"\r\n0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def runtime(app: str, within_s: float = 30, /, **environment: str) -> AsyncIterator[FakeRuntimeApi]:
    """A process running the loop with `app` ("module.attribute") behind a Runtime API that is ours."""
    api = FakeRuntimeApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.address = "{}:{}".format(*server.sockets[0].getsockname())
    api.process = await asyncio.create_subprocess_exec(
        ROOT / "handlers" / "bootstrap",
        sys.executable,
        cwd="/",
        env={"AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": app, "PATH": os.defpath} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within_s):
            yield api
    finally:
        if api.process.returncode is None:
            api.process.kill()
        for said in await api.process.communicate():
            WATCH.hear("log", "a Lambda runtime", said)
        api.hear_answers()
        server.close()
        await api.close()
