"""The benchmark (`make bench`): a bare upstream directly, through the floor proxy and through the gateway, in one run.

Absolute figures move with the machine; the ratios are what the targets are about. Linux only.
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
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench.load import Load, Target, burst, introduced
from tests.bench.report import Row, against_floor, as_json, ratio, shown, table
from tests.gateway_process import gateway
from tests.processes import free_port, running

NAMES = ("direct", "floor", "gateway")
WIDE = 32
KEY = "bench"

CALL = {"name": "tool_00", "arguments": {"text": "hello"}}


def message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


ECHO = message("tools/call", CALL)
LIST = message("tools/list", {})
STREAM = message("tools/call", {"name": "stream", "arguments": {}, "_meta": {"progressToken": 1}})


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int = 15
    """Many short ones: a neighbour's burst of work then spoils a round, not a figure."""
    calls: int = 400
    """Calls of the single connection, per round."""
    wide_s: float = 1.0
    streams: int = 15
    heavy: int = 10_000


@dataclass(slots=True)
class Figures:
    """What one target showed; one entry per round."""

    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    wide_p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wide_cpu: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """One process under load."""

    target: Target
    pid: int


def percentile(taken: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] * 1000


def sound(load: Load, name: str) -> Load:
    """The burst, if every call was answered with a result."""
    if load.failed or not load.taken:
        raise AssertionError(f"{load.failed} of {len(load.taken)} calls failed through {name}")
    return load


