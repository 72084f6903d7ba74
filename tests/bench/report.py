"""Rows of the benchmark: figures side by side, their ratio, the target it is held against. Pure: prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `value` is what the target judges."""

    what: str
    direct: float | None
    floor: float | None
    gateway: float | None
    value: float | None = None
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.value is None or not self.target:
            return None
        sign, _, bound = self.target.partition(" ")
        return self.value <= float(bound) if sign == "≤" else self.value >= float(bound)


def ratio(gateway: float | None, floor: float | None) -> float | None:
    """The gateway in multiples of the floor."""
    return gateway / floor if gateway is not None and floor else None


def shown(what: str, figures: Sequence[float | None]) -> Row:
    """A row that nothing judges."""
    direct, floor, gateway = figures
    return Row(what, direct, floor, gateway)


def against_floor(what: str, figures: Sequence[float | None], target: str = "") -> Row:
    """A row judged by its ratio."""
    direct, floor, gateway = figures
    return Row(what, direct, floor, gateway, ratio(gateway, floor), target)


def cell(number: float | None) -> str:
    """A figure with three digits that matter."""
    if number is None:
        return "-"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def table(rows: Sequence[Row], figures: tuple[str, str, str] = ("direct", "floor", "gateway")) -> str:
    """All rows, aligned, with what their figures are called at the top."""
    head = ("", *figures, "ratio", "target", "")
    marks = {None: "", True: "met", False: "MISSED"}
    lines = [head]
    for row in rows:
        cells = (cell(row.direct), cell(row.floor), cell(row.gateway), cell(row.value))
        lines.append((row.what, *cells, row.target, marks[row.met]))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in (0, 6) else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """All rows for a program."""
    return [asdict(row) | {"met": row.met} for row in rows]
