"""Patterns for claims: they say what Python's own say, and no pattern and no text takes long."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.access.patterns import MAX_DEPTH, MAX_PATTERN, MAX_STATES, MAX_TEXT, BadPattern, read_pattern

ATOMS = st.sampled_from(
    ["a", "b", "é", "\\.", "\\\\", "\\d", "\\W", ".", "[ab]", "[^a]", "[a-c_]", "[\\w-]", "[a-]", ""]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["?", "*", "+", "{2}", "{0,2}", "{1,3}", "{1,}", "{0,}"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, repeats).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
    )


@settings(max_examples=1_000, deadline=None)
@given(pattern=st.recursive(ATOMS, grown, max_leaves=5), text=st.text(alphabet="abcé1._-\\ \n", max_size=7))
def test_a_pattern_matches_the_whole_of_what_pythons_own_engine_matches(pattern, text):
    assert read_pattern(pattern).matches(text) == (re.fullmatch(pattern, text, re.ASCII) is not None)


@settings(max_examples=1_000, deadline=None)
@given(st.text(alphabet="ab()[]{}|?*+^$.\\-,:0123456789dwsDn", max_size=12))
def test_what_is_read_at_all_is_read_as_python_reads_it(pattern):
    try:
        read = read_pattern(pattern)
    except BadPattern:
        return
    for text in ("", "a", "ab", "b1", "aab", "-", ":", ",", "n"):
        assert read.matches(text) == (re.fullmatch(pattern, text, re.ASCII) is not None)


SLOW = ["(a*)*b", "(a|a)*b", "(a+)+", "(.*)(.*)(.*)(.*)x", "(a|b|ab)*c", "(?:a?){45}b", "(?:.*){45}x", "(?:(?:a*)*)*b"]


@pytest.mark.parametrize("pattern", SLOW)
def test_no_pattern_takes_long_whatever_the_text(pattern):
    read = read_pattern(pattern)
    begun = time.process_time()
    for text in ("a" * MAX_TEXT, "ab" * (MAX_TEXT // 2)):
        read.matches(text)
    assert time.process_time() - begun < 1


def test_a_text_over_the_bound_matches_nothing():
    assert read_pattern(".*").matches("x" * MAX_TEXT)
    assert not read_pattern(".*").matches("x" * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("^a", "no anchors are needed"), ("a$", "no anchors are needed"), ("(?=a)", "there is only"),
        ("(?i)a", "there is only"), ("(?P<n>a)", "there is only"), ("(a)\\1", "is not read here"),
        ("\\ba", "is not read here"), ("\\pL", "is not read here"), ("a**", "cannot be repeated"),
        ("a*?", "cannot be repeated"), ("a++", "cannot be repeated"), ("*a", "stands for nothing"),
        ("a{2", "is written {2}"), ("a{,2}", "is written {2}"), ("a{3,2}", "is no number of repeats"),
        ("a{0}", "is no number of repeats"), ("a{1000}", "is written {2}"), ("a{999}", "too large"),
        ("(?:a{99}){99}", "too large"), ("(a", "without its other half"), ("a)", "without its other half"),
        ("[a", "has nothing behind it"), ("[]", "at least one"), ("[z-a]", "to a later one"),
        ("[a-\\d]", "to a later one"), ("[\\W]", "cannot stand in a class"), ("[[]", "write \\["),
        ("a\\", "has nothing behind it"), ("}", "stands for nothing"), ("x" * (MAX_PATTERN + 1), "at most 200"),
        ("(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1), "more than 20 times"), ("(?:ab?c?){80}", "too large"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_when_it_is_written_and_says_why(pattern, told):
    with pytest.raises(BadPattern, match=re.escape(told)):
        read_pattern(pattern)


def test_an_automaton_keeps_within_its_bound():
    assert len(read_pattern("(?:a?){45}b").states) <= MAX_STATES
