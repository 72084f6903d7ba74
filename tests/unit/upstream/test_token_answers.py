"""What token endpoints answer, read: standard, nearly standard, hostile."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.protocol.challenges import MAX_SCOPES
from gateway_core.upstream.token_answers import (
    MAX_LIFE_S,
    MAX_RETRY_AFTER_S,
    MAX_TOKEN,
    MAX_WORDS,
    Granted,
    InvalidClient,
    InvalidGrant,
    OtherRefusal,
    ServerError,
    expires_in,
    public_words,
    read_answer,
)

GOOD = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt", "scope": "a b"}


def read(answer, status=200, headers=None, sent=frozenset()):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_answer(status, headers or {}, body, sent=sent)


def test_a_whole_answer_gives_token_refresh_token_life_and_scopes():
    assert read(GOOD) == Granted("at", "rt", 3600, ("a", "b"), GOOD)
    assert read({**GOOD, "token_type": "bearer"}) != ServerError("")


def test_what_is_left_out_stays_as_it_was_or_as_it_was_asked():
    answer = read({"access_token": "at", "token_type": "Bearer"})
    assert isinstance(answer, Granted)
    assert (answer.refresh_token, answer.expires_in, answer.scopes) == (None, None, None)
    # RFC 6749, section 7.1, forbids kinds that one does not know; one that is not told can only be the usual one.
    assert isinstance(read({"access_token": "at"}), Granted)


def test_of_the_scopes_that_are_told_as_many_are_kept_as_anybody_means():
    answer = read({**GOOD, "scope": " ".join(["a", "a", "\u00e4", *(f"s{number}" for number in range(1_000))])})
    assert isinstance(answer, Granted)
    assert answer.scopes is not None
    assert (answer.scopes[:2], len(answer.scopes)) == (("a", "s0"), MAX_SCOPES)


@pytest.mark.parametrize("kind", ["DPoP", "mac", "N_A", "", 7, None])
def test_a_token_of_another_kind_is_not_used(kind):
    assert isinstance(read({**GOOD, "token_type": kind}), OtherRefusal)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ä", 7, None, ["at"], "x" * (MAX_TOKEN + 1)])
def test_what_no_header_can_carry_is_no_token(token):
    assert isinstance(read({**GOOD, "access_token": token}), ServerError)
    kept = read({**GOOD, "refresh_token": token})
    assert isinstance(kept, Granted)
    assert kept.refresh_token is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3600, 3600), ("3600", 3600), (3600.0, 3600), (59.9, 59), (1, 1), (MAX_LIFE_S, MAX_LIFE_S),
        (0, None), (-1, None), ("", None), ("soon", None), ("1e3", None), ("٣", None), (None, None), (True, None),
        ([60], None), (MAX_LIFE_S + 1, None), ("9" * 5000, None), (1e300, None),
    ],
)  # fmt: skip
def test_a_life_is_read_however_it_is_written_and_nonsense_is_no_life(told, seconds):
    assert expires_in(told) == seconds


def test_errors_are_told_apart_by_their_code_whatever_the_status():
    for status in (200, 400, 401, 403):
        assert isinstance(read({"error": "invalid_grant"}, status), InvalidGrant)
        assert isinstance(read({"error": "invalid_client"}, status), InvalidClient)
        assert isinstance(read({"error": "invalid_scope"}, status), OtherRefusal)
        assert isinstance(read({"error": "temporarily_unavailable"}, status), ServerError)
    # As GitHub and Slack say it, with a 200.
    assert isinstance(read({"error": "bad_refresh_token"}), InvalidGrant)
    assert isinstance(read({"ok": False, "error": "invalid_refresh_token"}), InvalidGrant)


def test_a_server_that_fails_has_refused_nothing():
    for status in (408, 425, 429, 500, 502, 503, 599):
        assert isinstance(read({"error": "invalid_grant"}, status), ServerError)
    for broken in (b"", b"<html>", b"{", b"[]", b'{"access_token":"a","access_token":"b"}', b"\xff", b"{}"):
        assert isinstance(read(broken), ServerError)


def test_a_refusal_without_a_code_and_a_redirect_are_told_by_their_status():
    assert read(b"no", 404) == OtherRefusal("http_404", "It answered HTTP 404 and did not say why.")
    assert "HTTP 302" in read(b"", 302).told


def test_a_server_says_when_to_come_back_within_bounds():
    assert read(b"", 503, {"retry-after": "7"}).retry_after_s == 7
    assert read(b"", 429, {"retry-after": "86400"}).retry_after_s == MAX_RETRY_AFTER_S
    for nonsense in ("", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 5000):
        assert read(b"", 503, {"retry-after": nonsense}).retry_after_s == 0


def test_words_are_repeated_on_one_line_shortened_and_never_with_a_secret_in_them():
    assert read({"error": "invalid_scope", "error_description": "No  such\nscope."}, 400).told == (
        "It says invalid_scope: No such scope."
    )
    told = read({"error": "invalid_grant", "error_description": "token rt-secret is spent"}, 400, sent={"rt-secret"})
    assert told == InvalidGrant("It says invalid_grant.")
    assert len(public_words("x" * 10_000, frozenset())) <= MAX_WORDS + 1
    assert [public_words(said, frozenset()) for said in ("who are you?", "no!", "no. ", "no")] == [
        "who are you?", "no!", "no.", "no.",
    ]  # fmt: skip
    assert public_words("a\x1b[31m\x00b\u202ec", frozenset()) == "a [31m b c."
    for nothing in (None, 7, "", " \n", ["x"]):
        assert public_words(nothing, frozenset()) == ""


@pytest.mark.parametrize("code", ["", 'a"b', "a\\b", "ä", "a\nb", "x" * 65])
def test_a_code_that_is_none_is_not_repeated(code):
    assert read({"error": code}, 400).told == "It says unreadable_error."


def test_nothing_of_a_token_is_in_a_repr():
    assert "at" not in repr(read(GOOD)).replace("Granted", "")


@given(st.integers(100, 599), st.binary(max_size=200))
def test_whatever_comes_is_a_value(status, body):
    assert read_answer(status, {}, body, sent=frozenset()) is not None


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "token_type", "expires_in", "scope", "error", "error_description"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.text()),
    )
)
def test_whatever_an_object_holds_only_what_can_be_sent_is_a_token(answer):
    found = read(answer)
    if isinstance(found, Granted):
        assert found.access_token.isascii()
        assert found.access_token.isprintable()
        assert found.expires_in is None or 0 <= found.expires_in <= MAX_LIFE_S
    else:
        assert found.told.isprintable()
