"""Headers of a caller on their way to a server: which arrive, by which name, which never do, and whose counts."""

from typing import Any

import pytest

from gateway_core.upstream.outgoing import MAX_PASSED
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.foreign import issuing, token
from tests.flows.gateways import INITIALIZE, Gateway, call, gateway
from tests.flows.upstreams import Asked, Json, Upstream, unaided, upstream, weather
from tests.flows.visitors import CELLS, Cell, LegacyVisitor, ModernVisitor

PATH = "/research/weather/mcp"
RULES: Json = {"forward_headers": ["x-team", {"from": "x-a", "to": "x-b"}], "headers": {"X-Env": "prod"}}
EVERY_CELL = {
    **CELLS,
    "legacy client, legacy server": Cell(LegacyVisitor, Legacy),
    "modern client, modern server": Cell(ModernVisitor, Modern),
}


def entry(url: str, **fields: Any) -> dict[str, str | Json]:
    return {"weather": {"url": url, "name": "Weather", **fields}}


def headers_of(server: Upstream) -> dict[str, str]:
    return server.seen[-1].headers


@pytest.mark.parametrize("cell", EVERY_CELL.values(), ids=EVERY_CELL.keys())
async def test_what_is_named_arrives_with_every_message_whatever_client_and_server_speak(tmp_path, cell: Cell):
    fake = cell.server()
    async with unaided(fake) as server, gateway(tmp_path, entry(server.url, **RULES, **fake.setup)) as gw:
        client = cell.client(gw)
        gw.http.headers |= {"x-team": "red", "x-a": "1", "x-other": "no"}
        if isinstance(client, LegacyVisitor):
            await client.start()
        answer = (await client.call())[-1]
        assert answer["result"]["content"][0]["text"] == "Sunny."
        for asked in server.seen:
            found = {name: value for name, value in asked.headers.items() if name.startswith("x-")}
            assert found == {"x-team": "red", "x-b": "1", "x-env": "prod"}, (asked.method, asked.rpc)
            assert gw.key not in str(asked.headers)
        assert server.calls("tools/call")


async def test_the_stream_of_a_session_and_its_end_carry_them_too(tmp_path):
    fake = Legacy()
    async with unaided(fake) as server, gateway(tmp_path, entry(server.url, **RULES, **fake.setup)) as gw:
        client = LegacyVisitor(gw)
        await client.start()
        sent = gw.headers(mcp_session_id=client.token, mcp_protocol_version="2025-11-25", x_team="red")
        async with gw.http.stream("GET", gw.url + client.path, headers=sent) as response:
            assert response.status_code == 200
        assert (await gw.http.delete(gw.url + client.path, headers=sent)).status_code == 200
        assert [asked.headers.get("x-team") for asked in server.seen if asked.method != "POST"] == ["red", "red"]


NEVER: dict[str, str] = {
    "cookie": "a=b", "x-api-key": "", "x-auth-token": "t", "x-user-claims": '{"sub":"root"}', "x-user-jwt": "e30.e30.",
    "x_user_jwt": "e30.e30.", "x_team": "evil", "x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1",
    "x-gatehouse-edge": "secret", "cloudfront-viewer-address": "10.0.0.1:1", "proxy-authorization": "Basic eA==",
    "x-amzn-trace-id": "Root=1", "x-hop": "1", "connection": "keep-alive, X-Hop", "mcp-param-x": "1", "baggage": "b=1",
}  # fmt: skip


async def test_where_all_headers_go_on_but_some_the_gateways_own_and_the_callers_credential_stay(tmp_path):
    rules = {"forward_headers": {"mode": "all-except", "headers": ["baggage"]}}
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **rules)) as gw:
        sent = {**gw.headers(), **{name: value for name, value in NEVER.items() if value}, "X-Team": "red"}
        response = await gw.http.post(gw.url + PATH, json=call(), headers={**sent, "accept-language": "de"})
        assert response.status_code == 200
        found = headers_of(server)
        assert found["x-team"] == "red"
        assert found["accept-language"] == "de"
        assert found["user-agent"] == "gatehouse/0.1"
        assert not (NEVER.keys() - {"connection"}) & found.keys()
        assert gw.key not in str(found)
        assert not {"authorization", "origin"} & found.keys()


async def test_a_header_in_which_tokens_are_taken_here_or_elsewhere_is_not_passed_on(tmp_path):
    rules = {"forward_headers": {"mode": "all-except", "headers": []}}
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, entry(server.url, **rules)) as gw:
        await gw.apply({"jwt_validation": issuer.validation(header="X-Id-Token")})
        response = await gw.post(PATH, call(), authorization="", X_Id_Token=token(), x_team="red")
        assert response.status_code == 200
        assert headers_of(server)["x-team"] == "red"
        assert "x-id-token" not in headers_of(server)
        # The server has a setting of its own now; the organisation's header still holds what it holds elsewhere.
        own = issuer.validation(header="X-Own-Token")
        await gw.apply({"servers": [{"slug": "weather", "url": server.url, "workspaces": ["research"], **rules,
                                     "jwt_validation": own}]})  # fmt: skip
        response = await gw.post(PATH, call(), authorization="", X_Own_Token=token(), X_Id_Token="not-a-token")
        assert response.status_code == 200
        assert not {"x-id-token", "x-own-token"} & headers_of(server).keys()


