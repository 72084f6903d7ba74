"""Programs that run beside a test on 127.0.0.1. Each is ended by the one that started it, and no other is touched."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.programs import ROOT, mcp1_python, own_python

START_S = 30.0
"""How long a program may take until it answers; generous, as test machines are busy."""

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Program:
    """One that runs."""

    pid: int
    log: Path
    """Where its output goes."""


def free_port() -> int:
    """A port that nothing listens on now. It is below those that systems give out by themselves, so that nobody gets it
    before it is used."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(url: str) -> bool:
    """True when `url` gives any HTTP answer at all."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def running(
    command: Sequence[str], *, ready: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Start `command`, wait until `ready` answers, and end it afterwards."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=sink, stderr=sink
        )
    try:
        deadline = time.monotonic() + START_S
        while not answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                ended = "ended" if process.poll() is not None else "did not answer"
                raise AssertionError(f"{command[0]} {ended}:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(POLL_S)
        yield Program(process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


Kind = Literal["dual", "legacy", "modern", "resumable", "sse"]
"""A conformance server by what it speaks: both eras; 2025-11-25 and before, with sessions; 2026-07-28 alone; legacy,
for clients that come back for missed events; legacy, over HTTP+SSE (2024-11-05)."""

SWITCHES: Mapping[Kind, tuple[str, ...]] = {
    "dual": ("tests.conformance.server",),
    "legacy": ("tests.conformance.legacy.server",),
    "modern": ("tests.conformance.server", "--modern-only"),
    "resumable": ("tests.conformance.legacy.server", "--resumable"),
    "sse": ("tests.conformance.legacy.server", "--sse"),
}


@contextlib.contextmanager
def conformance_server(folder: Path, kind: Kind = "dual") -> Iterator[str]:
    """A conformance server; gives its MCP address."""
    url = f"http://127.0.0.1:{(port := free_port())}/{'sse' if kind == 'sse' else 'mcp'}"
    python = own_python() if kind in ("dual", "modern") else mcp1_python()
    command = [str(python), "-m", *SWITCHES[kind], "--port", str(port)]
    with running(command, ready=url, log=folder / f"{kind}-server.log"):
        yield url
