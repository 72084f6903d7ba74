"""Request headers: one value for each name, with a note of what came twice."""

import pytest

from gateway_core.headers import read_headers


def test_the_first_of_two_equal_names_counts_and_the_second_is_noted():
    headers = read_headers([(b"Authorization", b" one "), (b"authorization", b"two"), (b"accept", b"*/*")])
    assert (headers.get("authorization"), headers.get("accept"), headers.get("x")) == ("one", "*/*", None)
    assert headers.repeated == {"authorization"}


@pytest.mark.parametrize(
    ("lines", "joined"),
    [([b"a=1"], "a=1"), ([b"a=1", b" b=2 "], "a=1; b=2"), ([b"a=1", b"a=2", b"c=3"], "a=1; a=2; c=3")],
)
def test_cookies_that_came_on_several_lines_are_read_as_one(lines, joined):
    headers = read_headers([(b"Cookie", line) for line in lines])
    assert headers.get("cookie") == joined
    assert headers.repeated == frozenset()
