"""Corpus S1: every URL of it gets its verdict, when somebody saves it and when it is called."""

import logging
from pathlib import Path

import pytest

from gateway_core.egress import Egress, check_url
from gateway_core.errors import Invalid, UpstreamUnreachable
from tests.certificates import Authority
from tests.internet import Internet, internet, page
from tests.ssrf import Case, cases, hosts, policy_of, word_of
from tests.unit.egress.asking import opened, soon

GENERIC = "The server could not be reached."


def saved(case: Case) -> str:
    try:
        check_url(case.url, policy_of(case.policy))
    except Invalid as problem:
        return f"reject({word_of(problem.message)})"
    return "saved"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in cases()])
def test_every_url_that_is_enough_to_judge_by_itself_is_judged_when_it_is_saved(case: Case):
    assert saved(case) == (case.verdict if case.refused_unseen else "saved")


async def told(egress: Egress, case: Case) -> tuple[str, int, str]:
    """What a call of the case's URL comes to: a refusal; or status, and where it redirects to."""
    try:
        async with await egress.send("GET", case.url, [], deadline=soon()) as response:
            await response.read()
            return "", response.status, response.headers.get("location", "")
    except UpstreamUnreachable as problem:
        return problem.message, 0, ""


def why(log: pytest.LogCaptureFixture) -> str:
    """The reason of a refusal, which only the log has."""
    [(event, facts)] = [
        (record.message, vars(record)["fields"]) for record in log.records if record.message.startswith("egress_")
    ]
    if "why" in facts:
        return word_of(facts["why"])
    return "resolved" if event == "egress_refused" else "unresolved"


async def called(net: Internet, case: Case, authority: Authority, log: pytest.LogCaptureFixture) -> str:
    """The verdict on one case, by what a call does."""
    case.lead(net, page(b"here"))
    log.clear()
    async with opened(policy_of(case.policy), ssl_context=authority.trusting()) as egress:
        refusal, status, location = await told(egress, case)
    if refusal:
        assert (refusal, net.dialled, net.visits) == (GENERIC, [], [])
        assert len(net.asked) == (0 if case.refused_unseen else 1)
        return f"reject({why(log)})"
    [visit], [(address, port)] = net.visits, net.dialled
    if case.redirects:
        assert (status, location) == tuple(case.redirects[0])
        return "reject(redirect)"
    accepted = case.accepted
    assert accepted is not None
    assert (status, visit.greeted, port) == (200, accepted.greeted, accepted.port)
    assert net.asked == ([] if accepted.host == accepted.address else [accepted.host])
    return f"accept({accepted.scheme}://{visit.host}{visit.path} at {address})"


async def test_every_url_is_called_at_its_one_vetted_address_under_its_own_name_or_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="gateway_core.egress")
    authority = Authority.found(tmp_path)
    async with internet(authority.serving(*sorted(hosts()))) as net:
        verdicts = {case.id: await called(net, case, authority, caplog) for case in cases()}
    assert {case.id: case.verdict for case in cases() if verdicts[case.id] != case.verdict} == {}
