"""When tokens are renewed, decided at the edges."""

from dataclasses import replace
from typing import Any

import pytest

from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.leases import CALL_WITHIN_S, LEASE_S, SKEW_S, WRITE_S
from gateway_core.upstream.refreshing import POLL_S, WAIT_S
from gateway_core.upstream.renewal import Plan, Standing, drawn_early, due, failed_by, renewed_by
from gateway_core.upstream.token_answers import Granted, InvalidClient, OtherRefusal, ServerError, Unreachable
from gateway_core.upstream.token_endpoint import CALL_S, Client, TokenRequest, refresh_grant
from tests.flows.token_servers import TokenServer, connection
from tests.unit.upstream.processes import HOLDER, NOW, SERVER


def made(*, life: int | None = 3600, **changed: Any) -> Connection:
    until = None if life is None else NOW + life
    return connection(SERVER, TokenServer(), HOLDER, now=NOW, **{"expires_at": until, "sealed": "x", **changed})


def plan(found: Connection) -> Plan:
    return Plan(found, TokenRequest("https://login.example/token", Client("c", "none"), refresh_grant("rt")))


def granted(**told: Any) -> Granted:
    return Granted(**{"access_token": "a", "refresh_token": None, "expires_in": 60, "scopes": None, "told": {}, **told})


def test_a_lease_outlasts_a_call_a_write_and_the_difference_of_two_clocks():
    assert LEASE_S > CALL_S + WRITE_S + SKEW_S
    # Each clock may be wrong by two seconds, to either side.
    assert SKEW_S == 4.0
    # And a call that begins as late as it may is over before others can hold the lease.
    assert CALL_WITHIN_S + CALL_S + WRITE_S + SKEW_S <= LEASE_S - 1
    assert WAIT_S == 8.0
    assert POLL_S == (0.03, 0.08)


@pytest.mark.parametrize(("life", "margin"), [(3600, 60), (600, 60), (599, 59.9), (100, 10), (10, 1), (1, 0.1)])
def test_a_token_is_let_go_of_a_minute_before_its_end_or_a_tenth_of_its_life(life, margin):
    end = NOW + life
    assert not due(made(life=life), int(end - margin - 1))
    assert due(made(life=life), int(end - margin + 1))


def test_a_token_of_which_no_end_was_told_is_used_until_it_is_refused():
    forever = made(life=None)
    assert not due(forever, NOW + 10**9)
    assert not drawn_early(forever, NOW + 10**9, 0.0)
    assert Standing(forever, Tokens("a")).sendable(NOW + 10**9)


def test_nobody_is_drawn_before_the_last_fifth_and_everybody_at_its_end():
    hour = made()
    for draw in (0.0, 0.5, 0.999):
        assert not drawn_early(hour, NOW + 2880, draw)
        assert drawn_early(hour, NOW + 3540, draw)
    assert drawn_early(hour, NOW + 2881, 0.0)
    assert not drawn_early(hour, NOW + 3210, 0.51)
    assert drawn_early(hour, NOW + 3210, 0.49)


def test_a_token_is_sent_to_its_very_end_and_no_second_longer():
    tokens = Tokens("a")
    assert Standing(made(), tokens).sendable(NOW + 3599)
    assert not Standing(made(), tokens).sendable(NOW + 3600)
    assert not Standing(made(state="needs_consent"), tokens).sendable(NOW)
    # Refused for another reason, while what it holds still lives.
    assert Standing(made(state="broken"), tokens).sendable(NOW)
    assert not Standing(made(), None).sendable(NOW)
    assert not Standing(None, None).sendable(NOW)


def test_new_tokens_end_what_was_wrong_and_count_from_when_they_were_asked_for():
    before = made(state="broken", why="x", failures=3, not_before=NOW + 30)
    after = renewed_by(plan(before), granted(), NOW + 5)
    assert after == replace(before, refreshed_at=NOW + 5, expires_at=NOW + 65, state="ok", why=None, not_before=0,
                            failures=0)  # fmt: skip
    assert renewed_by(plan(before), granted(expires_in=None), NOW).expires_at is None
    assert renewed_by(plan(before), granted(scopes=("write",)), NOW).scopes == ("write",)
    assert renewed_by(plan(before), granted(), NOW).scopes == before.scopes


def test_a_server_that_fails_is_left_alone_for_longer_each_time_and_what_there_is_stays():
    found, pauses = made(), []
    for _ in range(7):
        found = failed_by(plan(found), ServerError("It answered HTTP 500."), "why", NOW)
        pauses.append(found.not_before - NOW)
    assert pauses == [2, 4, 8, 16, 30, 30, 30]
    assert (found.state, found.sealed, found.why) == ("ok", "x", "why")
    assert failed_by(plan(made()), ServerError("", retry_after_s=120), "", NOW).not_before == NOW + 120
    assert failed_by(plan(made()), Unreachable(""), "", NOW).not_before == NOW + 2
    # Ten years of failures are no overflow.
    assert failed_by(plan(made(failures=10**7)), ServerError(""), "", NOW).not_before == NOW + 30


def test_a_refusal_that_somebody_has_to_mend_is_asked_again_after_half_a_minute():
    for refusal in (InvalidClient(""), OtherRefusal("invalid_scope", "")):
        failed = failed_by(plan(made()), refusal, "why", NOW)
        assert (failed.state, failed.why, failed.not_before, failed.sealed) == ("broken", "why", NOW + 30, "x")
    # An account without a token is not well, whatever the reason.
    assert failed_by(plan(made(sealed="")), ServerError(""), "", NOW).state == "broken"
