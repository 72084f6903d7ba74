"""Whether a cell is as it should be: what a server gives directly comes through the gateway, but for what cannot cross.

Pure: the runs are made elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.cells import Cell
from tests.conformance.uncrossable import Uncrossable
from tests.conformance.verdicts import Check, Key, Run

BY_DESIGN = {
    ("server-sse-polling", "server-sse-disconnect-resume"): (
        "When an upstream closes a stream early, the gateway itself comes back for the rest. Its client sees one stream"
        " to the end, so there is nothing left for the client to resume, and the suite says so instead of judging."
    ),
}
"""Scenario and check where the gateway may differ from its upstream, and why. None of them is scored."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A check that did not come through."""

    key: Key
    status: str
    words: str

    def __str__(self) -> str:
        return f"{self.status:8} {self.key[0]}  {self.key[1]}  {self.words}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell that was run: `direct` is the measure, `through` what came out of the gateway."""

    cell: Cell
    scored: tuple[str, ...]
    direct: Run
    through: Run
    listed: tuple[Uncrossable, ...]

    def misses(self) -> list[Miss]:
        """Scored checks that pass directly and not here, and failures that there are only here."""
        bad = {one.key: one for one in self.through.failures(self.scored)}
        found = [Miss(key, one.status, self.through.told(one)) for key, one in bad.items()]
        passed, skipped = self.through.passed(self.scored), {one.key for one in self.through.checks}
        for key, times in self.direct.passed(self.scored).items():
            if key in bad or passed[key] >= times or key in self.through.remarks:
                continue
            found.append(Miss(key, "SKIPPED" if key in skipped else "MISSING", "no verdict; see the scenario's others"))
        return sorted(found, key=lambda miss: miss.key)

    def complaints(self) -> list[str]:
        """Everything that is not as expected; empty when all is well."""
        lines = [f"the suite did not end, {label}" for label, run in self._runs() if run.cut_off]
        lines += [f"direct:  no verdict {name}" for name in self.direct.missing(self.scored)]
        lines += [f"direct:  {row(self.direct, one)}" for one in self.direct.failures(self.scored)]
        misses = {miss.key: miss for miss in self.misses()}
        known = {entry.key for entry in self.listed}
        lines += [f"gateway: {miss}" for key, miss in misses.items() if key not in known]
        lines += [self._unfit(entry) for entry in self.listed if entry.key not in misses]
        return lines if self.cell.crossed else lines + self._differences()

    def _runs(self) -> tuple[tuple[str, Run], ...]:
        return ("direct", self.direct), ("gateway", self.through)

    def _unfit(self, entry: Uncrossable) -> str:
        what = "passes" if entry.key in self.direct.passed(self.scored) else "is not known to the suite"
        return f"uncrossable.yaml: {' '.join(entry.key)} {what}"

    def _differences(self) -> list[str]:
        """Checks, scored or not, that only one of the two runs has, but for those that differ by design."""
        lost, new = self.direct.checks - self.through.checks, self.through.checks - self.direct.checks
        found = [f"direct only:  {row(self.direct, one)}" for one in sorted(lost) if one.key not in BY_DESIGN]
        return found + [f"gateway only: {row(self.through, one)}" for one in sorted(new) if one.key not in BY_DESIGN]

    def summary(self) -> str:
        """One line for people."""
        wanted, here = self.direct.passed(self.scored), self.through.passed(self.scored)
        state = "ok" if not self.complaints() else "AMISS"
        excused = f", {len(self.listed)} cannot" if self.listed else ""
        return f"{self.cell!s:20} {(wanted & here).total():3}/{wanted.total()} passed{excused}  {state}"

    def report(self) -> str:
        """The summary and everything that did not pass."""
        reasons = {entry.key: f"({entry.reason} {entry.section})" for entry in self.listed}
        excused = [f"cannot:  {miss} {reasons[miss.key]}" for miss in self.misses() if miss.key in reasons]
        return "\n".join([self.summary(), *(f"    {line}" for line in [*self.complaints(), *excused])])


def row(run: Run, check: Check) -> str:
    """A verdict on one line."""
    return f"{check.status:8} {check.scenario}  {check.id}  {check.name}  {run.told(check)}"
