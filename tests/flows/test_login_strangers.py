"""The command line at gateways that are none, and at words that name none: told without a stack trace."""

import gzip
import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import httpx2
import pytest

from gateway_core.cli import callback
from gateway_core.cli.admin_client import AdminClient
from gateway_core.cli.asking import MAX_BYTES, ask
from gateway_core.cli.authorization_server import AuthorizationServer, Proof, find
from gateway_core.cli.failing import CommandFailed
from tests.flows.desks import Desk
from tests.flows.strange import strange_gateway

NO_URLS = ["http://127.0.0.1:abc", "http://[::1", "foo bar", "gateway.example.com", "https://", "ftp://x.example",
           "https://x.example:0", "https://x.example:99999", "https://\u00e9.example"]  # fmt: skip
PLACE = "/.well-known/oauth-authorization-server"


@pytest.fixture
def desk(tmp_path) -> Desk:
    """A user's desk, with no gateway anywhere near."""
    return Desk(tmp_path)


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_of_a_gateway_is_told_with_how_to_write_one(desk, url: str):
    for words in (("login", "--no-browser"), ("whoami", "--key", "x"), ("logout",)):
        told = desk.refused(*words, "--url", url)
        assert "is no URL of a gateway. Write it like https://gateway.example.com" in told


@pytest.mark.parametrize("key", ["\u00e9", "two words", "two\nlines", ""])
def test_a_key_that_cannot_be_sent_is_told_and_never_repeated(desk, key: str):
    told = desk.refused("whoami", "--url", "https://gateway.example.com", "--key", key)
    assert "Was it copied whole?" in told
    assert not key or key not in told


METADATA: dict[str, tuple[Callable[[str], Any], str]] = {
    "nested without end": (lambda url: b"[" * 100_000, "no JSON: is this a Gatehouse gateway?"),
    "a list": (lambda url: [1], "no JSON"),
    "no text": (lambda url: b"\xff", "no JSON"),
    "no endpoints": (lambda url: {"issuer": url}, "names endpoints elsewhere"),
    "endpoints elsewhere": (lambda url: {"issuer": url, **at("https://evil.example")}, "names endpoints elsewhere"),
    "one that only begins so": (lambda url: {"issuer": url, **at(f"{url}.evil.example")}, "names endpoints elsewhere"),
    "one with a query": (lambda url: {"issuer": url, **at(url, "?client_id=other")}, "names endpoints elsewhere"),
    "one that steers a terminal": (lambda url: {"issuer": url, **at(url, "\x1b[31m")}, "names endpoints elsewhere"),
    "a name that steers a terminal": (lambda url: {"issuer": "\x1b]0;x\x07https://evil"}, "goes by another name"),
}


def at(url: str, more: str = "") -> dict[str, str]:
    """Endpoints at a place."""
    return {f"{name}_endpoint": f"{url}/{name}{more}" for name in ("authorization", "token", "revocation")}


@pytest.mark.parametrize("name", METADATA)
def test_a_gateway_that_is_none_of_ours_is_told_and_its_words_do_not_steer_the_terminal(desk, name: str):
    said, words = METADATA[name]
    with strange_gateway() as strange:
        strange.says[PLACE] = said(strange.url)
        told = desk.refused("login", "--no-browser", "--wait", "1", "--url", strange.url)
    assert words in told
    assert not {"\x1b", "\x07"} & {*told}


@pytest.mark.parametrize("part", ["authorization", "token", "revocation"])
def test_every_endpoint_must_be_at_the_gateway_itself(part: str):
    with strange_gateway() as strange:
        strange.says[PLACE] = {"issuer": strange.url, **at(strange.url)}
        assert find(strange.url).resource == f"{strange.url}/api/v1"
        strange.says[PLACE][f"{part}_endpoint"] = "https://evil.example/x"
        with pytest.raises(CommandFailed, match="endpoints elsewhere"):
            find(strange.url)


