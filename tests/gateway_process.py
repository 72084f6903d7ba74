"""A gateway as its user starts it: a process of its own, with a data folder of its own, steered by the command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.canary.watch import WATCH
from tests.processes import free_port, running
from tests.programs import ROOT, own_python

GATEHOUSE = own_python().parent / "gatehouse"
"""The command line as it was installed beside the Python that runs the tests."""

WORKSPACE = "test"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    port: int
    data: Path
    pid: int

    @property
    def origin(self) -> str:
        """The gateway's address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def endpoint(self, slug: str) -> str:
        """The MCP address of a server."""
        return f"{self.origin}/{WORKSPACE}/{slug}/mcp"

    def gatehouse(self, *arguments: str) -> str:
        """Run the command line against this gateway; gives what it prints.

        Raises:
            AssertionError: It failed; the text is what it said.
        """
        done = subprocess.run(
            [GATEHOUSE, *arguments],
            cwd=ROOT,
            env={**os.environ, **settings(self.port, self.data)},
            capture_output=True,
            text=True,
            check=False,
        )
        WATCH.hear_command(arguments, done.stdout + done.stderr)
        if done.returncode:
            raise AssertionError(f"gatehouse {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def serve(self, slug: str, url: str, **fields: Any) -> str:
        """Put the server at `url` behind the gateway; gives its MCP address."""
        server = {"slug": slug, "url": url, "transport": "http", "workspaces": [WORKSPACE], **fields}
        config = {"organisation": "Acme", "workspaces": [{"slug": WORKSPACE, "name": "Test"}], "servers": [server]}
        file = self.data / f"{slug}.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(config))
        self.gatehouse("apply", "-f", str(file))
        return self.endpoint(slug)

    def key(self, service: str = "ci") -> str:
        """A new API key."""
        return self.gatehouse("keys", "create", "--workspace", WORKSPACE, "--service", service, "--quiet")


def settings(port: int, data: Path) -> dict[str, str]:
    """What the gateway and its command line read from the environment."""
    return {"PORT": str(port), "GATEHOUSE_DATA": str(data)}


@contextlib.contextmanager
def gateway(folder: Path, *, before: Sequence[str] = ()) -> Iterator[Gateway]:
    """Start a gateway whose data live in `folder`, wait until it is ready, end it afterwards.

    `before` goes before the command and must become it, so that the process id stays the same.
    """
    port, data = free_port(), folder / "data"
    data.mkdir(exist_ok=True)
    command = [*before, str(GATEHOUSE), "dev"]
    ready = f"http://127.0.0.1:{port}/healthz"
    with running(command, ready=ready, log=folder / "gateway.log", environment=settings(port, data)) as program:
        yield Gateway(port, data, program.pid)


@contextlib.asynccontextmanager
async def gateway_beside(folder: Path, *, before: Sequence[str] = ()) -> AsyncIterator[Gateway]:
    """The same beside an event loop that its servers run in."""
    made = gateway(folder, before=before)
    started = await asyncio.to_thread(made.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(made.__exit__, None, None, None)
