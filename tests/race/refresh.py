"""The refresh race (`make race`): processes that know nothing of each other, and one account whose token has ended.

Prints tables in Markdown, as `docs/reliability.md` has them, and ends with 1 when anything is not as it must be.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.race.cells import Cell, Kind, Outcome, run
from tests.race.track import track
from tests.race.worker import POINTS
from tests.race.worlds import Store

SIZES: Final = (2, 8, 32)
ROTATIONS: Final[Sequence[Kind]] = ("strict", "grace", "not rotating")
HEAD: Final = ("Provider", "Killed", "Processes", "Rounds", "Token calls", "Lost", "Told to wait", "p50 ms", "p99 ms")


def matrix() -> list[Cell]:
    """Everything, on one machine."""
    return [
        *(Cell(size, 30, ends=False) for size in SIZES),
        *(Cell(size, 100) for size in SIZES),
        *(Cell(size, 50, kind) for kind in ("grace", "not rotating", "500, then good") for size in SIZES),
        *(Cell(size, 30, "slow") for size in SIZES),
        Cell(8, 2, "very slow"),
        *(Cell(8, 1, kind) for kind in ("answer lost", "lost, grace")),
        *(Cell(8, 6, kind, dies=point) for kind in ROTATIONS for point in POINTS),
        *(Cell(32, 3, dies=point) for point in POINTS),
        Cell(8, 1, dies="before the token call", waits=True),
        *(Cell(size, 20, leases=False) for size in SIZES),
    ]


def on_aws() -> list[Cell]:
    """On DynamoDB, KMS and Secrets Manager, which a program in one thread plays: the times are its own."""
    return [
        Cell(8, 15, ends=False),
        Cell(2, 20),
        Cell(8, 20),
        *(Cell(8, 3, dies=point) for point in POINTS),
        Cell(8, 10, leases=False),
    ]


def percentile(taken: Sequence[float], share: float) -> str:
    """A percentile in whole milliseconds."""
    return f"{sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]:.0f}" if taken else "-"


def row(outcome: Outcome) -> tuple[str, ...]:
    """One line of the table."""
    cell = outcome.cell
    provider = cell.provider if cell.ends else "the token lives"
    killed = f"{cell.dies}{', clocks go on' if cell.waits else ''}" if cell.dies else "-"
    return (
        provider if cell.leases else f"{provider}, **without leases**",
        killed,
        str(cell.processes),
        str(cell.rounds),
        str(outcome.asked),
        str(outcome.lost),
        str(outcome.again),
        percentile(outcome.ms, 0.5),
        percentile(outcome.ms, 0.99),
    )


def line(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


async def race(store: Store, cells: Sequence[Cell]) -> list[str]:
    """Run the cells, print a line for each as it ends, and return what is wrong."""
    wrong: list[str] = []
    print(f"\n{line(HEAD)}\n{line(['---'] * len(HEAD))}")
    with tempfile.TemporaryDirectory(prefix="gatehouse-race-") as folder:
        async with track(Path(folder), store, max(cell.processes for cell in cells)) as made:
            for cell in cells:
                outcome = await run(made, cell)
                print(line(row(outcome)), flush=True)
                wrong += [f"{store}, {cell}: not so: {said}" for said in outcome.wrong()]
    return wrong


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.race.refresh")
    parser.add_argument("--store", choices=("sqlite", "dynamo"), help="this one alone")
    chosen, began = parser.parse_args().store, time.monotonic()
    stores: dict[Store, list[Cell]] = {"sqlite": matrix(), "dynamo": on_aws()}
    wrong = [
        said for store, cells in stores.items() if chosen in (None, store) for said in asyncio.run(race(store, cells))
    ]
    print(f"\n{time.monotonic() - began:.0f} s")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
