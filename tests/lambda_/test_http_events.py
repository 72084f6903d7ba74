"""What becomes of API Gateway's events, and what an answer looks like to it."""

import pytest

from handlers.http_events import is_http, prelude, read_body, read_scope, whole_answer
from tests.lambda_.events import http, rest

LONE_SURROGATE = pytest.param("\ud800", id="lone surrogate")


@pytest.mark.parametrize("path", ["/ws-1%2Fsrv/%2e%2e/mcp", "/a%252Fb/mcp", "//a/./mcp", "/a%00/mcp", "/caf%C3%A9"])
@pytest.mark.parametrize("event", [rest, http])
def test_a_path_stays_as_it_was_sent_beside_its_one_decoding(event, path):
    scope = read_scope(event("GET", path), {})
    assert scope["raw_path"] == path.encode()
    assert "%2F" in scope["path"] if "%252F" in path else "%" not in scope["path"]


def test_repeated_headers_stay_apart_and_in_order():
    event = rest(multiValueHeaders={"Authorization": ["Bearer a", "Bearer b"], "authorization": ["Bearer c"]})
    assert [value for name, value in read_scope(event, {})["headers"] if name == b"authorization"] == [
        b"Bearer a",
        b"Bearer b",
        b"Bearer c",
    ]


def test_single_headers_are_read_where_there_are_no_others():
    assert read_scope(rest(multiValueHeaders=None), {})["headers"] == [(b"host", b"gate.example")]


def test_the_cookies_of_payload_2_become_one_header():
    assert (b"cookie", b"a=1; b=2") in read_scope(http(cookies=["a=1", "b=2"]), {})["headers"]


def test_a_query_string_comes_out_as_the_client_sent_it():
    query = {"code": ["a/b c", "%2F"], "state": ["é"]}
    event = rest(queryStringParameters={"code": "%2F", "state": "é"}, multiValueQueryStringParameters=query)
    assert read_scope(event, {})["query_string"] == b"code=a%2Fb+c&code=%252F&state=%C3%A9"
    assert read_scope(http(rawQueryString="code=a%2Fb+c"), {})["query_string"] == b"code=a%2Fb+c"


@pytest.mark.parametrize("event", [rest, http])
def test_who_the_client_is_comes_from_the_platform_whatever_the_headers_say(event):
    forged = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1", "X-Real-Ip": "198.51.100.1"}
    scope = read_scope(event(headers=forged, multiValueHeaders={}), {"request_id": "r"})
    assert scope["client"] == ("203.0.113.9", 0)
    assert scope["extensions"]["gatehouse.lambda"] == {"request_id": "r", "source_ip": "203.0.113.9"}


@pytest.mark.parametrize("host", ["evil/x?", "a:b:c", "gate.example:http", "", "[::1", LONE_SURROGATE])
@pytest.mark.parametrize("event", [rest, http])
def test_a_strange_host_changes_nothing_but_its_header(event, host):
    scope = read_scope(event("GET", "/a/b/mcp", headers={"Host": host}, multiValueHeaders={"Host": [host]}), {})
    assert (scope["path"], scope["scheme"], scope["server"]) == ("/a/b/mcp", "https", None)


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET"},
        {"httpMethod": "GET", "path": None, "headers": None, "requestContext": None, "body": None},
        {"httpMethod": "GET", "requestContext": {"identity": None}},
        {"requestContext": {"http": {"method": "GET"}}},
    ],
)
def test_what_an_event_leaves_out_is_empty(event):
    assert is_http(event)
    scope = read_scope(event, {})
    assert (scope["path"], scope["headers"], scope["query_string"], scope["client"]) == ("/", [], b"", ("", 0))
    assert read_body(event) == b""


@pytest.mark.parametrize("body", ["a", "e30", "e30=!", "é"])
def test_base64_that_is_none_is_an_error_of_the_request(body):
    with pytest.raises(ValueError, match=r".+"):
        read_body(rest(body=body, isBase64Encoded=True))


def test_a_body_is_bytes_whichever_way_it_travelled():
    assert read_body(rest(body="é")) == read_body(rest(body="w6k=", isBase64Encoded=True)) == "é".encode()


def test_a_binary_answer_is_base64_and_a_text_is_text():
    assert whole_answer(rest(), 200, [], b"\xff")["body"] == "/w=="
    assert whole_answer(rest(), 200, [], b"\xff")["isBase64Encoded"]
    assert whole_answer(rest(), 200, [], "é".encode())["body"] == "é"


def test_each_payload_version_is_answered_in_its_own_form():
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"Vary", b"x"), (b"vary", b"y")]
    assert whole_answer(rest(), 204, headers, b"")["multiValueHeaders"] == {
        "set-cookie": ["a=1", "b=2"],
        "vary": ["x", "y"],
    }
    answer = whole_answer(http(), 204, headers, b"")
    assert (answer["headers"], answer["cookies"]) == ({"vary": "x, y"}, ["a=1", "b=2"])


def test_the_prelude_ends_with_eight_zero_bytes():
    assert prelude(202, []) == b'{"statusCode": 202, "headers": {}, "cookies": []}' + b"\x00" * 8
