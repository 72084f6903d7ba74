"""What makes a run of the suite's `authorization` mode good or bad, on made-up verdicts."""

from collections import Counter
from collections.abc import Mapping

import pytest

from tests.conformance.authorization import AUTHORIZATION_CELLS, SCENARIOS, AuthorizationJudged
from tests.conformance.verdicts import Check, Run

METADATA, GRANT = SCENARIOS


GOOD = dict.fromkeys(SCENARIOS, "SUCCESS")


def judged(statuses: Mapping[str, str], *, cut_off: bool = False) -> AuthorizationJudged:
    """A run with a verdict on each of these scenarios."""
    checks = Counter(Check(name, name, name, status) for name, status in statuses.items())
    return AuthorizationJudged(AUTHORIZATION_CELLS[0], Run(checks, {}, cut_off=cut_off))


def test_a_run_in_which_every_scenario_passes_is_good():
    assert judged(GOOD).complaints() == []
    assert "2/2 passed  ok" in judged(GOOD).report()


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
def test_a_recommendation_that_is_not_met_counts_as_a_requirement_does(status):
    (missing, failed) = judged(GOOD | {GRANT: status}).complaints()

    assert missing == f"no verdict {GRANT}"
    assert failed.startswith(status)


def test_a_scenario_that_was_skipped_or_not_run_is_missed():
    assert judged(GOOD | {GRANT: "SKIPPED"}).complaints() == [f"no verdict {GRANT}"]
    assert judged({GRANT: "SUCCESS"}).complaints() == [f"no verdict {METADATA}"]


def test_a_scenario_that_the_suite_adds_counts_too():
    assert len(judged(GOOD | {"token-revocation": "FAILURE"}).complaints()) == 2


def test_a_suite_that_does_not_end_is_no_success():
    assert judged(GOOD, cut_off=True).complaints() == ["the suite did not end"]
