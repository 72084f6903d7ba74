"""What reaches an application of the control plane: queries, cookies, and whose address the request has."""

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from gateway_core.errors import StoreUnavailable
from handlers.http_events import read_scope
from handlers.viewers import EDGE_HEADER, FRESH_S, RETRY_S, VIEWER_HEADER, Viewers
from tests.lambda_.control_plane import answers
from tests.lambda_.events import http, rest
from tests.lambda_.test_api import ENVIRONMENT

SETTINGS = ENVIRONMENT | {"PUBLIC_URL": "https://gate.example"}
AUTHORIZE = {
    "response_type": "code",
    "client_id": "https://client.example/metadata.json?a=b&c=%2F",
    "redirect_uri": "http://127.0.0.1:1455/cb?x=1&y=%2520#",
    "state": "a+b/c=d&e;f é\U0001f511",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "resource": "https://gate.example/research/linear/mcp",
    "scope": "mcp other",
}
NEXT = "/authorize?" + urlencode(AUTHORIZE)
REPEATED: dict[str, dict[str, list[str]]] = {
    "every parameter once": {name: [value] for name, value in AUTHORIZE.items()},
    "a whole request inside one parameter": {"next": [NEXT]},
    "one that was encoded twice": {"next": [quote(quote(NEXT))]},
    "a doubled one": {"client_id": ["a", "b"], "state": ["x"]},
    "one doubled with equal values": {"state": ["x", "x"]},
    "an empty one": {"state": [""], "scope": ["", ""]},
    "one without a name": {"": ["x"]},
    "brackets and quotes": {"a[]": ["<\"'>"], "b[c]": ["{}"]},
    "control characters": {"state": ["\x00\r\n\t\x7f"]},
    "one of 8 000 characters": {"state": ["s" * 8000]},
}


def rest_query(parameters: dict[str, list[str]]) -> dict[str, Any]:
    """The event of a REST API, which decodes queries before it tells of them."""
    last = {name: values[-1] for name, values in parameters.items()}
    return rest("GET", "/authorize", queryStringParameters=last, multiValueQueryStringParameters=parameters)


@pytest.mark.parametrize("name", REPEATED)
def test_names_and_values_of_a_query_arrive_as_they_were_sent(name: str):
    wanted = [(key, value) for key, values in REPEATED[name].items() for value in values]
    raw = urlencode(wanted)
    for event in (rest_query(REPEATED[name]), http("GET", "/authorize", rawQueryString=raw)):
        query = read_scope(event, {})["query_string"].decode()
        assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == wanted


def test_a_query_that_is_no_text_is_still_a_query():
    query = read_scope(rest_query({"state": ["a\ud800b"]}), {})["query_string"]
    assert query == b"state=a%3Fb"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    events = {
        "cookie": rest("GET", "/oauth/signin", multiValueHeaders={"Cookie": ["__Host-gatehouse=a; b=c"]}),
        "crumbs": rest("GET", "/oauth/signin", multiValueHeaders={"cookie": ["__Host-gatehouse=a", "b=c"]}),
        "cookies of payload 2.0": http("GET", "/oauth/signin", cookies=["__Host-gatehouse=a", "b=c"]),
        "well-known": rest("GET", "/.well-known/oauth-protected-resource/research/linear-2/mcp"),
        "form": rest("POST", "/token", body=urlencode(AUTHORIZE)),
        "edge": rest("GET", "/oauth/signin", multiValueHeaders={"X-Gatehouse-Edge": ["guess"], "Host": ["evil"]}),
    }
    found = answers(list(events.values()), SETTINGS, module="tests.lambda_.echoing")
    return dict(zip(events, found, strict=True))


@pytest.mark.parametrize("name", ["cookie", "crumbs", "cookies of payload 2.0"])
def test_cookies_arrive_as_one_header(seen, name: str):
    headers = json.loads(seen[name]["body"])["headers"]
    assert [value for key, value in headers if key == "cookie"] == ["__Host-gatehouse=a; b=c"]


def test_each_cookie_that_is_set_leaves_in_a_header_of_its_own(seen):
    cookies = ["__Host-gatehouse=a; Secure; Path=/", "other=b"]
    assert seen["cookie"]["multiValueHeaders"]["set-cookie"] == cookies
    assert seen["cookies of payload 2.0"]["cookies"] == cookies


def test_a_metadata_path_and_a_form_arrive_byte_for_byte(seen):
    path = json.loads(seen["well-known"]["body"])["path"]
    assert path == "/.well-known/oauth-protected-resource/research/linear-2/mcp"
    assert json.loads(seen["form"]["body"])["body"] == urlencode(AUTHORIZE)