async def measure(one: Measured, figures: Figures, size: Size) -> None:
    """One round of one target."""
    name, before = one.target.name, machine.cpu_s(one.pid)
    single = sound(await burst(one.target, ECHO, width=1, calls=size.calls), name)
    middle = machine.cpu_s(one.pid)
    wide = sound(await burst(one.target, ECHO, width=WIDE, calls=10**9, seconds=size.wide_s), name)
    figures.cpu.append((middle - before) / len(single.taken) * 1000)
    figures.wide_cpu.append((machine.cpu_s(one.pid) - middle) / len(wide.taken) * 1000)
    figures.p50.append(percentile(single.taken, 0.5))
    figures.p95.append(percentile(single.taken, 0.95))
    figures.p99.append(percentile(single.taken, 0.99))
    figures.per_second.append(wide.per_second)
    figures.wide_p99.append(percentile(wide.taken, 0.99))
    streams = sound(await burst(one.target, STREAM, width=1, calls=size.streams), name)
    figures.first_byte.append(percentile(streams.first, 0.5))
    listed = sound(await burst(one.target, LIST, width=1, calls=size.calls // 3), name)
    figures.listed.append(percentile(listed.taken, 0.5))


def seen(origin: str) -> dict[str, int]:
    """What reached the upstream so far."""
    with urllib.request.urlopen(f"{origin}/seen", timeout=5) as answer:
        counted: dict[str, int] = json.load(answer)
        return counted


async def memory(one: Measured, size: Size) -> list[float]:
    """Resident memory in MB before, after and after twice the heavy load."""
    found = [machine.rss_mb(one.pid)]
    for _ in range(2):
        sound(await burst(one.target, ECHO, width=WIDE, calls=size.heavy), one.target.name)
        found.append(machine.rss_mb(one.pid))
    return found


async def posts(one: Measured, sent: dict[str, Any], origin: str, calls: int = 500) -> tuple[float, float]:
    """POSTs and new connections that one call costs the upstream."""
    before = seen(origin)
    sound(await burst(one.target, sent, width=1, calls=calls), one.target.name)
    after = seen(origin)
    opened = after["connections"] - before["connections"] - 1  # The question itself comes on a connection.
    return (after["posts"] - before["posts"]) / calls, max(0, opened) / calls


@contextlib.contextmanager
def processes(folder: Path) -> Iterator[tuple[list[Measured], str]]:
    """Everything started and pinned; gives the three targets and where the upstream counts."""
    division = machine.cores()
    os.sched_setaffinity(0, {division.driver})
    port, floor_port = free_port(), free_port()
    origin = f"http://127.0.0.1:{port}"
    bare = [*machine.pinned(division.upstream), sys.executable, "-m", "tests.bench.upstream", "--port", str(port)]
    low = [*machine.pinned(division.measured), sys.executable, "-m", "tests.bench.floor", "--port", str(floor_port)]
    low += ["--upstream", f"{origin}/mcp", "--key", KEY]
    floor_url = f"http://127.0.0.1:{floor_port}/mcp"
    with (
        running(bare, ready=f"{origin}/seen", log=folder / "upstream.log") as upstream,
        running(low, ready=floor_url, log=folder / "floor.log") as floor,
        gateway(folder, before=machine.pinned(division.measured)) as gate,
    ):
        url = gate.serve("bench", f"{origin}/mcp")
        targets = [
            Measured(Target("direct", f"{origin}/mcp", KEY), upstream.pid),
            Measured(Target("floor", floor_url, KEY), floor.pid),
            Measured(Target("gateway", url, gate.key()), gate.pid),
        ]
        yield targets, origin


def median(figures: dict[str, Figures], name: str) -> list[float | None]:
    """The medians over the rounds of one figure, per target."""
    return [statistics.median(getattr(figures[target], name)) for target in NAMES]


def added(figures: dict[str, Figures], name: str) -> list[float | None]:
    """What each target adds to the direct figure: the median over rounds of the difference within a round."""
    direct = getattr(figures["direct"], name)
    return [
        None,
        *(
            statistics.median(
                with_it - without for with_it, without in zip(getattr(figures[target], name), direct, strict=True)
            )
            for target in NAMES[1:]
        ),
    ]


def speed(figures: dict[str, Figures]) -> list[Row]:
    """Rows about time."""
    return [
        shown("tools/call p50 ms", median(figures, "p50")),
        against_floor("  added p50 ms", added(figures, "p50"), "≤ 2"),
        shown("  p95 ms", median(figures, "p95")),
        shown("  p99 ms", median(figures, "p99")),
        against_floor("calls/s, 32 at once", median(figures, "per_second"), "≥ 0.5"),
        against_floor("  p99 ms", median(figures, "wide_p99"), "≤ 3"),
        against_floor("own CPU ms per call", [None, *median(figures, "cpu")[1:]], "≤ 2"),
        against_floor("  32 at once", [None, *median(figures, "wide_cpu")[1:]]),
        shown("streamed, first byte ms", median(figures, "first_byte")),
        against_floor("  added ms", added(figures, "first_byte"), "≤ 3"),
        shown("tools/list (50) p50 ms", median(figures, "listed")),
    ]


async def weight(targets: list[Measured], origin: str, size: Size) -> list[Row]:
    """Rows about memory and about what the upstream gets to see."""
    _, floor, gate = targets
    light, own = await memory(floor, size), await memory(gate, size)
    sent, opened = await posts(gate, ECHO, origin)
    listed, _ = await posts(gate, LIST, origin)
    return [
        Row("memory MB at the start", None, light[0], own[0]),
        Row(
            "  with the demo server beside it",
            None,
            None,
            sum(machine.rss_mb(each) for each in machine.family(gate.pid)),
        ),
        Row(f"  after {size.heavy:,} calls", None, light[1], own[1], own[1], "≤ 120"),
        Row(
            f"  growth over the next {size.heavy:,}", None, light[2] - light[1], own[2] - own[1], own[2] - own[1], "≤ 2"
        ),
        Row("upstream POSTs per call", 1, 1, sent, sent, "≤ 1"),
        Row("upstream connections per call", None, None, opened, opened, "≤ 0.01"),
        Row("upstream POSTs per list", 1, 1, listed),
    ]


def start(folder: Path) -> list[Row]:
    """Rows about the import of the data plane, in fresh processes."""
    floor = machine.imports("floor", environment={})
    own = machine.imports("gateway", environment={"GATEHOUSE_DATA": str(folder / "import")})
    return [
        Row("import ms", None, floor.ms, own.ms, ratio(own.ms, floor.ms), "≤ 1"),
        Row("  memory MB", None, floor.mb, own.mb, ratio(own.mb, floor.mb), "≤ 1"),
    ]


async def run(folder: Path, size: Size) -> list[Row]:
    """Everything, in interleaved rounds."""
    rows = start(folder)
    with processes(folder) as (found, origin):
        targets = [Measured(await introduced(one.target), one.pid) for one in found]
        figures = {name: Figures() for name in NAMES}
        for one in targets:
            sound(await burst(one.target, ECHO, width=WIDE, calls=size.calls), one.target.name)
        for _ in range(size.rounds):
            for one in targets:
                await measure(one, figures[one.target.name], size)
        return [*speed(figures), *await weight(targets, origin, size), *rows]


def main() -> None:
    """Print the table. A missed target is marked in it; on a busy machine single ratios move by a quarter."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--rounds", type=int, default=Size().rounds, help="interleaved rounds")
    chosen = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        sys.exit("The benchmark reads CPU time from /proc, which this system does not have.")
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        rows = asyncio.run(run(Path(folder), Size(rounds=chosen.rounds)))
    print(json.dumps(as_json(rows)) if chosen.json else table(rows))


if __name__ == "__main__":
    main()