TOKENS: dict[str, Any] = {
    "nothing": {},
    "no text": {"access_token": "gha_\u00e9", "refresh_token": "ghr_x", "expires_in": 3600},
    "a line break": {"access_token": "gha_x", "refresh_token": "ghr_x\n", "expires_in": 3600},
    "no end": b'{"access_token": "gha_x", "refresh_token": "ghr_x", "expires_in": Infinity}',
    "no number": {"access_token": "gha_x", "refresh_token": "ghr_x", "expires_in": []},
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_that_are_none_are_told(name: str):
    with strange_gateway() as strange:
        strange.says["/token"] = TOKENS[name]
        server = AuthorizationServer(strange.url, *at(strange.url).values())
        with pytest.raises(CommandFailed, match="gave no tokens"):
            server.redeem("ghc_x", Proof.new(), "http://127.0.0.1/callback")


ANSWERS: dict[str, tuple[int, Any]] = {
    "a list": (200, [1]),
    "nested without end": (200, b"[" * 100_000),
    "a refusal that is a list": (403, [1]),
    "problems that are none": (422, {"detail": "No.", "problems": 3}),
    "problems of another form": (422, {"detail": "No.", "problems": [{"x": 1}]}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_another_form_is_told(name: str):
    with strange_gateway() as strange:
        strange.status, strange.says["/api/v1/me"] = ANSWERS[name]
        with pytest.raises(CommandFailed, match=r"no JSON|No\."):
            AdminClient(strange.url, "key").call("GET", "/me")


@pytest.mark.parametrize("words", [("login", "--no-browser", "--wait", "1"), ("whoami", "--key", "x")])
def test_an_answer_without_end_is_read_no_further_than_its_bound(desk, words: tuple[str, ...]):
    with strange_gateway() as strange:
        strange.says |= {PLACE: repeat(b"x" * 65_536), "/api/v1/me": repeat(b"x" * 65_536)}
        told = desk.refused(*words, "--url", strange.url)
    assert "is larger than 8 MiB, and was not read on: is this a Gatehouse gateway?" in told
    # What the machine holds for both sides comes on top.
    assert strange.sent < 4 * MAX_BYTES


def test_an_answer_of_the_size_of_the_bound_is_read_and_one_byte_more_is_not():
    with strange_gateway() as strange:
        strange.says["/x"] = b"x" * 1_000
        assert ask("GET", f"{strange.url}/x", max_bytes=1_000).body == strange.says["/x"]
        with pytest.raises(CommandFailed, match="was not read on"):
            ask("GET", f"{strange.url}/x", max_bytes=999)


def test_an_answer_that_would_be_large_once_unpacked_is_not_unpacked():
    with strange_gateway() as strange:
        strange.headers["content-encoding"] = "gzip"
        strange.says["/api/v1/me"] = gzip.compress(b'{"name": "x"}')
        with pytest.raises(CommandFailed, match="no JSON"):
            AdminClient(strange.url, "key").call("GET", "/me")


@pytest.mark.parametrize("part", ["body", "head"])
def test_an_answer_that_comes_in_drips_is_given_up_when_its_time_is_over(part: str):
    tick = threading.Event()

    def drips() -> Iterator[bytes]:
        # For ten seconds: long enough to be given up before.
        for _ in range(500):
            if tick.wait(0.02):
                return
            yield b"x"

    with strange_gateway() as strange:
        strange.says["/x"] = drips()
        strange.in_head = part == "head"
        with pytest.raises(CommandFailed, match=r"did not answer within 0\.5 seconds"):
            ask("GET", f"{strange.url}/x", timeout_s=0.5)
        tick.set()
        assert strange.sent > 1


def test_the_page_that_waits_for_the_browser_takes_nothing_but_a_get():
    with callback.listening("s", "https://g.example") as answer, httpx2.Client(trust_env=False) as http:
        right = f"{answer.redirect_uri}?state=s&iss=https://g.example&code=ghc_x"
        for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            refused = http.request(method, right)
            assert (refused.status_code, refused.headers["allow"], refused.headers["server"]) == (
                405,
                "GET",
                "gatehouse",
            )
        assert http.get(right).status_code == 200
        assert answer.wait(1)["code"] == "ghc_x"