def test_the_application_sees_our_own_host_and_never_what_stands_for_the_edge_key(seen):
    headers = json.loads(seen["edge"]["body"])["headers"]
    assert ["host", "gate.example"] in headers
    assert {key for key, _ in headers} == {"host"}


KEY = "the-edge-key"


class Vault:
    """The one secret that is asked for here; None while Secrets Manager does not answer."""

    def __init__(self, value: str | None = KEY) -> None:
        self.value = value
        self.broken = False
        self.asked = 0

    async def get(self, name: str) -> str | None:
        assert name == "edge-key"
        self.asked += 1
        if self.broken:
            raise StoreUnavailable("no answer")
        return self.value


def viewers(vault: Vault, clock: Any = lambda: 1000) -> Viewers:
    return Viewers(vault, clock)  # type: ignore[arg-type]


def through(key: str | None, *addresses: str) -> list[tuple[bytes, bytes]]:
    shown = [] if key is None else [(EDGE_HEADER, key.encode())]
    return shown + [(VIEWER_HEADER, address.encode()) for address in addresses]


CONNECTED = "203.0.113.9"


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2406:2d40:728d:fa10::c4a:42838", "2406:2d40:728d:fa10::c4a"),
        ("2001:DB8:0:0:0:0:0:1:443", "2001:db8::1"),
    ],
)
async def test_through_our_cdn_a_request_has_the_address_of_the_viewer(told: str, address: str):
    assert await viewers(Vault()).address(through(KEY, told), CONNECTED) == address


@pytest.mark.parametrize(
    "headers",
    [
        through(None, "198.51.100.10:46532"),
        through("", "198.51.100.10:46532"),
        through("the-edge-kez", "198.51.100.10:46532"),
        through(KEY + " ", "198.51.100.10:46532"),
        [*through(KEY, "198.51.100.10:46532"), (EDGE_HEADER, b"another")],
        through(KEY, "198.51.100.10:46532", "198.51.100.11:1"),
        through(KEY),
        through(KEY, "localhost:80"),
        through(KEY, ""),
        through(KEY, "1.2.3.4"),
        [(EDGE_HEADER, KEY.encode()), (VIEWER_HEADER, b"\xff\xfe:1")],
        [(b"x-forwarded-for", b"198.51.100.10"), (b"x-real-ip", b"198.51.100.10")],
    ],
)
async def test_who_goes_round_the_cdn_or_shows_no_key_has_the_address_they_called_from(headers):
    assert await viewers(Vault()).address(headers, CONNECTED) == CONNECTED


@pytest.mark.parametrize("vault", [Vault(None), Vault("")])
async def test_where_there_is_no_edge_key_nobody_can_show_it(vault: Vault):
    assert await viewers(vault).address(through("", "198.51.100.10:1"), CONNECTED) == CONNECTED
    assert await viewers(vault).address(through("None", "198.51.100.10:1"), CONNECTED) == CONNECTED


async def test_the_edge_key_is_read_once_in_five_minutes_and_kept_while_it_cannot_be_read():
    now, vault = [1000], Vault()
    one = viewers(vault, lambda: now[0])
    for _ in range(3):
        assert await one.address(through(KEY, "198.51.100.10:1"), CONNECTED) == "198.51.100.10"
    await one.address(through("guess", "198.51.100.10:1"), CONNECTED)
    assert vault.asked == 1
    now[0] += FRESH_S
    vault.broken = True
    assert await one.address(through(KEY, "198.51.100.10:1"), CONNECTED) == "198.51.100.10"
    assert vault.asked == 2


async def test_an_edge_key_that_could_not_be_read_is_asked_for_again_within_seconds_but_not_by_every_request():
    now, vault = [1000], Vault()
    one = viewers(vault, lambda: now[0])
    vault.broken = True
    for _ in range(3):
        assert await one.address(through(KEY, "198.51.100.10:1"), CONNECTED) == CONNECTED
    assert vault.asked == 1
    now[0] += RETRY_S
    vault.broken = False
    assert await one.address(through(KEY, "198.51.100.10:1"), CONNECTED) == "198.51.100.10"
    assert vault.asked == 2
    assert RETRY_S < FRESH_S // 20


async def test_a_request_that_shows_no_key_costs_no_reading():
    vault = Vault()
    await viewers(vault).address(through(None, "198.51.100.10:1"), CONNECTED)
    assert vault.asked == 0
