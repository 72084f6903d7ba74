"""The headers of a request to an upstream: what of a caller's goes on, what never does, and which of two counts."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.access.credentials import KEY_HEADERS
from gateway_core.admin.forwarding_drafts import MAX_RULES
from gateway_core.egress.requests import OWN_HEADERS, encode
from gateway_core.errors import Refused
from gateway_core.headers import Headers, read_headers
from gateway_core.registry.forwarded import HeaderForwarding, IdentityForwarding, unpassable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.upstream.outgoing import MAX_PASSED, MAX_PASSED_SIZE, merged, passed_on

NOBODYS: frozenset[str] = frozenset()


def server(forwarding: HeaderForwarding | None, identity: IdentityForwarding | None = None) -> Server:
    return Server("s", "linear", "Linear", "https://mcp.example.com/mcp", "auto", NoAuth(), "all",
                  forward_headers=forwarding, identity=identity)  # fmt: skip


def named(*headers: str | tuple[str, str]) -> HeaderForwarding:
    return HeaderForwarding("allowlist", tuple(each if isinstance(each, tuple) else (each, each) for each in headers))


def all_but(*headers: str) -> HeaderForwarding:
    return HeaderForwarding("all-except", tuple((each, each) for each in headers))


def came(*lines: tuple[str, str]) -> Headers:
    return read_headers([(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines])


def passed(forwarding: HeaderForwarding | None, *lines: tuple[str, str]) -> list[tuple[str, str]]:
    return passed_on(server(forwarding), came(*lines), NOBODYS)


def test_nothing_goes_on_unless_the_server_says_so():
    assert passed(None, ("X-Team", "a")) == []


def test_headers_that_are_named_go_on_some_of_them_by_other_names_and_one_by_two():
    rules = named("x-team", ("x-a", "x-b"), ("x-a", "x-c"), "x-absent")
    lines = ("X-Team", "red"), ("X-A", "1"), ("X-Other", "no"), ("x-b", "spoofed")
    assert passed(rules, *lines) == [("x-b", "1"), ("x-c", "1"), ("x-team", "red")]


def test_all_headers_but_those_that_are_named_go_on_under_their_own_names():
    lines = ("X-Debug", "1"), ("X-Team", "red"), ("Accept-Language", "de"), ("Cookie", "a=b"), ("User-Agent", "me")
    assert passed(all_but("x-debug"), *lines) == [("accept-language", "de"), ("x-team", "red")]


STAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "a credential": (("Authorization", "Bearer ghk_x"),),
    "a credential of another spelling": (("X_Api_Key", "ghk_x"),),
    "who somebody says to be": (("X-User-Claims", "{}"), ("x-user-jwt", "e30.e30."), ("X_USER_JWT", "e30.e30.")),
    "what MCP is spoken in": (("Mcp-Session-Id", "1"), ("MCP-Protocol-Version", "2"), ("Last-Event-Id", "3")),
    "what proxies say": (("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1"), ("X-Real-IP", "10.0.0.1")),
    "what an edge says": (("CloudFront-Viewer-Address", "10.0.0.1:1"), ("X-Gatehouse-Edge", "secret")),
    "what ends at the next hop": (("Connection", "close, X-Hop"), ("X-Hop", "1"), ("Te", "trailers")),
    "what ends there by a second line": (("Connection", "close"), ("connection", " x-hop "), ("X-Hop", "1")),
    "what came twice": (("X-Team", "red"), ("x-team", "blue")),
    "a name with an underscore": (("X_Team", "red"),),
    "a name that is none": (("X Team", "red"), ("X-Te\xe4m", "red"), ("", "red"), ("x-team:", "red")),
    "a value in another script": (("X-Team", "m\xfcller"),),
    "a value with a control character": (("X-Team", "a\x00b"), ("X-A", "a\x7f"), ("X-B", "a\tb")),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_must_not_leave_stays_whatever_the_setting_says(name: str):
    lines = STAYS[name]
    for forwarding in (
        all_but(),
        named(*{name.lower() for name, _ in lines}),
        named(*((n.lower(), "x-z") for n, _ in lines)),
    ):
        assert passed(forwarding, *lines, ("X-Fine", "1")) == ([("x-fine", "1")] if forwarding == all_but() else [])


def test_nothing_is_made_into_a_header_that_must_not_leave():
    targets = ("authorization", "x-user-jwt", "mcp-session-id", "cookie", "host", "x_team", "x team")
    assert passed(named(*(("x-a", target) for target in targets)), ("X-A", "1")) == []


def test_the_header_that_a_server_is_told_callers_in_is_never_a_callers_under_any_spelling():
    identity = IdentityForwarding("jwt_header", "x-caller", ("sub",))
    headers = came(("X-Caller", "me"), ("X_Caller", "me"), ("X-User-Claims", "me"), ("X-Fine", "1"))
    for rules in (all_but(), named("x-caller", "x-user-claims", ("x-fine", "x-caller"), "x-fine")):
        assert passed_on(server(rules, identity), headers, NOBODYS) == [("x-fine", "1")]
    # Older entries may have a name with an underscore.
    older = IdentityForwarding("jwt_header", "x_caller", ("sub",))
    assert passed_on(server(all_but(), older), headers, NOBODYS) == [("x-fine", "1")]


def test_a_header_in_which_the_gateway_takes_tokens_is_never_passed_on():
    headers = came(("X-Id-Token", "e30.e30.x"), ("X-Fine", "1"))
    for rules in (all_but(), named("x-id-token", ("x-fine", "x-id-token"), "x-fine")):
        assert passed_on(server(rules), headers, frozenset({"x-id-token"})) == [("x-fine", "1")]


def test_more_headers_than_may_go_on_are_refused_with_how_many_there_are_and_none_is_left_out():
    lines = [(f"X-{n}", "v") for n in range(MAX_PASSED)]
    assert len(passed(all_but(), *lines)) == MAX_PASSED == MAX_RULES
    with pytest.raises(Refused) as refused:
        passed(all_but(), *lines, ("X-More", "v"))
    assert refused.value.reason == "too_much_to_pass_on"
    assert f"{MAX_PASSED + 1} headers of this request" in refused.value.message
    assert f"would be passed on to Linear, and at most {MAX_PASSED} are" in refused.value.message
    assert "`forward_headers`" in refused.value.message
    # What stays here counts for nothing.
    assert len(passed(all_but(), *lines, ("Cookie", "v"))) == MAX_PASSED


def test_headers_that_are_too_large_together_are_refused_without_a_word_of_what_they_hold():
    fits = "v" * (MAX_PASSED_SIZE - len("x-a"))
    assert passed(named("x-a"), ("X-A", fits)) == [("x-a", fits)]
    with pytest.raises(Refused) as refused:
        passed(named("x-a"), ("X-A", f"{fits}v"))
    assert f"of {MAX_PASSED_SIZE + 1:,} characters" in refused.value.message
    assert "vv" not in refused.value.message


def test_of_two_headers_of_one_name_the_later_source_counts_however_each_is_spelled():
    credentials, own = [("Authorization", "Bearer t"), ("X-Tenant", "acme")], [("accept", "application/json")]
    found = merged([("x-tenant", "evil"), ("x-team", "red")], credentials, [("X-TEAM", "blue")], [], own)
    assert sorted(found) == [
        ("Authorization", "Bearer t"), ("X-TEAM", "blue"), ("X-Tenant", "acme"), ("accept", "application/json"),
    ]  # fmt: skip


NAMES = st.sampled_from(
    sorted(
        {
            *OWN_HEADERS, *KEY_HEADERS, "authorization", "cookie", "x-user-jwt", "x-user-claims", "x_user_jwt",
            "mcp-session-id", "mcp-param-x", "x-forwarded-for", "x-amzn-trace-id", "x-id-token", "X-Id-Token",
            "x_id_token", "x-caller", "x-team", "X-Team", "x-a", "x-b", "x team", "accept-language", "", "x-\xe4",
        }
    )
)  # fmt: skip
VALUES = st.text(st.characters(max_codepoint=255), max_size=12) | st.sampled_from(["x-team, x-b", "close", "1"])
RULES = st.builds(
    HeaderForwarding,
    st.sampled_from(["allowlist", "all-except"]),
    st.lists(st.tuples(NAMES.map(str.lower), NAMES.map(str.lower)), max_size=8).map(tuple),
)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@given(RULES, LINES)
def test_whatever_is_set_and_sent_no_withheld_name_leaves_and_every_header_can_be_sent(
    rules: HeaderForwarding, lines: Any
):
    headers = came(*lines)
    identity = IdentityForwarding("jwt_header", "x-caller", ("sub",))
    found = passed_on(server(rules, identity), headers, frozenset({"x-id-token"}))
    hop = {name.strip().lower() for line, value in lines if line.lower() == "connection" for name in value.split(",")}
    for name, value in found:
        assert unpassable(name) is None
        assert name not in {"x-caller", "x-id-token", *hop}
        assert re.fullmatch(r"[\x20-\x7e]*", value)
        assert value == value.strip()
    encode("POST / HTTP/1.1\r\n", found, b"")
    assert merged(found) == sorted(dict(found).items())


SOURCES = st.lists(
    st.lists(st.tuples(st.sampled_from(["x-a", "X-A", "x-B", "x-b", "c"]), st.text(max_size=3))), max_size=5
)


@given(SOURCES)
def test_each_name_goes_once_as_the_last_source_that_has_it_wrote_it(sources: Any):
    found = merged(*sources)
    lines = [field for source in sources for field in source]
    assert {name.lower() for name, _ in lines} == {name.lower() for name, _ in found}
    assert len({name.lower() for name, _ in found}) == len(found)
    for field in found:
        assert field == next(line for line in reversed(lines) if line[0].lower() == field[0].lower())
