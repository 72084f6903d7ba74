"""Runs the official conformance suite, directly and through the gateway, and compares the two check by check.

As a program (`make conformance`) it prints a summary for every revision and ends with 1 when anything is amiss.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conformance.shim import shim
from tests.gateway_process import gateway
from tests.processes import conformance_server
from tests.programs import node, npm_folder

REVISIONS = ("2025-11-25", "2026-07-28")
LIMIT_S = 120.0

RESULT_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


BY_DESIGN = {
    ("server-sse-polling", "server-sse-disconnect-resume"): (
        "When an upstream closes a stream early, the gateway itself comes back for the rest. Its client sees one stream"
        " to the end, so there is nothing left for the client to resume, and the suite says so instead of judging."
    ),
}
"""Scenario and check where the gateway may differ from its upstream, and why. None of them is scored."""


@dataclass(frozen=True, order=True, slots=True)
class Check:
    """One verdict of the suite."""

    scenario: str
    id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the suite found in one pass; `details` are for the person who reads a failure."""

    checks: Counter[Check]
    details: dict[Check, str]

    def failures(self, scored: Sequence[str]) -> list[Check]:
        """Checks of scored scenarios that did not pass; a skipped or informative one is no failure."""
        return sorted(one for one in self.checks if one.scenario in scored and one.status in ("FAILURE", "WARNING"))

    def missing(self, scored: Sequence[str]) -> list[str]:
        """Scored scenarios without a verdict."""
        return sorted(set(scored) - {one.scenario for one in self.checks if one.status == "SUCCESS"})

    def passed(self, scored: Sequence[str]) -> int:
        """How many scored checks passed."""
        return sum(n for one, n in self.checks.items() if one.scenario in scored and one.status == "SUCCESS")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One requirement set, run directly and through the gateway."""

    revision: str
    scored: tuple[str, ...]
    direct: Run
    through: Run

    def differences(self) -> list[tuple[str, Check]]:
        """Checks that only one of the two runs has, but for those that differ by design."""
        lost = [("direct only", one) for one in self.direct.checks - self.through.checks]
        new = [("gateway only", one) for one in self.through.checks - self.direct.checks]
        found = [pair for pair in lost + new if (pair[1].scenario, pair[1].id) not in BY_DESIGN]
        return sorted(found, key=lambda pair: pair[1])

    def complaints(self) -> list[str]:
        """Everything that keeps the two from being complete and equal; empty when all is well."""
        lines = []
        for label, run in (("direct", self.direct), ("gateway", self.through)):
            lines += [f"{label:12} no verdict {name}" for name in run.missing(self.scored)]
            lines += [row(label, one, run.details.get(one, "")) for one in run.failures(self.scored)]
        for label, one in self.differences():
            run = self.direct if label.startswith("direct") else self.through
            lines.append(row(label, one, run.details.get(one, "")))
        return lines

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.revision}  scenarios {len(self.scored)}  scored checks passed: direct"
            f" {self.direct.passed(self.scored)}, gateway {self.through.passed(self.scored)}"
            f"  different: {len(self.differences())}"
        )


def row(label: str, check: Check, details: str) -> str:
    """One line of the table of complaints."""
    return f"{label:12} {check.status:8} {check.scenario}  {check.id}  {check.name}  {details}"


def scored_scenarios(revision: str) -> tuple[str, ...]:
    """The server scenarios that `revision` requires, from the suite's own frozen list."""
    file = (
        npm_folder("conformance") / "node_modules/@modelcontextprotocol/conformance/requirements" / f"{revision}.yaml"
    )
    return tuple(yaml.safe_load(file.read_text())["server"])


def read_run(folder: Path) -> Run:
    """The verdicts that the suite wrote into `folder`. Its log lines (status INFO) are not verdicts."""
    checks: Counter[Check] = Counter()
    details: dict[Check, str] = {}
    for file in folder.glob("*/checks.json"):
        named = RESULT_FOLDER.fullmatch(file.parent.name)
        if named is None:
            raise ValueError(f"The suite changed how it names its folders: {file.parent.name}")
        for said in json.loads(file.read_text()):
            if said["status"] != "INFO":
                check = Check(named["scenario"], said["id"], said["name"], said["status"])
                checks[check] += 1
                details[check] = said.get("errorMessage") or ""
    return Run(checks, details)


async def run(url: str, revision: str, folder: Path) -> Run:
    """Run the suite against `url`."""
    program = npm_folder("conformance") / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    options = ["server", "--url", url, "--requirements", revision, "--output-dir", str(folder)]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(node(), program, *options, stdout=log, stderr=log)
        try:
            await asyncio.wait_for(process.wait(), LIMIT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"The suite did not end within {LIMIT_S:g} s against {url}") from None
    return read_run(folder)


async def compare(revision: str, folder: Path) -> Comparison:
    """Run one requirement set both ways."""
    scored = await asyncio.to_thread(scored_scenarios, revision)
    with conformance_server(folder) as upstream:
        direct = await run(upstream, revision, folder / "direct")
        with gateway(folder) as gate:
            endpoint = gate.serve("conformance", upstream)
            async with shim(endpoint, gate.key()) as url:
                through = await run(url, revision, folder / "gateway")
    return Comparison(revision, scored, direct, through)


def main() -> int:
    """Print a summary of every requirement set."""
    amiss = False
    for revision in REVISIONS:
        with tempfile.TemporaryDirectory(prefix="gatehouse-conformance-") as folder:
            found = asyncio.run(compare(revision, Path(folder)))
        complaints = found.complaints()
        print("\n".join([found.summary(), *complaints]))
        amiss = amiss or bool(complaints)
    return int(amiss)


if __name__ == "__main__":
    sys.exit(main())
