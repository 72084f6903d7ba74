"""Refresh tokens in turn, at the edges of every span."""

from dataclasses import replace

import pytest

from gateway_core.access.grants import Grant, Previous
from gateway_core.issuer import rotation
from gateway_core.issuer.codes import digest

NOW = 1_800_000_000
GRANT = Grant(
    id="g-2222222222222222", place="ws-22222222", member_id="p-22222222", client_id="c-22222222", client_name="App",
    client_kind="registered", redirect_uri="https://app.example/cb", resource="https://gw.example/research/mcp",
    scope="mcp", created_at=NOW, expires_at=NOW + rotation.ABSOLUTE_S, refresh_hash="now", refreshed_at=NOW,
)  # fmt: skip


def test_the_current_token_is_current():
    assert rotation.standing(GRANT, "now", NOW) == "current"


def test_a_token_that_never_was_is_unknown_and_proves_nothing():
    assert rotation.standing(GRANT, "made up", NOW) == "unknown"


@pytest.mark.parametrize(("after_s", "expected"), [(0, "lost_answer"), (60, "lost_answer"), (61, "stolen")])
def test_the_token_before_may_be_shown_again_for_a_minute(after_s, expected):
    grant = rotation.rotated(GRANT, "next", "sealed", NOW)
    assert rotation.standing(grant, "now", NOW + after_s) == expected


@pytest.mark.parametrize(("after_s", "expected"), [(0, "asked_again"), (60, "asked_again"), (61, "stolen")])
def test_the_token_before_may_be_shown_again_only_once(after_s, expected):
    grant = rotation.answered_again(rotation.rotated(GRANT, "next", "sealed", NOW))
    assert rotation.standing(grant, "now", NOW + after_s) == expected


def test_the_token_before_the_last_is_stolen_even_within_the_minute():
    grant = rotation.rotated(rotation.rotated(GRANT, "next", "sealed", NOW), "third", "sealed", NOW)
    assert rotation.standing(grant, "now", NOW) == "stolen"
    assert rotation.standing(grant, "next", NOW) == "lost_answer"


def test_twenty_old_tokens_are_remembered_and_the_next_older_one_is_unknown():
    grant = GRANT
    for turn in range(rotation.MAX_SPENT + 2):
        grant = rotation.rotated(grant, f"turn {turn}", "sealed", NOW)
    assert len(grant.spent) == rotation.MAX_SPENT
    assert rotation.standing(grant, "turn 0", NOW) == "stolen"
    assert rotation.standing(grant, "now", NOW) == "unknown"


def test_a_grant_ends_when_it_was_idle_for_a_month_or_after_half_a_year():
    assert rotation.ends_at(GRANT) == NOW + 30 * 86_400
    late = replace(GRANT, refreshed_at=NOW + 170 * 86_400)
    assert rotation.ends_at(late) == NOW + 180 * 86_400


def test_no_access_token_outlives_its_grant():
    assert rotation.access_life_s(NOW + 10_000, NOW) == 3_600
    assert rotation.access_life_s(NOW + 100, NOW) == 100


def test_answering_again_changes_nothing_where_nothing_was_answered():
    assert rotation.answered_again(GRANT) == GRANT
    assert rotation.rotated(GRANT, "next", "sealed", NOW).previous == Previous("now", NOW, "sealed")
    assert digest("x") == digest("x") != digest("y")
