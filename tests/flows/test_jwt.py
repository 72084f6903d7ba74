"""Tokens of another issuer: who comes in with them, by which key, in which header, and for how long."""

import json
from base64 import b64decode
from typing import Any

import pytest

from gateway_core import compose_late
from tests.flows.actors import granted, joined, workspace_id
from tests.flows.foreign import (
    EC,
    EC_384,
    EC_521,
    ED,
    ISSUER,
    KEYS,
    RSA,
    RSA_OTHER,
    believe,
    issuing,
    public,
    token,
)
from tests.flows.gateways import INITIALIZE, Gateway, call, gateway
from tests.flows.test_sessions import Sessions
from tests.flows.upstreams import upstream, weather

PATH = "/research/weather/mcp"


async def status_of(gw: Gateway, text: str, path: str = PATH, **headers: str) -> int:
    return (await gw.post(path, call(), text, **headers)).status_code


async def test_a_signed_token_opens_the_server_that_believes_its_issuer_and_the_record_says_who_it_was(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        shown = token({"azp": "agent-7"})
        answer = await gw.post(PATH, call(), shown, user_agent="")
        assert answer.json()["result"]["content"]
        line = gw.records.lines[-1]
        assert (line["caller"], line["credential"]) == ("user:248289761001", "jwt")
        assert shown.rpartition(".")[2] not in str(gw.records.lines)
        assert shown not in str(server.seen[-1].headers)


@pytest.mark.parametrize("alg", KEYS)
async def test_every_algorithm_on_the_list_is_believed_where_it_is_allowed_and_nowhere_else(tmp_path, alg):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        issuer.keys = public(RSA, EC, EC_384, EC_521, ED)
        await believe(gw, server.url, issuer.validation(algorithms=[alg]), "weather")
        for used in KEYS:
            assert await status_of(gw, token(alg=used)) == (200 if used == alg else 401), used


async def test_the_organisations_setting_counts_where_a_server_has_none_of_its_own(tmp_path):
    async with (
        upstream(weather) as server,
        issuing() as issuer,
        gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw,
    ):
        await gw.apply({"jwt_validation": issuer.validation()})
        await believe(gw, server.url, issuer.validation(audience="linear"), "linear")
        assert await status_of(gw, token()) == 200
        assert await status_of(gw, token(), "/research/linear/mcp") == 401
        assert await status_of(gw, token({"aud": "linear"}), "/research/linear/mcp") == 200
        assert await status_of(gw, token(), "/research/nothing/mcp") == 404
        assert await status_of(gw, token(), "/nowhere/weather/mcp") == 404
        assert await status_of(gw, token(), "/sales/weather/mcp") == 404
        await gw.apply({"jwt_validation": "none"})
        assert await status_of(gw, token()) == 401


async def test_the_url_has_to_name_the_workspace(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        refused = await gw.post("/weather/mcp", call(), token())
        assert refused.status_code == 401
        assert "This token names no workspace, so the URL has to: /WORKSPACE/SERVER/mcp." in refused.text


async def test_a_header_of_another_name_is_looked_at_where_the_setting_says_so(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(header="X-Auth-Token"), "weather")
        for value in (token(), f"Bearer {token()}"):
            answer = await gw.post(PATH, call(), authorization="", x_auth_token=value)
            assert answer.status_code == 200
        assert "x-auth-token" not in server.seen[-1].headers
        assert await status_of(gw, token()) == 401
        assert (await gw.post(PATH, call(), authorization="", x_other_token=token())).status_code == 401
        assert await status_of(gw, gw.key) == 200
        both = await gw.post(PATH, call(), gw.key, x_auth_token=token())
        assert both.status_code == 400
        assert "more than one credential" in both.json()["error"]["message"]


async def test_the_same_subject_of_two_issuers_and_a_member_of_that_name_are_three_people(tmp_path):
    async with (
        upstream(Sessions()) as server,
        issuing() as issuer,
        gateway(tmp_path, {"weather": server.url}) as gw,
    ):
        ana = await joined(gw, "ana@acme.dev", research="member")
        url = "http://127.0.0.1:8787/research/weather/mcp"
        _, hers = await granted(gw, ana.id, place=await workspace_id(gw, "research"), resource=url, scope="mcp")
        await believe(gw, server.url, issuer.validation(), "weather")
        opened = await gw.post(PATH, INITIALIZE, token({"sub": "ana@acme.dev"}))
        session = opened.headers["mcp-session-id"]
        assert await status_of(gw, token({"sub": "ana@acme.dev"}), mcp_session_id=session) == 200
        assert await status_of(gw, token({"sub": "bo@acme.dev"}), mcp_session_id=session) == 404
        assert await status_of(gw, hers, mcp_session_id=session) == 404
        await believe(gw, server.url, issuer.validation(issuer="https://other.example"), "weather")
        other = token({"sub": "ana@acme.dev", "iss": "https://other.example"})
        assert await status_of(gw, other, mcp_session_id=session) == 404


async def test_keys_are_fetched_once_and_an_unknown_one_asks_again_once_a_minute(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        for _ in range(3):
            assert await status_of(gw, token()) == 200
        assert len(issuer.seen) == 1
        # Somebody makes key ids up: one question, then silence for a minute.
        for number in range(5):
            assert await status_of(gw, token(key=RSA_OTHER, header={"kid": f"made-up-{number}"})) == 401
        assert len(issuer.seen) == 2
        issuer.keys = public(RSA_OTHER)
        gw.clock[0] += 59
        assert await status_of(gw, token(key=RSA_OTHER)) == 401
        gw.clock[0] += 1
        assert await status_of(gw, token(key=RSA_OTHER)) == 200
        assert len(issuer.seen) == 3
        # The key that the issuer withdrew was believed until its set was fetched anew.
        assert await status_of(gw, token()) == 401


async def test_keys_that_cannot_be_had_let_nobody_in_and_are_not_asked_for_all_the_time(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        for status, body in ((500, None), (200, b"{"), (200, b"[]"), (302, None), (200, b'{"keys": {}}')):
            issuer.status, issuer.body = status, body
            before = len(issuer.seen)
            assert [await status_of(gw, token()) for _ in range(3)] == [401, 401, 401]
            assert len(issuer.seen) == before + 1
            gw.clock[0] += 10
        issuer.status, issuer.body = 200, None
        assert await status_of(gw, token()) == 200


async def test_keys_that_were_kept_too_long_are_believed_no_more_when_they_cannot_be_fetched_again(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        fresh = {"exp": gw.clock[0] + 9_000}
        assert await status_of(gw, token(fresh)) == 200
        issuer.status = 503
        gw.clock[0] += 899
        assert await status_of(gw, token(fresh)) == 200
        assert await status_of(gw, token(fresh, key=RSA_OTHER)) == 401
        assert await status_of(gw, token(fresh)) == 200
        gw.clock[0] += 1
        assert await status_of(gw, token(fresh)) == 401


async def test_keys_in_the_configuration_need_no_question(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        validation = {"issuer": ISSUER, "audience": "x", "jwks": public(RSA, EC), "algorithms": ["RS256", "ES256"]}
        await believe(gw, server.url, validation, "weather")
        assert await status_of(gw, token({"aud": "x"})) == 200
        assert await status_of(gw, token({"aud": ["y", "x"]}, alg="ES256")) == 200
        # Without a name, the one key that fits is meant.
        assert await status_of(gw, token({"aud": "x"}, header={"kid": None})) == 200
        assert await status_of(gw, token({"aud": "x"}, key=RSA_OTHER)) == 401


ASKED: dict[str, Any] = {"active": True, "sub": "ana", "aud": "https://gateway.acme.example", "exp": 1_795_000_600}


async def test_an_issuer_that_is_asked_about_each_token_decides_each_time(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        asked = {"endpoint": f"{issuer.url}/introspect", "client_id": "gate house", "client_secret": {"secret": "ask"}}
        await believe(gw, server.url, issuer.validation(jwks_uri=None, introspection=asked), "weather")
        issuer.told["opaque-1"] = {**ASKED, "client_id": "agent-7"}
        assert await status_of(gw, "opaque-1") == 401
        assert issuer.seen == []
        await gw.admin.set_secret("ask", "s3cret+/")
        assert await status_of(gw, "opaque-1") == 200
        assert gw.records.lines[-1]["caller"] == "user:ana"
        path, headers, body = issuer.seen[-1]
        assert (path, body) == ("/introspect", b"token=opaque-1&token_type_hint=access_token")
        assert b64decode(headers["authorization"].removeprefix("Basic ")) == b"gate+house:s3cret%2B%2F"
        issuer.told["opaque-1"]["active"] = False
        assert await status_of(gw, "opaque-1") == 401
        assert len(issuer.seen) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"active": "true"}, {"active": 1}, {"active": None}, {"exp": None}, {"exp": 1_794_999_000}, {"exp": "never"},
        {"aud": None}, {"aud": "another"}, {"iss": "https://other.example"}, {"iss": None, "sub": None}, {"sub": ""},
        {"nbf": 1_795_000_100}, {"iat": 1_795_000_100},
    ],
)  # fmt: skip
async def test_what_an_issuer_says_of_a_token_has_to_be_enough(tmp_path, changed):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        asked = {"endpoint": f"{issuer.url}/introspect", "client_id": "us", "client_secret": {"secret": "ask"}}
        await gw.admin.set_secret("ask", "x")
        await believe(gw, server.url, issuer.validation(jwks_uri=None, introspection=asked), "weather")
        told = {**ASKED, **changed}
        issuer.told["t"] = {name: value for name, value in told.items() if value is not None}
        assert await status_of(gw, "t") == 401
        issuer.told["t"] = ASKED
        assert await status_of(gw, "t") == 200
        for status, body in ((500, None), (200, b"no json"), (200, b'{"active":true,"active":true}'), (401, None)):
            issuer.status, issuer.body = status, body
            assert await status_of(gw, "t") == 401


async def test_a_call_with_a_token_of_another_issuer_asks_the_store_once_too(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        assert await status_of(gw, token()) == 200
        asked: list[int] = []
        get_many, get = gw.table.get_many, gw.table.get

        async def counted(keys: Any) -> Any:
            asked.append(len(keys))
            return await get_many(keys)

        async def never(key: Any) -> Any:
            raise AssertionError(key)

        gw.table.get_many, gw.table.get = counted, never  # type: ignore[method-assign]
        try:
            assert await status_of(gw, token()) == 200
        finally:
            gw.table.get_many, gw.table.get = get_many, get  # type: ignore[method-assign]
        assert asked == [1]


async def test_an_issuer_that_is_slow_or_sends_too_much_lets_nobody_in(tmp_path, monkeypatch):
    monkeypatch.setattr(compose_late, "ISSUER_S", 0.2)
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        issuer.body = json.dumps({**issuer.keys, "x": "y" * compose_late.ISSUER_BYTES}).encode()
        assert await status_of(gw, token()) == 401
        gw.clock[0] += 10
        issuer.body = None
        issuer.may.clear()
        assert await status_of(gw, token()) == 401
        gw.clock[0] += 10
        issuer.may.set()
        assert await status_of(gw, token()) == 200
