"""Rules for the values of claims: what each way of matching takes, and what it does not."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.access.jwt_claims import MAX_COMPARED, MAX_VALUES, claims_problem, client_of
from gateway_core.registry.jwt_validation import ClaimRule, InlineKeys, JwtValidation, Match, from_data, to_data

NOW = 1_795_000_000
VALIDATION = JwtValidation("https://idp", InlineKeys('{"keys":[]}'), ("us",))
CLAIMS = {"iss": "https://idp", "aud": "us", "sub": "ana", "exp": NOW + 60, "iat": NOW}


def holds(match: Match, values: tuple[str, ...], value: Any) -> bool:
    validation = replace(VALIDATION, claim_rules=(ClaimRule("c", match, values),))
    claims = CLAIMS if value is ... else {**CLAIMS, "c": value}
    problem = claims_problem(claims, validation, NOW)
    assert problem is None or problem.reason == "jwt_claims"
    return problem is None


@pytest.mark.parametrize(
    ("match", "values", "fine", "wrong"),
    [
        ("exact", ("eng",), ["eng"], ["Eng", "eng ", "engx", ["eng"], None, ..., {"eng": 1}, "", []]),
        ("exact", ("a", "b"), ["a", "b"], ["a b", "c"]),
        ("exact", ("true",), [True, "true"], [False, 1, "True"]),
        ("exact", ("7",), [7, "7"], [7.0, True, [7]]),
        ("contains", ("eng", "ops"), ["eng", "x ops", ["ops"], ["x", "eng"]], ["engx", "x", [], ["eng x"], ..., None,
         {"eng": True}, [["eng"]], ""]),
        ("containsAll", ("eng", "ops"), ["ops eng x", ["eng", "ops"]], ["eng", "engops", [["eng"], "ops"], ...]),
        ("regex", ("team-[a-z]+",), ["team-a", ["x", "team-b"]], ["team-", "a team-a", "team-a\n", "team-A", ..., None,
         ["x"], [["team-a"]], {"team-a": 1}]),
        ("regex", ("a", ".*@acme\\.dev"), ["a", "ana@acme.dev"], ["ana@acme.dev.evil", "ana@acmexdev"]),
    ],
)  # fmt: skip
def test_a_claim_holds_for_the_values_that_it_is_asked_for_alone(match, values, fine, wrong):
    assert [value for value in fine if not holds(match, values, value)] == []
    assert [value for value in wrong if holds(match, values, value)] == []


def test_every_rule_has_to_hold_and_every_required_claim_has_to_be_there():
    rules = (ClaimRule("a", "exact", ("1",)), ClaimRule("b", "exact", ("2",)))
    both = replace(VALIDATION, claim_rules=rules, required_claims=("email", "zero"))
    claims = {**CLAIMS, "a": "1", "b": "2", "email": "x", "zero": 0}
    assert claims_problem(claims, both, NOW) is None
    for name, reason in (("a", "The claim a"), ("b", "The claim b"), ("email", "asked for here: email."),
                         ("zero", "asked for here: zero.")):  # fmt: skip
        for left in ({**claims, name: None}, {key: value for key, value in claims.items() if key != name}):
            problem = claims_problem(left, both, NOW)
            assert problem is not None
            assert reason in problem.text


def test_a_token_may_be_so_old_and_no_older():
    aged = replace(VALIDATION, max_age_s=1_800, clock_tolerance_s=0)
    assert claims_problem({**CLAIMS, "iat": NOW - 1_800}, aged, NOW) is None
    too_old = claims_problem({**CLAIMS, "iat": NOW - 1_801}, aged, NOW)
    assert too_old is not None
    assert too_old.text == "This token was made more than 1800 seconds ago. Get a new one."
    unknown = claims_problem({name: value for name, value in CLAIMS.items() if name != "iat"}, aged, NOW)
    assert unknown is not None
    assert unknown.reason == "jwt_times"


def test_another_claim_can_say_who_it_is():
    named = replace(VALIDATION, subject_claim="email")
    assert claims_problem({**CLAIMS, "email": "ana@acme.dev"}, named, NOW) is None
    problem = claims_problem(CLAIMS, named, NOW)
    assert problem is not None
    assert problem.reason == "jwt_subject"


def test_the_client_is_what_the_issuer_calls_it_within_bounds():
    assert client_of({"azp": "a", "client_id": "b"}) == "b"
    assert client_of({"cid": "x" * 100}) == "x" * 64
    assert client_of({"azp": 7, "client_id": "two\nlines"}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "c", "azp"])


@settings(max_examples=500, deadline=None)
@given(
    claims=st.dictionaries(NAMES, JSON, max_size=8),
    match=st.sampled_from(["exact", "contains", "containsAll", "regex"]),
)
def test_whatever_the_claims_are_they_are_judged_and_never_believed_by_mistake(claims, match):
    rule = ClaimRule("c", match, ("right-1",))
    validation = replace(VALIDATION, claim_rules=(rule,), max_age_s=60)
    assert claims_problem({**CLAIMS, **claims, "c": claims.get("c")}, validation, NOW) is not None
    client_of(claims)


def test_what_is_stored_is_read_back_as_it_was():
    whole = JwtValidation(
        "i", InlineKeys("{}"), ("a", "b"), ("RS256", "ES256"), ("x",), (ClaimRule("c", "regex", ("d", "e")),), 7, 8,
        "x-auth", "email",
    )  # fmt: skip
    assert from_data(to_data(whole)) == whole


def test_of_a_claim_with_very_many_values_the_first_are_looked_at():
    many = [f"g{number}" for number in range(MAX_VALUES)]
    assert holds("contains", (many[-1],), many)
    assert not holds("contains", ("more",), [*many, "more"])
    assert holds("regex", (f"g{MAX_COMPARED - 1}",), many)
    assert not holds("regex", (f"g{MAX_COMPARED}",), many)
    assert claims_problem({**CLAIMS, "aud": [*many, "us"]}, VALIDATION, NOW) is not None
