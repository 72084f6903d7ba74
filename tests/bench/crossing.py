"""What it costs that client and server are of different eras: a crossed call beside calls of one era, in one run.

`python -m tests.bench.crossing`; also run by `make bench`. What the gateway itself takes is its p50 less the p50 of the
same upstream asked directly.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import machine
from tests.bench.__main__ import ECHO, KEY, percentile, sound
from tests.bench.load import MODERN, Target, burst, introduced
from tests.bench.report import Row, against_floor, as_json, shown, table
from tests.gateway_process import Gateway, gateway
from tests.processes import free_port, running

ERAS = ("legacy", "modern")
MODES = {"legacy": "sessions", "modern": "modern"}
"""How the upstream of each era is started (`tests.bench.upstream`)."""
COLUMNS = ("direct", "same era", "crossed")
TARGET = "≤ 1.3"
ROUNDS, CALLS = 30, 250
"""Many short rounds, all ways in each: a neighbour's burst of work then spoils a round, not a ratio."""
WARM = 1_000
"""Calls before the first round."""

Way = tuple[str, str]
"""Era of the client, or "direct", and era of the server."""


@dataclass(slots=True)
class Figures:
    """What one way showed; one entry per round."""

    p50: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of the gateway, in milliseconds per call."""


@contextlib.contextmanager
def upstreams(folder: Path) -> Iterator[dict[str, str]]:
    """A server of each era; gives their addresses."""
    with contextlib.ExitStack() as stack:
        found = {}
        for era, mode in MODES.items():
            origin = f"http://127.0.0.1:{(port := free_port())}"
            command = [*machine.pinned(machine.cores().upstream), sys.executable, "-m", "tests.bench.upstream"]
            command += ["--port", str(port), "--mode", mode]
            stack.enter_context(running(command, ready=f"{origin}/seen", log=folder / f"{era}.log"))
            found[era] = f"{origin}/mcp"
        yield found


async def opened(target: Target, era: str) -> Target:
    """The target for a client of an era, which a legacy one has initialized at."""
    if era == "legacy":
        return await introduced(target)
    return Target(target.name, target.url, target.key, version=MODERN)


async def ways(gate: Gateway, urls: Mapping[str, str]) -> dict[Way, Target]:
    """Every way that a call can go, ready for calls."""
    found, behind = {}, {server: gate.serve(server, url) for server, url in urls.items()}
    key = gate.key()
    for server, url in urls.items():
        found["direct", server] = await opened(Target(f"direct to {server}", url, KEY), server)
        for client in ERAS:
            found[client, server] = await opened(Target(f"{client} to {server}", behind[server], key), client)
    for target in found.values():
        sound(await burst(target, ECHO, width=1, calls=WARM), target.name)
    return found


async def measure(target: Target, pid: int, figures: Figures, calls: int) -> None:
    """One round of one way."""
    before = machine.cpu_s(pid)
    load = sound(await burst(target, ECHO, width=1, calls=calls), target.name)
    figures.cpu.append((machine.cpu_s(pid) - before) / len(load.taken) * 1000)
    figures.p50.append(percentile(load.taken, 0.5))


def own(figures: Mapping[Way, Figures], way: Way) -> float:
    """What the gateway takes of a way's p50: the median over rounds of the difference within a round."""
    direct = figures["direct", way[1]].p50
    return statistics.median(through - alone for through, alone in zip(figures[way].p50, direct, strict=True))


def compared(figures: Mapping[Way, Figures], crossed: Way) -> list[Row]:
    """Rows about one crossing, beside the same era of its server, which the target is about, and of its client."""
    client, server = crossed
    p50 = {way: statistics.median(each.p50) for way, each in figures.items()}
    cpu = {way: statistics.median(each.cpu) for way, each in figures.items()}
    rows = [
        shown(f"{client} client, {server} server: p50 ms", [p50["direct", server], p50[server, server], p50[crossed]])
    ]
    for era, target in ((server, TARGET), (client, "")):
        took = [None, own(figures, (era, era)), own(figures, crossed)]
        rows.append(against_floor(f"  own p50 ms, beside {era} alone", took, target))
        spent = [None, cpu[era, era], cpu[crossed]]
        rows.append(against_floor(f"  own CPU ms per call, beside {era} alone", spent, target))
    return rows


async def run(folder: Path, rounds: int) -> list[Row]:
    """Everything, in interleaved rounds."""
    division = machine.cores()
    with upstreams(folder) as urls, gateway(folder, before=machine.pinned(division.measured)) as gate:
        os.sched_setaffinity(0, {division.driver})
        targets = await ways(gate, urls)
        figures = {way: Figures() for way in targets}
        for _ in range(rounds):
            for way, target in targets.items():
                await measure(target, gate.pid, figures[way], CALLS)
    return [row for crossed in (("legacy", "modern"), ("modern", "legacy")) for row in compared(figures, crossed)]


def main() -> None:
    """Print the table. A missed target is marked in it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.crossing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved rounds")
    chosen = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        sys.exit("The benchmark reads CPU time from /proc, which this system does not have.")
    with tempfile.TemporaryDirectory(prefix="gatehouse-crossing-") as folder:
        rows = asyncio.run(run(Path(folder), chosen.rounds))
    print(json.dumps(as_json(rows)) if chosen.json else table(rows, COLUMNS))


if __name__ == "__main__":
    main()
