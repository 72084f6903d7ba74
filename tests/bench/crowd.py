"""Whether a full registry makes calls slower: a gateway with one server, and one with a thousand and many keys.

`python -m tests.bench.crowd`; takes some minutes, most of them to make the keys.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import yaml

from tests.bench import machine
from tests.bench.__main__ import ECHO, percentile, sound
from tests.bench.load import Target, burst, introduced
from tests.gateway_process import WORKSPACE, Gateway, gateway
from tests.processes import free_port, running

SERVERS, KEYS = 1_000, 10_000
ROUNDS, CALLS = 15, 400
LIMIT = 1.2
"""The most that a full registry may cost, in multiples of an empty one."""


def fill(gate: Gateway, upstream: str) -> None:
    """Put everything in."""
    servers = [
        {"slug": f"server-{number}", "name": f"Server {number}", "url": upstream, "transport": "http"}
        | {"auth": {"type": "none"}, "workspaces": [WORKSPACE]}
        for number in range(SERVERS)
    ]
    file = gate.data / "crowd.yaml"
    workspaces = [{"slug": WORKSPACE, "name": "Test"}]
    file.write_text(yaml.safe_dump({"organisation": "Acme", "workspaces": workspaces, "servers": servers}))
    gate.gatehouse("apply", "-f", str(file))
    headers = {
        "Authorization": f"Bearer {(gate.data / 'admin.key').read_text().strip()}",
        "Content-Type": "application/json",
    }
    admin = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=60)
    for number in range(KEYS):
        body = {"workspace": WORKSPACE, "kind": "service", "subject": f"service-{number}"}
        admin.request("POST", "/api/v1/keys", json.dumps(body), headers)
        with admin.getresponse() as answer:
            said = answer.read()
            if answer.status >= 400:
                raise AssertionError(f"Key {number} was refused: {said!r}")
    admin.close()


async def compare(folder: Path) -> tuple[float, float]:
    """The p50 in milliseconds of a call through the empty and through the full gateway."""
    division = machine.cores()
    os.sched_setaffinity(0, {division.driver})
    origin = f"http://127.0.0.1:{(port := free_port())}"
    bare = [*machine.pinned(division.upstream), sys.executable, "-m", "tests.bench.upstream", "--port", str(port)]
    here = machine.pinned(division.measured)
    for name in ("empty", "full"):
        (folder / name).mkdir()
    with (
        running(bare, ready=f"{origin}/seen", log=folder / "upstream.log"),
        gateway(folder / "empty", before=here) as empty,
        gateway(folder / "full", before=here) as full,
    ):
        await asyncio.to_thread(fill, full, f"{origin}/mcp")
        targets = []
        for name, gate in (("empty", empty), ("full", full)):
            url = gate.serve("bench", f"{origin}/mcp")
            targets.append(await introduced(Target(name, url, gate.key())))
        taken: dict[str, list[float]] = {"empty": [], "full": []}
        for _ in range(ROUNDS):
            for target in targets:
                load = sound(await burst(target, ECHO, width=1, calls=CALLS), target.name)
                taken[target.name].append(percentile(load.taken, 0.5))
    return statistics.median(taken["empty"]), statistics.median(taken["full"])


def main() -> int:
    """Print both figures and their ratio; ends with 1 when the target is missed."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-crowd-") as folder:
        empty, full = asyncio.run(compare(Path(folder)))
    met = full <= LIMIT * empty
    print(f"tools/call p50 with an empty registry: {empty:.3f} ms")
    print(f"with {SERVERS:,} servers and {KEYS:,} keys: {full:.3f} ms")
    print(f"{full / empty:.2f} times as long, target ≤ {LIMIT}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
