"""Processes that run one after the other or all at once, and are killed now and then."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.programs import ROOT
from tests.race.worker import Point, went_through

SKEWS: Final = (-2.0, 2.0, 0.0, -1.0, 1.0, -1.5, 1.5, 0.5)
"""By how many seconds the clocks of the processes are wrong, in turn: any two or more of them span the whole."""
LEAD_S, LEAD_EACH_S = 0.02, 0.0015
"""How long before they start all are told to: every one of them has to have heard it."""
STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one call."""

    text: str
    ms: float
    """From the moment at which all started."""

    @property
    def ok(self) -> bool:
        """True where the server answered it."""
        return went_through(self.text)


@dataclass
class Runner:
    """One process."""

    folder: Path
    environment: Mapping[str, str]
    skew_s: float
    key: str
    process: asyncio.subprocess.Process

    @classmethod
    async def started(cls, folder: Path, environment: Mapping[str, str], skew_s: float, key: str) -> "Runner":
        """A process that is ready."""
        with (folder / "workers.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.race.worker", str(folder), str(skew_s), key, cwd=ROOT, env=environment,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        made = cls(folder, environment, skew_s, key, process)
        if await made._line() != b"ready\n":
            raise AssertionError(f"A process did not start:\n{made._log()}")
        return made

    async def call(self, order: Mapping[str, Any]) -> Answer | None:
        """Make one call; None where the process was killed in the middle of it."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._line()
        if line:
            return Answer(**json.loads(line))
        code = await self.process.wait()
        if code != -9 or order["dies"] is None:
            raise AssertionError(f"A process ended with {code}:\n{self._log()}")
        return None

    async def revive(self) -> None:
        """Start it anew, if it is dead."""
        if self.process.returncode is not None:
            fresh = await Runner.started(self.folder, self.environment, self.skew_s, self.key)
            self.process = fresh.process

    async def stop(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _line(self) -> bytes:
        assert self.process.stdout
        return await self.process.stdout.readline()

    def _log(self) -> str:
        return (self.folder / "workers.log").read_text(errors="replace")[-4000:]


def order(runners: Sequence[Runner], *, dies: Point | None = None, leases: bool = True, patient: bool = False) -> Any:
    """What these are told: to call all at the same moment.

    Args:
        runners: Who.
        dies: Where one of them does, whoever gets there first.
        leases: False: nobody waits for anybody.
        patient: True: they call again until they get an answer.
    """
    at = time.monotonic() + LEAD_S + LEAD_EACH_S * len(runners)
    return {"at": at, "dies": dies, "leases": leases, "patient": patient}


@asynccontextmanager
async def fleet(folder: Path, environment: Mapping[str, str], key: str, size: int) -> AsyncGenerator[list[Runner]]:
    """So many processes on one store."""
    starting = (Runner.started(folder, environment, SKEWS[number % len(SKEWS)], key) for number in range(size))
    # Those of them that run when one fails end by themselves: nobody holds their input any more.
    runners = await asyncio.gather(*starting)
    try:
        yield runners
    finally:
        await asyncio.gather(*(runner.stop() for runner in runners))
