"""Redirect URIs beside the corpus: the matcher against a short oracle, and how answers are put on them."""

import string
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_core.issuer.redirects import is_loopback, leads_to, matches, problem_of, with_parameters

schemes = st.sampled_from(["http", "https", "cursor", "com.example.app", "HTTP", "javascript"])
hosts = st.sampled_from(
    [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "app.example",
        "127.0.0.2",
        "localhost.evil.example",
        "LOCALHOST",
        "a@127.0.0.1",
    ]
)
ports = st.sampled_from(["", ":", ":0", ":1", ":80", ":080", ":4711", ":65535", ":65536", ":x", ":1:2"])
paths = st.sampled_from(["", "/", "/cb", "/CB", "/cb/", "//cb", "/cb?x=1", "?x=1", "/cb#x", "/cb?", "/%63b"])
uris = st.builds("{}://{}{}{}".format, schemes, hosts, ports, paths)


def oracle(registered: str, asked: str) -> bool:
    """RFC 9700, section 4.1.3, with the exception of RFC 8252, section 7.3, by another parser."""
    if registered == asked:
        return True
    for uri in (registered, asked):
        parts = urlsplit(uri)
        written = parts.netloc.removeprefix(parts.hostname or "").removeprefix(f"[{parts.hostname}]").removeprefix(":")
        good_port = written == "" if not parts.netloc.endswith(":") else False
        good_port = good_port or (written.isdigit() and not written.startswith("0") and int(written) < 65536)
        if not uri.startswith("http://") or parts.hostname not in ("localhost", "127.0.0.1", "::1") or not good_port:
            return False
    one, other = urlsplit(registered), urlsplit(asked)
    tails = [uri.partition("://")[2][len(urlsplit(uri).netloc) :] or "/" for uri in (registered, asked)]
    return one.hostname == other.hostname and tails[0] == tails[1]


@given(registered=uris, asked=uris)
@example("http://127.0.0.1/", "http://127.0.0.1:33418")
@example("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb")
def test_a_request_may_name_the_same_bytes_or_another_port_of_this_machine_and_nothing_else(registered, asked):
    if problem_of(registered) is None and registered[:4] != "HTTP" and "LOCAL" not in registered:
        assert matches(registered, asked) == oracle(registered, asked)


@given(text=st.text(max_size=40), other=st.text(max_size=40))
def test_no_text_makes_the_matcher_fail_or_match_what_is_not_the_same(text, other):
    problem_of(text)
    assert matches(text, other) == (text == other)


@given(
    query=st.sampled_from(["", "?", "?x=1", "?x=%20&y=+", "?x=1&", "?a=b?c", "?é".encode().hex() and "?%c3%a9"]),
    pairs=st.lists(
        st.tuples(st.sampled_from(["code", "state", "iss"]), st.text(string.printable + "é💥&=#+% ")), min_size=1
    ),
)
def test_an_answer_comes_behind_what_stood_in_the_query_and_reads_back_as_it_was(query, pairs):
    uri = f"https://app.example/cb{query}"
    built = with_parameters(uri, pairs)
    assert built.startswith(uri)
    assert built.isascii()
    assert not set(built) & set('# "<>\r\n')
    own = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    assert parse_qsl(urlsplit(built).query, keep_blank_values=True) == [*own, *pairs]


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "error_description", "co%64e", "CODE", "iss;x"])
@pytest.mark.parametrize("uri", ["https://app.example/cb?{}=1", "http://127.0.0.1/?x=1&{}", "com.example.app:/cb?{}="])
def test_no_redirect_uri_holds_an_answer_before_there_is_one(uri, name):
    problem = problem_of(uri.format(name))
    assert problem is not None
    assert "parameter that only an answer may have" in problem


@pytest.mark.parametrize("uri", ["https://app.example/code?codes=1&x=state&my.iss=", "https://a.example/cb?", "a.b:/?"])
def test_other_parameters_of_a_redirect_uri_are_its_own_affair(uri):
    assert problem_of(uri) is None


@pytest.mark.parametrize(
    ("uri", "public_url", "ours"),
    [
        ("https://gw.example/cb", "https://gw.example", True),
        ("https://GW.example:443/oauth/callback", "https://gw.example", True),
        ("https://gw.example/", "https://GW.example:443/prod", True),
        ("https://gw.example:8443/cb", "https://gw.example", False),
        ("https://gw.example.evil.example/cb", "https://gw.example", False),
        ("https://app.gw.example/cb", "https://gw.example", False),
        ("http://127.0.0.1:8787/cb", "http://127.0.0.1:8787", True),
        ("http://localhost:8787/cb", "http://127.0.0.1:8787", True),
        ("http://[::1]:8787/cb", "http://127.0.0.1:8787", True),
        ("http://127.0.0.1:8788/cb", "http://127.0.0.1:8787", False),
        ("http://127.0.0.1/cb", "https://gw.example", False),
        ("com.example.app:/cb", "https://gw.example", False),
        ("com.example.app://gw.example/cb", "https://gw.example", False),
    ],
)
def test_an_address_of_the_gateway_itself_is_known_however_it_is_written(uri, public_url, ours):
    assert leads_to(uri, public_url) == ours


def test_a_private_scheme_takes_an_answer_like_any_other():
    assert with_parameters("com.example.app:/cb", [("code", "a b")]) == "com.example.app:/cb?code=a%20b"


def test_no_separator_is_written_where_one_stands_already():
    for uri in ("https://app.example/cb?", "https://app.example/cb?x=1&"):
        assert with_parameters(uri, [("code", "c")]) == f"{uri}code=c"


def test_only_http_on_this_machine_is_called_this_machine():
    assert is_loopback("http://127.0.0.1:4711/callback")
    assert is_loopback("http://[::1]/")
    for other in (
        "https://localhost/",
        "http://localhost.evil.example/",
        "http://localho\u017ft/",
        "cursor://localhost",
    ):
        assert not is_loopback(other)
