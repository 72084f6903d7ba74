"""What makes a run of the suite's `client` mode good or bad, on made-up verdicts, and what a scenario becomes here."""

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from tests.conformance.client.cells import CLIENT_CELLS
from tests.conformance.client.judging import ClientJudged
from tests.conformance.client.scenarios import Outcome, handed
from tests.conformance.client.unfit import Unfit, of, read_unfit
from tests.conformance.client.visit import calls, filled
from tests.conformance.verdicts import Check, Run

CELL = CLIENT_CELLS[0]
CALL, WRONG, EXTRA = "tools_call", "auth/iss-wrong-issuer", "auth/dpop"
PASSED = {(CALL, "Adds"): "SUCCESS", (WRONG, "Refuses"): "SUCCESS", (EXTRA, "Proves"): "FAILURE"}
THROUGH = Outcome(through=True, said="all done")
ENDS = {CALL: THROUGH, WRONG: Outcome(through=False, said="The answer is somebody else's."), EXTRA: THROUGH}
LISTED = (Unfit((str(CELL),), EXTRA, ("Proves",), "an extension"),)


def verdicts(statuses: dict[Any, str]) -> Counter[Check]:
    """By scenario and name."""
    return Counter(Check(scenario, name, name, status) for (scenario, name), status in statuses.items())


def judged(changed: dict[Any, str] | None = None, ends: dict[str, Outcome] | None = None, **more: Any) -> ClientJudged:
    run = Run(verdicts(PASSED | (changed or {})), {}, cut_off=more.get("cut_off", False))
    return ClientJudged(CELL, (CALL, WRONG), (EXTRA,), run, ends or ENDS, more.get("listed", LISTED))


def test_a_run_is_good_in_which_all_pass_but_what_is_listed_and_nobody_gets_through_who_must_not():
    assert judged().complaints() == []
    assert "2/2 scored checks passed, 1 cannot  ok" in judged().report()
    assert "an extension" in judged().report()


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
@pytest.mark.parametrize("scenario", [CALL, EXTRA])
def test_a_check_that_is_not_listed_must_pass_scored_or_not_and_a_recommendation_too(scenario, status):
    (complaint,) = judged({(scenario, "Another"): status}).complaints()
    assert complaint.startswith(f"{status:8} {scenario}")


def test_a_listed_check_that_passes_or_does_not_exist_spoils_the_run():
    assert judged({(EXTRA, "Proves"): "SUCCESS"}).complaints() == ["unfit.yaml: auth/dpop Proves passes"]
    unknown = Unfit((str(CELL),), "auth/new", ("Sings",), "nobody knows it")
    told = judged(listed=(*LISTED, unknown)).complaints()
    assert told == ["unfit.yaml: auth/new Sings is not known to the suite"]


def test_a_scored_scenario_without_a_verdict_and_a_suite_that_does_not_end_are_no_success():
    assert judged({(CALL, "Adds"): "SKIPPED"}).complaints() == [f"no verdict {CALL}"]
    assert judged(cut_off=True).complaints() == ["the suite did not end"]


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ({WRONG: THROUGH}, f"{WRONG} let its visitor through"),
        ({WRONG: Outcome(through=False, said="HTTP 500")}, f"{WRONG} ended with: HTTP 500"),
        ({CALL: Outcome(through=False, said="HTTP 500")}, f"{CALL} ended with: HTTP 500"),
    ],
)
def test_how_it_ended_for_the_caller_counts_though_the_suite_does_not_see_it(ends, told):
    assert judged(ends=ENDS | ends).complaints() == [told]


def test_a_scenario_that_was_never_visited_is_missed():
    assert judged(ends={name: end for name, end in ENDS.items() if name != CALL}).complaints() == [
        f"{CALL} was not visited"
    ]


def test_only_the_suites_clock_may_warn_of_a_busy_machine():
    late = {(CALL, "Adds"): "SUCCESS", ("sse-retry", "ClientRespectsRetryField"): "WARNING"}
    ends = ENDS | {"sse-retry": THROUGH}
    warned = ClientJudged(CELL, (CALL, "sse-retry"), (), Run(verdicts(late), {}), ends, ())
    assert warned.complaints() == ["no verdict sse-retry"]
    assert warned.failures() == {}


def test_every_entry_of_the_list_names_cells_that_there_are_and_gives_a_reason(tmp_path):
    entries = read_unfit()
    assert all(of(cell, entries) for cell in CLIENT_CELLS)
    file = tmp_path / "unfit.yaml"
    entry = {"cells": [str(CELL)], "scenario": EXTRA, "checks": ["Proves"], "reason": "an extension"}
    for wrong in ({"reason": ""}, {"cells": ["client:2024-11-05:legacy"]}, {"note": "more"}):
        file.write_text(yaml.safe_dump([entry | wrong]))
        with pytest.raises(ValueError, match=r"unfit\.yaml: "):
            read_unfit(file)


KEPT = {"secret": "auth-x"}
AUTH: dict[str, tuple[str, dict[str, Any], Any]] = {
    "open": ("tools_call", {}, {"type": "none"}),
    "found out": ("auth/x", {}, {"type": "oauth"}),
    "entered": (
        "auth/x",
        {"client_id": "c", "client_secret": "s"},
        {"type": "oauth", "client_id": "c", "client_secret": KEPT},
    ),
    "own account": (
        "auth/client-credentials-basic",
        {"client_id": "c", "client_secret": "s"},
        {
            "type": "client_credentials",
            "client_id": "c",
            "client_secret": {"secret": "auth-client-credentials-basic"},
        },
    ),
    "own account with a key": (
        "auth/x",
        {"client_id": "c", "private_key_pem": "k"},
        {"type": "client_credentials", "client_id": "c", "private_key": KEPT},
    ),
}


@pytest.mark.parametrize(("name", "context", "auth"), AUTH.values(), ids=AUTH.keys())
def test_what_the_suite_gives_a_client_beforehand_becomes_the_servers_entry(name, context, auth):
    told = {"scenario": name, "url": "http://localhost:1/mcp", "context": json.dumps(context)}
    scenario = handed(json.dumps(told))
    assert scenario.auth == auth
    assert scenario.secret in (None, "s", "k")


def test_a_form_keeps_its_defaults_and_tools_get_what_the_suite_says():
    assert filled({"age": {"type": "integer", "default": 30}, "ok": {"type": "boolean"}}) == {"age": 30, "ok": True}
    context = {"toolCalls": [{"name": "one", "arguments": {"verbose": None}}]}
    told = {"scenario": "http-custom-headers", "url": "http://localhost:1", "context": json.dumps(context)}
    assert calls(handed(json.dumps(told)), {"one": {}, "two": {}}) == [("one", {"verbose": None})]
