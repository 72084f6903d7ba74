"""What makes a run of the matrix good or bad, on made-up verdicts."""

from collections import Counter

import pytest
import yaml

from tests.conformance.cells import CELLS, Cell
from tests.conformance.judging import Judged
from tests.conformance.uncrossable import Uncrossable, read_uncrossable
from tests.conformance.verdicts import Check, Run

SAME, CROSSED = Cell("2026-07-28", "modern"), Cell("2026-07-28", "legacy")
SCORED = ("asking", "tools")


def verdicts(*remarks: str, **statuses: str) -> Run:
    """A run: each check of the scenario `asking` with its status, and `tools` passed."""
    checks = Counter(Check("asking", name, name, status) for name, status in statuses.items())
    checks[Check("tools", "list", "list", "SUCCESS")] += 1
    return Run(checks, {}, frozenset(("asking", name) for name in remarks))


GOOD = verdicts(first="SUCCESS", second="SUCCESS")


def judged(through: Run, *listed: str, cell: Cell = CROSSED) -> Judged:
    entries = tuple(Uncrossable(str(cell), "asking", name, "no word for it", "nowhere") for name in listed)
    return Judged(cell, SCORED, GOOD, through, entries)


@pytest.mark.parametrize("cell", [SAME, CROSSED], ids=str)
def test_a_cell_is_good_when_all_that_passes_directly_comes_through(cell):
    assert judged(GOOD, cell=cell).complaints() == []


@pytest.mark.parametrize("status", ["FAILURE", "WARNING", "SKIPPED"])
def test_a_check_that_does_not_pass_is_a_complaint(status):
    (complaint,) = judged(verdicts(first="SUCCESS", second=status)).complaints()
    assert status in complaint
    assert "asking  second" in complaint


def test_a_check_that_was_never_reached_is_a_complaint():
    (complaint,) = judged(verdicts(first="SUCCESS")).complaints()
    assert "MISSING  asking  second" in complaint


def test_a_failure_that_no_direct_run_knows_is_a_complaint():
    (complaint,) = judged(verdicts(first="SUCCESS", second="SUCCESS", error="FAILURE")).complaints()
    assert "asking  error" in complaint


def test_a_crossed_cell_may_answer_where_the_suite_only_remarks():
    assert judged(verdicts("second", first="SUCCESS")).complaints() == []


def test_a_listed_check_may_fail_and_the_report_says_why():
    found = judged(verdicts(first="SUCCESS", second="FAILURE"), "second")
    assert found.complaints() == []
    assert "no word for it nowhere" in found.report()


def test_a_listed_check_that_passes_is_a_complaint():
    assert judged(GOOD, "second").complaints() == ["uncrossable.yaml: asking second passes"]


def test_a_listed_check_that_the_suite_does_not_know_is_a_complaint():
    assert judged(GOOD, "third").complaints() == ["uncrossable.yaml: asking third is not known to the suite"]


def test_within_one_era_even_what_is_not_scored_must_be_equal():
    through = Run(GOOD.checks + Counter([Check("extension", "new", "new", "FAILURE")]), {})
    assert judged(through).complaints() == []
    (complaint,) = judged(through, cell=SAME).complaints()
    assert complaint.startswith("gateway only: ")


def test_a_suite_that_did_not_end_is_a_complaint():
    assert judged(Run(GOOD.checks, {}, cut_off=True)).complaints() == ["the suite did not end, gateway"]


def test_only_crossings_and_whole_entries_may_be_listed(tmp_path):
    file = tmp_path / "uncrossable.yaml"
    entry = {"scenario": "asking", "check": "first", "reason": "none", "section": "nowhere"}
    file.write_text(yaml.safe_dump([{"cell": str(CROSSED), **entry}]))
    assert [one.key for one in read_uncrossable(file)] == [("asking", "first")]
    file.write_text(yaml.safe_dump([{"cell": str(SAME), **entry}]))
    with pytest.raises(ValueError, match="2026-07-28:modern is none of"):
        read_uncrossable(file)
    file.write_text(yaml.safe_dump([entry]))
    with pytest.raises(ValueError, match="an entry says cell, check, reason, scenario, section"):
        read_uncrossable(file)


def test_the_list_of_what_cannot_cross_is_readable():
    assert {entry.cell for entry in read_uncrossable()} <= {str(cell) for cell in CELLS if cell.crossed}
