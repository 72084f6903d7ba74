"""What the machine says about a process: CPU time, memory, cores, and how long an import takes. Reads Linux's /proc."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.programs import ROOT

PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
"""Takes one core and becomes the command, so that the process id stays the same."""

IMPORTS = {
    "floor": "import starlette.applications, httpx2; from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
    "gateway": "import handlers.mcp",
}

TIMED = """
import time
started = time.perf_counter()
{}
ms = (time.perf_counter() - started) * 1000
rss = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(ms, int(rss.split()[1]) / 1024)
"""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where. With two cores the driver shares its own with the upstream, never with the one measured."""

    driver: int
    upstream: int
    measured: int


def cores() -> Cores:
    """The division of the cores that this process may use."""
    mine = sorted(os.sched_getaffinity(0))
    return Cores(driver=mine[0], measured=mine[-1], upstream=mine[1] if len(mine) > 2 else mine[0])


def pinned(core: int) -> list[str]:
    """What goes before a command so that it runs on `core` alone."""
    return [sys.executable, "-c", PIN, str(core)]


def family(pid: int) -> list[int]:
    """The process and everything that it started."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in family(child))]


def cpu_s(pid: int) -> float:
    """CPU seconds that the process and its children used so far, from the scheduler's own count."""
    spent_ns = 0
    for each in family(pid):
        for task in Path(f"/proc/{each}/task").iterdir():
            spent_ns += int((task / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


def rss_mb(pid: int) -> float:
    """Resident memory of one process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@dataclass(frozen=True, slots=True)
class Import:
    """What an import costs in a fresh process."""

    ms: float
    mb: float


def imports(which: str, *, environment: dict[str, str], rounds: int = 7) -> Import:
    """Median over fresh processes; the first, which writes the byte code, does not count."""
    command: Sequence[str] = [sys.executable, "-c", TIMED.format(IMPORTS[which])]
    # What is deployed is compiled beforehand, so it must be here too, whatever this shell says of byte code.
    env = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": ""}
    found = []
    for _ in range(rounds + 1):
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        found.append([float(number) for number in done.stdout.split()])
    return Import(ms=statistics.median(ms for ms, _ in found[1:]), mb=statistics.median(mb for _, mb in found[1:]))
