"""Whether a cell of `client` mode is as it should be: every check passes but those on the list, and every visit ends as
it must.

Pure: the runs are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.conformance.client.cells import ClientCell
from tests.conformance.client.scenarios import Outcome
from tests.conformance.client.unfit import Named, Unfit
from tests.conformance.verdicts import Check, Run

REFUSED: Mapping[str, tuple[str, ...]] = {
    "auth/enterprise-managed-authorization": ("unsupported_grant_type",),
    "auth/iss-normalized": ("is somebody else's",),
    "auth/iss-supported-missing": ("does not say who gave it",),
    "auth/iss-unexpected": ("is somebody else's",),
    "auth/iss-wrong-issuer": ("is somebody else's",),
    "auth/metadata-issuer-mismatch": ("its metadata is the metadata of 'https://attacker.example.com'",),
    "auth/resource-mismatch": ("is for the resource 'https://evil.example.com/mcp'",),
    # The suite's server ends the matter itself after three requests, whatever they were.
    "auth/scope-retry-limit": ("that was not enough", "HTTP 410"),
    "auth/wif-jwt-bearer": ("takes no client that was not registered by hand",),
}
"""Scenarios in which nobody may get through, and what the person is told there, in one of these ways."""

LATE = ("sse-retry", "ClientRespectsRetryField")
"""The suite only warns when a client is back within a second that was to be back after half of one: a busy machine does
that to anybody. A failure counts."""


def named(check: Check) -> Named:
    """What the list knows a check by."""
    return check.scenario, check.name


@dataclass(frozen=True, slots=True)
class ClientJudged:
    """A cell that was run."""

    cell: ClientCell
    scored: tuple[str, ...]
    others: tuple[str, ...]
    """Scenarios that the suite runs without scoring them: extensions, and what came later."""
    run: Run
    outcomes: Mapping[str, Outcome]
    listed: tuple[Unfit, ...]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """All that were to be run."""
        return self.scored + self.others

    def failures(self) -> dict[Named, Check]:
        """Checks that did not pass, scored or not."""
        found = {named(one): one for one in self.run.failures(self.scenarios)}
        return {key: one for key, one in found.items() if key != LATE or one.status == "FAILURE"}

    def complaints(self) -> list[str]:
        """Everything that is not as expected; empty when all is well."""
        failed, known = self.failures(), {key for entry in self.listed for key in entry.keys}
        lines = ["the suite did not end"] if self.run.cut_off else []
        lines += [f"no verdict {name}" for name in self.run.missing(self.scored)]
        lines += [
            f"{one.status:8} {one.scenario}  {one.id}  {one.name}  {self.run.told(one)}"
            for key, one in failed.items()
            if key not in known
        ]
        lines += [self._stale(key) for key in sorted(known - set(failed))]
        return lines + list(self._ends())

    def _stale(self, key: Named) -> str:
        passed = {named(one) for one in self.run.checks if one.status == "SUCCESS"}
        what = "passes" if key in passed else "is not known to the suite"
        return f"unfit.yaml: {' '.join(key)} {what}"

    def _ends(self) -> Iterator[str]:
        """Visits that ended otherwise than they must. The suite itself judges only what its server has seen."""
        for name in self.scenarios:
            outcome, refused = self.outcomes.get(name), REFUSED.get(name)
            if outcome is None:
                yield f"{name} was not visited"
            elif outcome.through and refused is not None:
                yield f"{name} let its visitor through"
            elif not outcome.through and not any(words in outcome.said for words in refused or ()):
                yield f"{name} ended with: {outcome.said}"

    def report(self) -> str:
        """The result in one line, what did not pass, and what is excused."""
        complaints, failed = self.complaints(), self.failures()
        passed = sum(self.run.passed(self.scored).values())
        scored = sum(times for one, times in self.run.checks.items() if one.scenario in self.scored and _counts(one))
        excused = sum(1 for entry in self.listed for key in entry.keys if key in failed)
        cannot = f", {excused} cannot" if excused else ""
        state = "AMISS" if complaints else "ok"
        first = f"{self.cell!s:26} {passed:3}/{scored} scored checks passed{cannot}  {state}"
        reasons = [f"cannot:  {entry.scenario}  {', '.join(entry.checks)}  ({entry.reason})" for entry in self.listed]
        return "\n".join([first, *(f"    {line}" for line in [*complaints, *reasons])])


def _counts(check: Check) -> bool:
    return check.status != "SKIPPED"
