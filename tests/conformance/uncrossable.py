"""The list of what cannot cross: checks that fail in a crossed cell because the other era does not have what they test.

Only the list; `judging` holds the runs against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from tests.conformance.cells import CELLS, Cell
from tests.conformance.verdicts import Key

UNCROSSABLE = Path(__file__).parent / "uncrossable.yaml"


@dataclass(frozen=True, slots=True)
class Uncrossable:
    """A check that cannot pass in a cell, because it tests what the other era does not have."""

    cell: str
    scenario: str
    check: str
    reason: str
    section: str

    @property
    def key(self) -> Key:
        """What the entry is about."""
        return self.scenario, self.check


def read_uncrossable(file: Path = UNCROSSABLE) -> tuple[Uncrossable, ...]:
    """Every entry of the list.

    Raises:
        ValueError: An entry does not say all five things, or names a cell that is no crossing.
    """
    crossings = {str(cell) for cell in CELLS if cell.crossed}
    wanted = {field.name for field in fields(Uncrossable)}
    found = []
    for entry in yaml.safe_load(file.read_text()):
        if set(entry) != wanted or not all(isinstance(value, str) and value for value in entry.values()):
            raise ValueError(f"{file.name}: an entry says {', '.join(sorted(wanted))}, and no more: {entry}")
        if entry["cell"] not in crossings:
            raise ValueError(f"{file.name}: {entry['cell']} is none of {', '.join(sorted(crossings))}")
        found.append(Uncrossable(**entry))
    return tuple(found)


def of(cell: Cell, entries: Sequence[Uncrossable]) -> tuple[Uncrossable, ...]:
    """The entries about `cell`."""
    return tuple(entry for entry in entries if entry.cell == str(cell))
