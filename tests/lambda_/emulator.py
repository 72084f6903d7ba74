"""AWS's own Runtime Interface Emulator around our bootstrap, on 127.0.0.1. One request at a time: it dies of two."""

import asyncio
import json
import os
import platform
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.canary.watch import WATCH
from tests.programs import environment as program_environment

ROOT = Path(__file__).parents[2]
INVOKE = "/2015-03-31/functions/function/invocations"


def emulator_binary() -> Path:
    """The emulator that comes with the SAM CLI."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    [binary] = program_environment("sam").parent.glob(
        f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
    )
    return binary


class Emulator:
    """A running emulator. `log` is what it and the runtime inside have written so far."""

    def __init__(self, port: int) -> None:
        self.log = ""
        self._port = port

    @property
    def init_ms(self) -> float:
        """How long the runtime took until it asked for its first event."""
        found = re.search(r"INIT REPORT\(durationMs: ([\d.]+)\)", self.log)
        assert found, self.log
        return float(found[1])

    async def invoke(self, event: Any) -> Any:
        """The answer to `event`, as API Gateway would get it; of a failed invocation, what Lambda says about it."""
        body = json.dumps(event).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {INVOKE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer_head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        if b"transfer-encoding: chunked" in answer_head.lower():
            answer = b"".join(re.split(rb"(?:^|\r\n)[0-9a-f]+\r\n", answer)[1:])
        return json.loads(answer)

    async def follow(self, output: asyncio.StreamReader, started: asyncio.Event) -> None:
        async for line in output:
            self.log += line.decode(errors="replace")
            started.set()


@asynccontextmanager
async def emulator(
    handler: str,
    environment: Mapping[str, str] | None = None,
    *,
    task_root: Path = ROOT,
    program: Sequence[str | Path] | None = None,
) -> AsyncIterator[Emulator]:
    """The emulator running `handler` ("module.attribute") of the code in `task_root`, by our loop or by `program`."""
    port, api_port = _free_ports()
    addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    addresses += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
    process = await asyncio.create_subprocess_exec(
        emulator_binary(), *addresses, *(program or (task_root / "handlers" / "bootstrap", sys.executable)),
        env=_lambda_environment(handler, task_root) | dict(environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    running, started = Emulator(port), asyncio.Event()
    assert process.stdout
    following = asyncio.create_task(running.follow(process.stdout, started))
    try:
        async with asyncio.timeout(60):
            await started.wait()
            await _listening(port)
            yield running
    finally:
        process.terminate()
        await process.wait()
        await following
        WATCH.hear("log", "a Lambda runtime", running.log)


def _lambda_environment(handler: str, task_root: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "_HANDLER": handler,
        "LAMBDA_TASK_ROOT": str(task_root),
        "GATEHOUSE_BUFFERED": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


async def _listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            continue
        writer.close()
        return