async def test_a_server_s_own_settings_count_before_anything_that_a_caller_sends(tmp_path):
    fields: Json = {
        "forward_headers": {"mode": "all-except", "headers": []},
        "auth": {"type": "headers", "headers": {"X-Tenant": "acme", "X-Level": "auth"}},
        "headers": {"X-Env": "prod"},
        "identity": {"method": "claims_header", "header": "X-Caller", "claims": ["name"]},
    }
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **fields)) as gw:
        spoofed = dict.fromkeys(("x_tenant", "x_level", "x_env", "x_caller"), "evil")
        assert (await gw.post(PATH, call(), x_fine="1", **spoofed)).status_code == 200
        found = {name: value for name, value in headers_of(server).items() if name.startswith("x-")}
        assert found == {
            "x-fine": "1", "x-tenant": "acme", "x-level": "auth", "x-env": "prod", "x-caller": '{"name":"ci"}',
        }  # fmt: skip


async def test_a_header_that_is_set_with_an_underscore_is_nobody_elses_to_say_with_a_hyphen(tmp_path):
    fields: Json = {
        "forward_headers": {"mode": "all-except", "headers": []},
        "auth": {"type": "headers", "headers": {"X_Tenant": "acme"}},
        "headers": {"X_Env": "prod"},
    }
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **fields)) as gw:
        assert (await gw.post(PATH, call(), x_tenant="evil", x_env="evil", x_fine="1")).status_code == 200
        found = {name: value for name, value in headers_of(server).items() if name.startswith("x")}
        assert found == {"x-fine": "1", "x_tenant": "acme", "x_env": "prod"}


async def test_more_headers_than_may_go_on_end_the_call_before_it_is_sent_and_say_what_to_do(tmp_path):
    rules = {"forward_headers": {"mode": "all-except", "headers": []}}
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **rules)) as gw:
        many = {f"x-{n}": "v" for n in range(MAX_PASSED + 1)}
        told = (await gw.post(PATH, call(), **many)).json()["result"]
        assert told["isError"] is True
        assert "would be passed on to Weather, and at most 50 are" in told["content"][0]["text"]
        assert told["_meta"]["gatehouse/reason"] == "too_much_to_pass_on"
        assert server.seen == []


async def test_what_is_found_out_for_everybody_is_found_out_without_anybodys_headers(tmp_path):
    """A caller could choose with them what a server answers, and every other caller would live with that for a day."""

    async def led_astray(asked: Asked) -> None:
        if asked.headers.get("x-team") == "evil":
            await asked.respond.raw(b"", 400)
        elif asked.rpc == "initialize":
            found = {"protocolVersion": "2025-11-25", "capabilities": {}}
            await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "result": found})
        else:
            await weather(asked)

    async with unaided(led_astray) as server, gateway(tmp_path, entry(server.url, **RULES)) as gw:
        await gw.post(PATH, call(), x_team="evil")
        probes = [asked for asked in server.seen if asked.message.get("id") == "gatehouse-probe"]
        assert probes
        assert not any({"x-team", "x-b"} & asked.headers.keys() for asked in probes)
        assert all(asked.headers["x-env"] == "prod" for asked in probes)
        assert (await gw.post(PATH, call(), x_team="red")).json()["result"]["content"][0]["text"] == "Sunny."


async def _forecast(gw: Gateway, team: str) -> None:
    params: Json = {"name": "forecast", "arguments": {}}
    response = await gw.modern(PATH, "tools/call", params, x_team=team)
    assert "Sunny." in response.text


@pytest.mark.parametrize("kind", [Legacy, HttpSse])
async def test_a_session_that_was_opened_with_other_headers_is_not_used_for_a_call(tmp_path, kind: Any):
    """A server may have taken for the whole session what stood in its first request."""
    fake = kind()
    async with unaided(fake) as server, gateway(tmp_path, entry(server.url, **RULES, **fake.setup)) as gw:
        for team in ("red", "red", "blue", "red", "blue"):
            await _forecast(gw, team)
        assert fake.opened == 2
        teams = [asked.headers["x-team"] for asked in server.calls("tools/call")]
        assert teams == ["red", "red", "blue", "red", "blue"]


async def test_a_change_of_what_goes_on_counts_from_the_next_request_on(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url)) as gw:
        for rules, arrives in (({}, None), (RULES, "red"), ({}, None)):
            await gw.apply({"servers": [{"slug": "weather", "url": server.url, "workspaces": ["research"], **rules}]})
            await gw.post(PATH, call(), x_team="red")
            assert headers_of(server).get("x-team") == arrives


async def test_a_legacy_client_without_a_session_has_its_headers_passed_on_as_well(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **RULES)) as gw:
        await gw.post(PATH, INITIALIZE, x_team="red")
        assert headers_of(server)["x-team"] == "red"
