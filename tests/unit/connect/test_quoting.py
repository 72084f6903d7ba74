"""What administrators see of others' words: everything that helps, and nothing that is a secret or a trick."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.connect.quoting import (
    PIECE,
    QUOTED_CHARS,
    REMOVED,
    SHOWN_CHARS,
    quoted,
    readable,
    shortened,
    shown,
    without,
)
from gateway_core.connect.steps import DiscoveryFailed
from tests.unit.connect.world import outcome, server, world

CANARY = "canary5fa0c1d2e3b4a59687"
inner: st.SearchStrategy[object] = st.recursive(
    st.just(CANARY),
    lambda one: st.lists(one, min_size=1, max_size=2) | st.dictionaries(st.text(max_size=4), one, min_size=1),
)
SECRETS = ["client_secret", "access_token", "Refresh_Token", "registration_access_token", "api-key", "password", "keys",
           "id_token", "client_assertion", "credentials"]  # fmt: skip


@given(st.sampled_from(SECRETS), inner, st.dictionaries(st.text(max_size=4), st.integers()))
def test_the_value_of_a_secret_shows_nowhere_in_a_document(name, value, around):
    assert CANARY not in shown(json.dumps({**around, "deep": [{name: value}]}).encode())


@pytest.mark.parametrize(
    "text",
    [
        f"client_secret={CANARY}&a=b", f"access_token: {CANARY}", f"{{'token': '{CANARY}'",
        f'{{"password" : "{CANARY}"', f"Authorization: Bearer {CANARY}", f"error: basic {CANARY}== is unknown",
    ],
)  # fmt: skip
def test_the_value_of_a_secret_shows_nowhere_in_a_text(text):
    assert CANARY not in readable(text)
    assert CANARY not in shown(text.encode())
    assert CANARY not in shown(json.dumps({"error_description": text}).encode())


@pytest.mark.parametrize(
    "text",
    [
        'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", scope="a"',
        'Bearer error="invalid_token", error_description="Expired."',
        '{"token_endpoint": "https://auth.example.com/token", "client_secret_expires_at": 0, "code": -32600}',
        '{"token_endpoint_auth_methods_supported": ["client_secret_basic"], "jwks_uri": "https://a.example/keys"}',
        "Register a client there by hand, and enter its `client_id`, and `client_secret` if it has one.",
    ],
)
def test_what_explains_an_answer_is_shown_as_it_came(text):
    assert readable(text) == text
    assert shown(text.encode()) == text


def test_what_does_not_print_or_turns_the_reading_direction_is_not_shown():
    assert readable("a\u202eb\x07\x1b[31mc\u200bd\ne") == "a\ufffdb\ufffd\ufffd[31mc\ufffdd\ne"
    assert shown(b"\xff\xfe") == "\ufffd\ufffd"


def test_nothing_is_shown_without_end_nor_takes_long():
    assert len(shown(b"x" * 65_536)) == SHOWN_CHARS
    assert shortened("x" * 301) == "x" * QUOTED_CHARS + "…"
    assert quoted("https://a.example/mcp?api_key=s3cret") == "'https://a.example/mcp?…'"
    before = time.perf_counter()
    for piece in ("key ", "key" + " " * 30_000, "bearer " + "a" * 60_000 + '"', "token=" * 10_000, "?" * 60_000):
        shown((piece * 8).encode()[:65_536])
        quoted(piece)
    assert time.perf_counter() - before < 3


async def test_a_name_without_end_makes_no_error_without_end():
    long = "https://auth.example.com/" + "x" * 1_900
    ended = await outcome(server(), world(resource={"authorization_servers": [long, "y" * 60_000]}))
    assert isinstance(ended, DiscoveryFailed)
    assert len(ended.message) < 1_500
    assert all(len(step.told) < 1_500 for step in ended.steps)


async def test_a_key_in_the_url_of_a_server_shows_in_no_error_and_no_step():
    keyed = server(url="https://mcp.example.com/mcp?api_key=canary")
    for documents in ({}, {"resource": {"resource": "https://mcp.example.com/mcp?api_key=other-canary"}}):
        ask = world(**documents)
        ask.pages["POST https://mcp.example.com/mcp?api_key=canary"] = ask.pages["POST https://mcp.example.com/mcp"]
        ended = await outcome(keyed, ask)
        assert "canary" not in repr(ended.steps)
        assert "canary" not in str(ended if isinstance(ended, DiscoveryFailed) else "")


@given(st.text(min_size=1, max_size=20), st.text(max_size=30), st.text(max_size=30), st.integers(0, 12))
def test_no_part_of_a_credential_that_was_sent_is_left_wherever_it_stands(credential, before, after, cut):
    left = without(f"{before}{credential[cut:]}{after}", [credential])
    size = min(PIECE, len(credential))
    for said in left.split(REMOVED):
        assert not [at for at in range(len(said) - size + 1) if said[at : at + size] in credential]


def test_what_repeats_no_credential_stays_as_it_is():
    text = "the key nobody gave is good for nothing"
    assert without(text, []) == text
    assert without(text, ["", "another-credential", "x"]) == text
    assert without("pin 42, not 421", ["42"]) == f"pin {REMOVED}, not {REMOVED}1"
