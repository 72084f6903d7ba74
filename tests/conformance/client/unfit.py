"""The list of what does not pass in `client` mode, each with its reason.

Only the list; `judging` holds the runs against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conformance.client.cells import CLIENT_CELLS, ClientCell

Named = tuple[str, str]
"""Scenario and name of a check: the suite uses one id for several."""

UNFIT = Path(__file__).parent / "unfit.yaml"


@dataclass(frozen=True, slots=True)
class Unfit:
    """Checks of one scenario that do not pass in some cells."""

    cells: tuple[str, ...]
    scenario: str
    checks: tuple[str, ...]
    reason: str

    @property
    def keys(self) -> tuple[Named, ...]:
        """What the entry is about."""
        return tuple((self.scenario, check) for check in self.checks)


def read_unfit(file: Path = UNFIT) -> tuple[Unfit, ...]:
    """Every entry of the list.

    Raises:
        ValueError: An entry does not say all four things, or names a cell that there is not.
    """
    cells = {str(cell) for cell in CLIENT_CELLS}
    found = []
    for entry in yaml.safe_load(file.read_text()):
        if set(entry) != {"cells", "scenario", "checks", "reason"} or not all(entry.values()):
            raise ValueError(f"{file.name}: an entry says cells, scenario, checks and reason, and no more: {entry}")
        if unknown := set(entry["cells"]) - cells:
            raise ValueError(f"{file.name}: {', '.join(sorted(unknown))} is none of {', '.join(sorted(cells))}")
        found.append(Unfit(tuple(entry["cells"]), entry["scenario"], tuple(entry["checks"]), entry["reason"]))
    return tuple(found)


def of(cell: ClientCell, entries: Sequence[Unfit]) -> tuple[Unfit, ...]:
    """The entries about `cell`."""
    return tuple(entry for entry in entries if str(cell) in entry.cells)
