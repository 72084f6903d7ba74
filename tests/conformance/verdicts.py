"""Runs the official conformance suite against one address and reads its verdicts. Judges none of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.programs import node, npm_folder

LIMIT_S = 120.0
"""The longest one pass may take; a sound one takes a few seconds."""

RESULT_FOLDER = re.compile(r"(?:(?:authorization-)?server-)?(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")

BAD = ("FAILURE", "WARNING")
"""A requirement and a recommendation that were not met."""

Key = tuple[str, str]
"""Scenario and id of a check. A scenario may give several verdicts under one id."""


@dataclass(frozen=True, order=True, slots=True)
class Check:
    """One verdict of the suite."""

    scenario: str
    id: str
    name: str
    status: str

    @property
    def key(self) -> Key:
        """What the verdict is about."""
        return self.scenario, self.id


@dataclass(frozen=True, slots=True)
class Run:
    """What the suite found in one pass; `details` are for the person who reads a failure."""

    checks: Counter[Check]
    details: dict[Check, str]
    remarks: frozenset[Key] = frozenset()
    """What the suite only remarked upon (status INFO), which is no verdict."""
    cut_off: bool = False
    """True when it did not end in time; what it found until then is kept."""

    def failures(self, scored: Sequence[str]) -> list[Check]:
        """Checks of scored scenarios that did not pass; a skipped or informative one is no failure."""
        return sorted(one for one in self.checks if one.scenario in scored and one.status in BAD)

    def missing(self, scored: Sequence[str]) -> list[str]:
        """Scored scenarios without a verdict."""
        return sorted(set(scored) - {one.scenario for one in self.checks if one.status == "SUCCESS"})

    def passed(self, scored: Sequence[str]) -> Counter[Key]:
        """How often each check of a scored scenario passed."""
        found: Counter[Key] = Counter()
        for one, times in self.checks.items():
            if one.scenario in scored and one.status == "SUCCESS":
                found[one.key] += times
        return found

    def told(self, check: Check) -> str:
        """What the suite says about `check`, on one line."""
        words = " ".join(self.details.get(check, "").split())
        return words if len(words) <= LONGEST else f"{words[:LONGEST]} …"


LONGEST = 300
"""Characters of a message that a person still reads in a table."""


def requirements(revision: str) -> dict[str, Any]:
    """The suite's own frozen list: scenarios under `server` and `client`, and with reasons under `not_scored`."""
    return dict(yaml.safe_load((package() / "requirements" / f"{revision}.yaml").read_text()))


def scored_scenarios(revision: str) -> tuple[str, ...]:
    """The server scenarios that `revision` requires."""
    return tuple(requirements(revision)["server"])


def read_run(folder: Path, *, cut_off: bool = False) -> Run:
    """The verdicts that the suite wrote into `folder`."""
    checks: Counter[Check] = Counter()
    details: dict[Check, str] = {}
    remarks: set[Key] = set()
    for file in folder.rglob("checks.json"):
        named = RESULT_FOLDER.fullmatch(file.parent.relative_to(folder).as_posix())
        if named is None:
            raise ValueError(f"The suite changed how it names its folders: {file.parent.name}")
        for said in json.loads(file.read_text()):
            check = Check(named["scenario"], said["id"], said["name"], said["status"])
            if check.status == "INFO":
                remarks.add(check.key)
            else:
                checks[check] += 1
                details[check] = said.get("errorMessage") or ""
    return Run(checks, details, frozenset(remarks), cut_off)


async def run(url: str, revision: str, folder: Path) -> Run:
    """Run the suite against `url`; what it writes goes into `folder`, what it prints beside it."""
    return await run_mode(["server", "--url", url, "--requirements", revision], folder)


async def run_mode(options: Sequence[str], folder: Path) -> Run:
    """Run the suite in the mode that `options` begin with."""
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            node(), package() / "dist" / "index.js", *options, "--output-dir", folder, stdout=log, stderr=log
        )
        try:
            await asyncio.wait_for(process.wait(), LIMIT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return read_run(folder, cut_off=True)
    return read_run(folder)


def package() -> Path:
    """The folder of the suite."""
    return npm_folder("conformance") / "node_modules/@modelcontextprotocol/conformance"
