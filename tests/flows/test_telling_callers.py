"""Servers that are told who calls: by a header, by a token that anybody can verify, or by the caller's own token."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway_core.compose_lean import data_plane
from gateway_core.local.server import local_world
from gateway_core.settings import Settings
from gateway_core.upstream.identity_keys import AHEAD_S, SIGNS_S
from tests.flows.actors import PUBLIC, granted, joined, workspace_id
from tests.flows.crossing import HttpSse
from tests.flows.foreign import ISSUER, issuing, token
from tests.flows.gateways import Lines, call, gateway
from tests.flows.test_passing_headers import EVERY_CELL
from tests.flows.test_store import Counting
from tests.flows.token_servers import CLIENT, token_server
from tests.flows.upstreams import Asked, Json, Upstream, serving, unaided, upstream, weather
from tests.flows.verifying import Verifying
from tests.flows.visitors import Cell, LegacyVisitor

PATH = "/research/weather/mcp"
JWT: Json = {"identity": {"method": "jwt_header"}}


def entry(url: str, **fields: Any) -> dict[str, str | Json]:
    return {"weather": {"url": url, "name": "Weather", **fields}}


async def told(server: Upstream, header: str = "x-user-claims") -> Json:
    claims: Json = json.loads(server.seen[-1].headers[header])
    return claims


@pytest.mark.parametrize("cell", EVERY_CELL.values(), ids=EVERY_CELL.keys())
async def test_a_server_that_lets_nobody_else_in_knows_each_message_by_a_token_that_it_verifies(tmp_path, cell: Cell):
    fake = cell.server()
    guard = Verifying(fake)
    async with unaided(guard) as server, gateway(tmp_path, entry(server.url, **JWT, **fake.setup)) as gw:
        guard.gw, guard.url = gw, server.url
        ana = await joined(gw, "ana@acme.dev", research="member")
        key, key_id = await gw.new_key(kind="user", subject="ana@acme.dev")
        client = cell.client(gw, key=key)
        if isinstance(client, LegacyVisitor):
            await client.start()
        answer = (await client.call())[-1]
        assert answer["result"]["content"][0]["text"] == "Sunny."
        claims = await guard.caller(server.calls("tools/call")[0])
        assert {name: claims[name] for name in ("sub", "user_id", "email", "workspace", "client_id")} == {
            "sub": ana.id, "user_id": ana.id, "email": "ana@acme.dev", "workspace": "research", "client_id": key_id,
        }  # fmt: skip


async def test_what_such_a_server_speaks_is_found_out_on_behalf_of_who_calls(tmp_path):
    async def speaks(asked: Asked) -> None:
        if asked.rpc == "initialize":
            found = {"protocolVersion": "2025-11-25", "capabilities": {}}
            await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "result": found})
        else:
            await weather(asked)

    guard = Verifying(speaks)
    async with unaided(guard) as server, gateway(tmp_path, entry(server.url, **JWT)) as gw:
        guard.gw, guard.url = gw, server.url
        assert (await gw.post(PATH, call())).json()["result"]["content"][0]["text"] == "Sunny."


async def test_one_whom_such_a_server_turns_away_turns_nobody_else_away_who_asks_at_the_same_time(tmp_path):
    another_came = asyncio.Event()

    async def choosy(asked: Asked) -> None:
        if json.loads(asked.headers["x-user-claims"])["name"] == "eve":
            with suppress(TimeoutError):
                await asyncio.wait_for(another_came.wait(), 2)
            return await asked.respond.raw(b"", 401)
        another_came.set()
        if asked.rpc == "initialize":
            found = {"protocolVersion": "2025-11-25", "capabilities": {}}
            return await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "result": found})
        return await weather(asked)

    fields = {"identity": {"method": "claims_header", "claims": ["name"]}}
    async with unaided(choosy) as server, gateway(tmp_path, entry(server.url, **fields)) as gw:
        eve, _ = await gw.new_key(subject="eve")
        refused, taken = await asyncio.gather(gw.post(PATH, call(), eve), gw.post(PATH, call()))
        assert refused.json()["result"]["isError"] is True
        assert taken.json()["result"]["content"][0]["text"] == "Sunny."


async def test_a_stream_and_the_end_of_a_session_say_who_it_is_too(tmp_path):
    fake = EVERY_CELL["legacy client, legacy server"].server()
    guard = Verifying(fake)
    async with unaided(guard) as server, gateway(tmp_path, entry(server.url, **JWT, **fake.setup)) as gw:
        guard.gw, guard.url = gw, server.url
        client = LegacyVisitor(gw)
        await client.start()
        sent = gw.headers(mcp_session_id=client.token, mcp_protocol_version="2025-11-25")
        async with gw.http.stream("GET", gw.url + client.path, headers=sent) as response:
            assert response.status_code == 200
        assert (await gw.http.delete(gw.url + client.path, headers=sent)).status_code == 200


async def test_each_kind_of_caller_is_told_as_what_they_are(tmp_path):
    fields = {"identity": {"method": "claims_header"}}
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, entry(server.url, **fields)) as gw:
        await gw.apply({"organisation": "Acme", "jwt_validation": issuer.validation()})
        place = await workspace_id(gw, "research")
        ana = await joined(gw, "ana@acme.dev", research="member")
        key, key_id = await gw.new_key(kind="user", subject="ana@acme.dev")
        _, login = await granted(
            gw, ana.id, place=place, resource=f"{PUBLIC}{PATH}", scope="mcp", client_id="https://claude.ai/client.json"
        )
        where = {"workspace_id": place, "workspace": "research", "organisation": "Acme"}
        person = {"sub": ana.id, "user_id": ana.id, "email": "ana@acme.dev", **where}
        for credential, expected in (
            (key, {**person, "client_id": key_id, "credential_kind": "api_key"}),
            (login, {**person, "client_id": "https://claude.ai/client.json", "credential_kind": "oauth"}),
            (gw.key, {"sub": f"{place}/service/ci", "name": "ci", **where, "credential_kind": "api_key"}),
            (token({"azp": "agent-7", "email": "ana@acme.dev"}), {
                "sub": f"{ISSUER} 248289761001", **where, "client_id": "agent-7", "credential_kind": "jwt",
            }),
        ):  # fmt: skip
            assert (await gw.post(PATH, call(), credential)).status_code == 200
            found = await told(server)
            if credential == gw.key:
                assert found.pop("client_id").startswith("k-")
            assert found == expected


@pytest.mark.parametrize("rules", [{}, {"forward_headers": {"mode": "all-except", "headers": []}}], ids=str)
@pytest.mark.parametrize(("method", "header"), [("claims_header", "X-User-Claims"), ("jwt_header", "X-Caller")])
async def test_nobody_says_for_themselves_who_they_are(tmp_path, method: str, header: str, rules: Json):
    fields = {"identity": {"method": method, "header": header}, **rules}
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **fields)) as gw:
        spellings = {header, header.upper(), header.replace("-", "_"), "X-User-Claims", "x_user_claims", "X-User-JWT"}
        forged = dict.fromkeys(spellings, '{"sub":"root"}')
        assert (await gw.http.post(gw.url + PATH, json=call(), headers=gw.headers() | forged)).status_code == 200
        found = server.seen[-1].headers
        assert header.lower() in found
        assert "root" not in str(found)


async def test_a_server_that_is_not_told_gets_no_word_of_who_calls_whatever_they_send(tmp_path):
    rules = {"forward_headers": {"mode": "all-except", "headers": []}}
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **rules)) as gw:
        await gw.post(PATH, call(), x_user_claims='{"sub":"root"}', x_user_jwt="e30.e30.")
        assert not {"x-user-claims", "x-user-jwt"} & server.seen[-1].headers.keys()


async def test_a_callers_own_token_reaches_the_server_and_a_credential_of_the_gateway_never_does(tmp_path):
    fields = {"identity": {"method": "bearer"}}
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, entry(server.url, **fields)) as gw:
        await gw.apply({"jwt_validation": issuer.validation()})
        own = token()
        assert (await gw.post(PATH, call(), own)).json()["result"]["content"][0]["text"] == "Sunny."
        assert server.seen[-1].headers["authorization"] == f"Bearer {own}"
        ana = await joined(gw, "ana@acme.dev", research="member")
        place = await workspace_id(gw, "research")
        _, login = await granted(gw, ana.id, place=place, resource=f"{PUBLIC}{PATH}", scope="mcp")
        before = len(server.seen)
        for credential in (gw.key, login):
            refused = (await gw.post(PATH, call(), credential)).json()["result"]
            assert refused["_meta"]["gatehouse/reason"] == "no_token_of_their_own"
            assert "Call with a token of that issuer." in refused["content"][0]["text"]
        assert len(server.seen) == before
        assert own not in json.dumps(gw.records.lines)


async def test_a_server_that_does_not_take_the_callers_token_is_told_of_as_that(tmp_path):
    async def strict(asked: Asked) -> None:
        await asked.respond.raw(b"", 401)

    fields = {"identity": {"method": "bearer"}}
    async with upstream(strict) as server, issuing() as issuer, gateway(tmp_path, entry(server.url, **fields)) as gw:
        await gw.apply({"jwt_validation": issuer.validation()})
        refused = (await gw.post(PATH, call(), token())).json()["result"]
        assert "Weather refused the token that you came with (HTTP 401)" in refused["content"][0]["text"]


async def test_an_authorization_server_verifies_the_token_that_is_exchanged_for_its_own(tmp_path):
    async with token_server() as endpoint, unaided(endpoint.guarding()) as server:
        auth = {
            "type": "token_exchange", "subject": "identity", "client_id": "gatehouse-client", "issuer": "https://as.example",
            "token_endpoint": endpoint.url, "audience": "urn:example:weather",
        }  # fmt: skip
        async with gateway(tmp_path, entry(server.url, auth=auth, transport="http", era="legacy")) as gw:
            ana = await joined(gw, "ana@acme.dev", research="member")
            key, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
            answer = (await gw.post(PATH, call(), key)).json()["result"]
            assert answer["content"][0]["text"] == "Sunny."
            [form] = endpoint.forms
            assert form.fields["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
            keys = KeySet.import_key_set((await gw.http.get(f"{gw.url}/.well-known/jwks.json")).json())
            claims = jwt.decode(form.fields["subject_token"], keys).claims
            assert (claims["iss"], claims["aud"], claims["sub"]) == (PUBLIC, "https://as.example", ana.id)
            assert (claims["email"], claims["workspace"]) == ("ana@acme.dev", "research")
            # What the server gets is the token that came of it, and not the one that went in.
            assert server.seen[-1].headers["authorization"] == "Bearer access-1"
            assert form.fields["subject_token"] not in str(server.seen[-1].headers)


async def test_what_is_exchanged_for_a_caller_with_one_credential_is_not_used_with_another(tmp_path):
    async with token_server() as endpoint, unaided(endpoint.guarding()) as server:
        auth = {"type": "token_exchange", "subject": "identity", "client_id": CLIENT, "token_endpoint": endpoint.url}
        async with gateway(tmp_path, entry(server.url, auth=auth, transport="http", era="legacy")) as gw:
            await joined(gw, "ana@acme.dev", research="member")
            mine = [await gw.new_key(kind="user", subject="ana@acme.dev") for _ in range(2)]
            for key, _ in mine * 2:
                assert (await gw.post(PATH, call(), key)).status_code == 200
            keys = KeySet.import_key_set((await gw.http.get(f"{gw.url}/.well-known/jwks.json")).json())
            said = [jwt.decode(form.fields["subject_token"], keys).claims["client_id"] for form in endpoint.forms]
            assert said == [key_id for _, key_id in mine]


async def test_a_server_verifies_on_while_keys_come_and_go(tmp_path):
    guard = Verifying(weather)
    fields = {**JWT, "transport": "http", "era": "legacy"}
    async with unaided(guard) as server, gateway(tmp_path, entry(server.url, **fields)) as gw:
        guard.gw, guard.url = gw, server.url

        async def kids() -> list[str]:
            published = await gw.http.get(f"{gw.url}/.well-known/jwks.json")
            return [key["kid"] for key in published.json()["keys"]]

        seen = set()
        for passes_s in (0, SIGNS_S, AHEAD_S, 3_600, SIGNS_S, AHEAD_S):
            gw.clock[0] += passes_s
            assert (await gw.post(PATH, call())).json()["result"]["content"][0]["text"] == "Sunny."
            seen |= set(await kids())
        assert len(seen) == 3


async def test_the_key_set_is_for_everybody_to_read_and_to_keep_for_a_quarter_of_an_hour(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        url = f"{gw.url}/.well-known/jwks.json"
        shown = await gw.http.get(url)
        assert shown.status_code == 200
        assert shown.headers["content-type"] == "application/json"
        assert shown.headers["cache-control"] == "public, max-age=900"
        assert shown.headers["access-control-allow-origin"] == "*"
        [key] = shown.json()["keys"]
        assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
        assert (await gw.http.get(url)).json() == shown.json()
        assert (await gw.http.head(url)).status_code == 200
        assert (await gw.http.options(url)).status_code == 204


async def test_a_call_of_a_known_caller_asks_the_store_once_with_headers_and_who_they_are(tmp_path):
    rules = {"forward_headers": {"mode": "all-except", "headers": []}, **JWT}
    async with upstream(weather) as server, gateway(tmp_path, entry(server.url, **rules)) as gw:
        table = Counting(gw.table)
        world = replace(
            local_world(Settings(public_url=PUBLIC, gatehouse_data=tmp_path), gw.table),
            table=table, records=Lines(), clock=gw.world.clock,
        )  # fmt: skip
        mcp = data_plane(Settings(public_url=PUBLIC, gatehouse_data=tmp_path), world)
        async with serving(mcp) as port:
            for first in (True, False, False):
                table.asked.clear()
                url = f"http://127.0.0.1:{port}{PATH}"
                assert (await gw.http.post(url, json=call(), headers=gw.headers(x_team="red"))).status_code == 200
                assert first or table.asked == ["get_many"]
        await mcp.close()
        tokens = [asked.headers["x-user-jwt"] for asked in server.seen]
        assert tokens[1] == tokens[2]


async def test_calls_that_share_a_stream_say_each_who_it_is(tmp_path):
    """A stream is opened with one token and lives longer than it."""
    fake = HttpSse()
    guard = Verifying(fake)
    async with unaided(guard) as server, gateway(tmp_path, entry(server.url, **JWT, **fake.setup)) as gw:
        guard.gw, guard.url = gw, server.url
        for _ in range(2):
            answer = await gw.modern(PATH, "tools/call", {"name": "forecast", "arguments": {}})
            assert "Sunny." in answer.text
            gw.clock[0] += 299
        assert fake.opened == 1
        first, second = (asked.headers["x-user-jwt"] for asked in server.calls("tools/call"))
        assert first != second
