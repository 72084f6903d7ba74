"""What the authorization server never says: not in logs, not in errors, whatever the level and whatever it is sent."""

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_core.errors import OAuthError
from gateway_core.issuer.authorization import read_request
from gateway_core.issuer.deciding import Tokens
from tests.unit.issuer.house import FORM, PUBLIC, VERIFIER, House, basic, form, headers, house


@pytest.fixture
async def home(tmp_path: Path):
    async with house(tmp_path) as made:
        yield made


async def whole_life(home: House) -> list[str]:
    """A sign-in, refreshes, replays and failures; every secret that took part."""
    client_id, secret = await home.entered()
    raw, portal = basic(client_id, secret), {"redirect_uri": "https://portal.example/callback"}
    code = await home.code(client_id, **portal)
    await home.redeem(client_id, code, raw, client_id=None, code_verifier="w" * 43, **portal)
    first = (await home.redeem(client_id, code, raw, client_id=None, **portal)).body
    second = (await home.refresh(client_id, first["refresh_token"], raw, client_id=None)).body
    await home.refresh(client_id, first["refresh_token"], raw, client_id=None)
    await home.issuer.introspect(headers(FORM, raw), form({"token": second["access_token"]}))
    home.clock.now += 100
    await home.refresh(client_id, first["refresh_token"], raw, client_id=None)
    await home.issuer.revoke(headers(FORM, raw), form({"token": second["access_token"]}))
    tokens = [pair[name] for pair in (first, second) for name in ("access_token", "refresh_token")]
    assert secret
    return [secret.partition("_")[2], code.partition("_")[2], VERIFIER, *(token.rpartition("_")[2] for token in tokens)]


async def test_no_log_line_holds_a_secret_even_where_everything_is_logged_at_debug(home: House, caplog: Any):
    caplog.set_level(logging.DEBUG)
    children = [name for name in logging.root.manager.loggerDict if name.startswith("authlib")]
    for name in ("authlib", *children):
        caplog.set_level(logging.DEBUG, logger=name)
    secrets = await whole_life(home)
    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert any("token_reuse_detected" in line for line in lines), "the log was listened to"
    assert len(secrets) == 7
    for secret in secrets:
        assert not any(secret in line for line in lines)


async def test_authlib_is_kept_above_debug_whatever_level_somebody_sets(home: House, caplog: Any):
    caplog.set_level(logging.DEBUG, logger="authlib")
    await whole_life(home)
    assert logging.getLogger("authlib").level == logging.INFO
    assert not [record for record in caplog.records if record.name.startswith("authlib") and record.levelno < 20]


def test_a_token_response_says_nothing_of_itself_when_it_is_written_somewhere():
    tokens = Tokens(access_token="gha_secret", refresh_token="ghr_secret")
    assert "secret" not in f"{tokens} {tokens!r} {[tokens]}"
    assert tokens["access_token"] == "gha_secret"


names = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri", "refresh_token", "scope",
     "resource", "token", "token_type_hint", "client_assertion", "x"]
)  # fmt: skip
values = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["authorization_code", "refresh_token", "gatehouse-cli", "https://vendor.example/c", "ghd_AAAA"]),
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.lists(st.tuples(names, values), max_size=8).map(lambda pairs: form(dict(pairs))),
    st.lists(st.tuples(names, values), max_size=8).map(
        lambda pairs: "&".join("=".join(pair) for pair in pairs).encode()
    ),
)
raw_headers = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "authorization"]),
        st.one_of(
            st.sampled_from(
                ["application/x-www-form-urlencoded", "application/json", "Basic eDp5", "Basic =", "Bearer x"]
            ),
            st.text(st.characters(max_codepoint=255), max_size=30),
        ),
    ),
    max_size=3,
)


async def test_whatever_an_endpoint_is_sent_it_answers_in_oauths_words(home: House):
    seen: set[int] = set()

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(raw=raw_headers, body=bodies, plain=st.booleans())
    def ask(raw: list[tuple[str, str]], body: bytes, plain: bool) -> None:
        given_headers = headers(*([FORM] if plain else []), *raw)
        for endpoint in (home.issuer.token, home.issuer.revoke, home.issuer.introspect, home.issuer.register):
            answer = drive(endpoint(given_headers, body))
            seen.add(answer.status)
            assert answer.status in (200, 201, 400, 401)
            assert answer.status < 300 or answer.body.keys() == {"error", "error_description"}

    ask()
    assert {400, 401} <= seen


links = st.one_of(
    st.text(max_size=200), st.lists(st.tuples(names, values), max_size=8).map(lambda pairs: form(dict(pairs)).decode())
)


@settings(max_examples=200, deadline=None)
@given(query=links)
def test_a_link_that_names_no_client_of_ours_is_told_of_on_a_page(query: str):
    with pytest.raises(OAuthError):
        drive(read_request(query, PUBLIC, nobody))


async def nobody(client_id: str) -> None:
    return None


def drive(call: Any) -> Any:
    """Run a coroutine that waits for nothing outside: SQLite's reads, and no write."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited for something")
