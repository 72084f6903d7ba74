"""WWW-Authenticate as servers write it, and as nobody should."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.protocol.challenges import MAX_SCOPES, Challenge, bearer, read_challenges, scopes_among

names = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,12}", fullmatch=True)
values = st.text(st.characters(max_codepoint=0xFF), max_size=20)
parameters = st.dictionaries(names, values, max_size=4)
tokens = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,12}={0,2}", fullmatch=True)
challenges = st.builds(Challenge, names, parameters) | st.builds(Challenge, names, st.just({}), tokens)
gaps = st.sampled_from([", ", ",", " , ", ",,", ", ,\t", " ,"])
spellings = st.sampled_from([str, str.upper, str.title])


@st.composite
def written(draw, wanted: tuple[Challenge, ...]) -> str:
    """One of the many ways to write these challenges (RFC 9110, sections 5.6 and 11)."""
    parts = []
    for challenge in wanted:
        scheme = draw(spellings)(challenge.scheme)
        if challenge.token is not None:
            parts.append(f"{scheme} {challenge.token}")
            continue
        said = []
        for name, value in challenge.parameters.items():
            bare = re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", value) and draw(st.booleans())
            escaped = re.sub(r'(["\\])', r"\\\1", value)
            equals = draw(st.sampled_from(["=", " = ", "=\t"]))
            said.append(f"{draw(spellings)(name)}{equals}{value if bare else f'{chr(34)}{escaped}{chr(34)}'}")
        parts.append(f"{scheme} {draw(gaps).join(said)}".rstrip(" ") if said else scheme)
    return str(draw(gaps)).join(parts)


@given(st.data(), st.lists(challenges, max_size=4).map(tuple))
def test_whatever_is_written_by_the_grammar_is_read_as_it_was_meant(data, wanted):
    text = data.draw(written(wanted))
    assert read_challenges(text) == wanted


@given(st.text() | st.text(alphabet='Bearer scope="\\,= \t;', max_size=60))
def test_nothing_that_a_server_sends_breaks_the_reader(text):
    for challenge in read_challenges(text):
        assert challenge.scheme == challenge.scheme.lower()
        assert all(name == name.lower() for name in challenge.parameters)
        assert len(challenge.scopes) <= MAX_SCOPES
    bearer(text)


@given(values, values)
def test_what_stands_between_quotes_is_never_taken_for_a_parameter(realm, hidden):
    smuggled = f'{realm}, Bearer scope={hidden}, resource_metadata="https://evil.example/"'
    escaped = re.sub(r'(["\\])', r"\\\1", smuggled)
    found = bearer(f'Basic realm="{escaped}", Bearer scope="read"')
    assert found == Challenge("bearer", {"scope": "read"})


@pytest.mark.parametrize(
    "piece",
    ['"', "a ", "a=", '\\"', "a,", " ", ";", '="', 'a="', "a=b ", "a" * 50 + "=", "Bearer x==,", "\\", "a " + " " * 50],
)
def test_a_field_as_long_as_a_head_may_be_is_read_in_a_blink(piece):
    text = f'Bearer x="{piece * (200_000 // len(piece))}'
    before = time.perf_counter()
    read_challenges(text)
    read_challenges(text.removeprefix('Bearer x="'))
    # Heads end at 16 KiB; what took the square of the length would take minutes here.
    assert time.perf_counter() - before < 3


def test_scopes_are_words_of_the_grammar_each_once_and_not_more_than_a_url_can_hold():
    assert scopes_among(["a", 'b"', "a", "", None, 7, "c\\", "d" * 256, "e" * 257, "é"]) == ("a", "d" * 256)
    assert len(scopes_among(str(number) for number in range(1_000))) == MAX_SCOPES
