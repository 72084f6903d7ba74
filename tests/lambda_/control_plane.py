"""A function of the control plane in a process of its own, as Lambda runs it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from tests.asgi import read_body
from tests.canary.watch import WATCH
from tests.lambda_.events import rest
from tests.lambda_.fake_runtime_api import ROOT

ANSWER_ALL = """
import json, sys
from {module} import handler
print(json.dumps([handler(event, None) for event in json.load(sys.stdin)]))
"""


ANSWER_EACH = """
import json, sys
from {module} import handler
for line in sys.stdin:
    print(json.dumps(handler(json.loads(line), None)), flush=True)
"""


def answers(events: Sequence[Any], environment: Mapping[str, str], *, module: str = "handlers.api") -> list[Any]:
    """What the function says to each of `events`, one after the other."""
    return answers_and_log(events, environment, module=module)[0]


def answers_and_log(
    events: Sequence[Any], environment: Mapping[str, str], *, module: str = "handlers.api"
) -> tuple[list[Any], str]:
    """What the function says to each of `events`, and what it logs meanwhile."""
    command = [sys.executable, "-W", "error", "-c", ANSWER_ALL.format(module=module)]
    given = json.dumps(list(events))
    done = subprocess.run(command, cwd=ROOT, env=environment, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    WATCH.hear("log", module, done.stderr)
    for event, answer in zip(events, found, strict=True):
        _hear(event, answer)
    return found, done.stderr


def _hear(event: Any, answer: Any) -> None:
    """Let the canary read an answer, of either format. That to the schedule is none."""
    if "statusCode" in answer:
        several, single = answer.get("multiValueHeaders", {}), answer.get("headers", {})
        fields = [*single.items(), *((name, value) for name, values in several.items() for value in values)]
        asked = f"{event.get('httpMethod', 'HTTP')} {event.get('path') or event.get('rawPath')}"
        WATCH.hear_answer(asked, answer["statusCode"], fields, answer["body"].encode())


class Function:
    """ASGI: API Gateway in front of one process of a function, with the address of whoever asks in its events."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._one = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        event = rest(
            scope["method"],
            scope["raw_path"].decode(),
            body=(await read_body(receive)).decode() or None,
            multiValueHeaders=headers,
            multiValueQueryStringParameters=query or None,
            requestContext={"identity": {"sourceIp": scope["client"][0]}, "stage": "v1"},
        )
        answer = await self._answer(event)
        fields = [(n.encode(), v.encode()) for n, values in answer["multiValueHeaders"].items() for v in values]
        await send({"type": "http.response.start", "status": answer["statusCode"], "headers": fields})
        await send({"type": "http.response.body", "body": answer["body"].encode()})

    async def _answer(self, event: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        async with self._one:
            self._process.stdin.write(json.dumps(event).encode() + b"\n")
            answer = json.loads(await self._process.stdout.readline())
            _hear(event, answer)
            return answer


@asynccontextmanager
async def function(module: str, environment: Mapping[str, str]) -> AsyncIterator[Function]:
    """One process of a function, which answers events one after the other."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", ANSWER_EACH.format(module=module), cwd=ROOT, env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
    )  # fmt: skip
    try:
        yield Function(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
