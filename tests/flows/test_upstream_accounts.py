"""Calls that go out as a connected account: with its token and nobody else's, renewed without anybody noticing."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway_core.compose_lean import data_plane
from gateway_core.local.server import local_world
from gateway_core.ports import Item, Key
from gateway_core.settings import Settings
from gateway_core.upstream.connections import Tokens
from tests.canary.marks import MARK
from tests.flows.actors import PUBLIC, granted, workspace_id
from tests.flows.crossing import Legacy
from tests.flows.gateways import Lines, call
from tests.flows.linear import URL, linear
from tests.flows.test_store import Counting
from tests.flows.upstreams import Asked, serving


async def test_each_caller_goes_out_as_their_own_account_and_without_their_key(tmp_path):
    async with linear(tmp_path) as at:
        bo, key = await at.person("bo@acme.dev")
        await at.connect()
        await at.connect(whose=bo, access="access-of-bo")
        for caller in (None, key, None):
            assert await at.said(caller) == "Sunny."
        assert at.seen() == ["Bearer access-0", "Bearer access-of-bo", "Bearer access-0"]
        assert at.tokens.forms == []
        assert at.key not in json.dumps([asked.headers for asked in at.upstream.seen])


async def test_an_account_of_a_workspace_or_of_all_serves_services_and_people_alike(tmp_path):
    for granularity in ("workspace", "organisation"):
        folder = tmp_path / granularity
        folder.mkdir()
        async with linear(folder, {"granularity": granularity}) as at:
            await at.connect(granularity)
            for key in (at.key, at.gw.key):
                assert await at.said(key) == "Sunny."
            assert at.seen() == ["Bearer access-0"] * 2


async def test_one_of_twenty_calls_renews_a_token_that_has_ended_and_all_go_through(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        at.gw.clock[0] += 3600
        responses = await asyncio.gather(*(at.call() for _ in range(20)))
        assert [response.json()["result"].get("isError") for response in responses] == [None] * 20
        assert len(at.tokens.forms) == 1
        form = at.tokens.forms[0]
        assert form.fields == {
            "grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "gatehouse-client",
            "resource": at.upstream.url,
        }  # fmt: skip
        assert set(at.seen()) == {"Bearer access-1"}
        found, tokens = await at.kept(made)
        assert tokens == Tokens("access-1", "refresh-1")
        assert (found.refreshed_at, found.expires_at) == (at.gw.clock[0], at.gw.clock[0] + 3600)


async def test_a_server_that_leaves_the_refresh_token_as_it_is_gets_it_again_the_next_time(tmp_path):
    async with linear(tmp_path, tokens={"rotation": "none", "expires_in": "60"}) as at:
        made = await at.connect()
        for turn in (1, 2, 3):
            at.gw.clock[0] += 3600
            assert await at.said() == "Sunny."
            assert (await at.kept(made))[1] == Tokens(f"access-{turn}", "refresh-0")


async def test_a_client_secret_is_read_where_it_is_named_and_again_when_it_was_changed_outside(tmp_path):
    auth = {"client_id": "gatehouse-client", "client_secret": {"secret": "linear-client"}}
    async with linear(tmp_path, auth, tokens={"client": ("gatehouse-client", "n ew:+")}) as at:
        await at.gw.admin.set_secret("linear-client", "old")
        await at.connect(auth_method="client_secret_basic")
        at.gw.clock[0] += 3600
        refused = await at.said()
        assert refused.startswith("The authorization server of Linear gives the gateway no new token.")
        assert "invalid_client" in refused
        assert len(at.tokens.forms) == 1, "it was the newest there is"
        at.gw.clock[0] += 60
        # Around the gateway: nobody told it that there is another.
        await at.gw.admin.secrets.put("upstream_linear-client", "n ew:+")
        assert await at.said() == "Sunny."
        assert len(at.tokens.forms) == 3


async def test_after_a_401_the_token_is_renewed_once_and_the_call_sent_once_more(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        at.tokens.live.clear()
        assert await at.said() == "Sunny."
        assert at.seen() == ["Bearer access-0", "Bearer access-1"]
        # Ten at a time, and one of them renews it for all.
        at.tokens.live.clear()
        responses = await asyncio.gather(*(at.call() for _ in range(10)))
        assert {response.json()["result"]["content"][0]["text"] for response in responses} == {"Sunny."}
        assert len(at.tokens.forms) == 2
        assert (await at.kept(made))[1] == Tokens("access-2", "refresh-2")


class Items(Counting):
    """Counts what it was asked for together the last time, too."""

    items = 0

    async def get_many(self, wanted: Sequence[Key]) -> list[Item | None]:
        self.asked.append("get_many")
        self.items = len(wanted)
        found: list[Item | None] = await self.table.get_many(wanted)
        return found


async def test_a_known_caller_costs_one_look_into_the_store_and_no_write_with_an_account_too(tmp_path):
    async with linear(tmp_path) as at:
        gw = at.gw
        place, url = await workspace_id(gw, "research"), f"{PUBLIC}{URL}"
        _, token = await granted(gw, at.ana.id, place=place, resource=url, scope="mcp")
        # That it is used is written down once an hour: see test_account_use.py.
        used = gw.clock[0]
        await at.connect(used_at=used)
        table = Items(gw.table)
        settings = Settings(public_url=PUBLIC, gatehouse_data=tmp_path)
        world = replace(local_world(settings, gw.table), table=table, records=Lines(), clock=gw.world.clock)
        mcp = data_plane(settings, world)
        async with serving(mcp) as port:

            async def asked(credential: str) -> list[str]:
                table.asked.clear()
                address = f"http://127.0.0.1:{port}{URL}"
                response = await gw.http.post(address, json=call(), headers=gw.headers(credential))
                assert response.json()["result"]["content"][0]["text"] == "Sunny."
                return list(table.asked)

            await asked(at.key)
            assert await asked(at.key) == ["get_many"]
            # A credential that this process meets for the first time costs one look more.
            assert await asked(token) == ["get_many", "get"]
            assert await asked(token) == ["get_many"]
            # When the account is another one, the guess is wrong once.
            await at.set_up(auth={"type": "oauth", "granularity": "workspace"})
            await at.connect("workspace", used_at=used)
            assert "get" in await asked(at.key)
            assert await asked(at.key) == ["get_many"]
            # And nobody looks for an account where there is none.
            await gw.admin.set_secret("linear-token", "Bearer access-0")
            await at.set_up(auth={"type": "headers", "headers": {"Authorization": {"secret": "linear-token"}}})
            await asked(at.key)
            assert await asked(at.key) == ["get_many"]
            assert table.items == 2, "the key and the head of the organisation"
        await mcp.close()


async def test_a_session_that_was_opened_as_one_account_is_not_gone_on_with_as_another(tmp_path):
    server = Legacy()
    async with linear(tmp_path, {}, answer=server) as at:
        await at.set_up(auth={"type": "oauth"}, era="legacy", transport="http")
        await at.connect()
        for _ in range(2):
            response = await at.gw.modern(URL, "tools/call", {"name": "forecast", "arguments": {}},
                                          authorization=f"Bearer {at.key}")  # fmt: skip
            assert response.json()["result"]["content"][0]["text"] == "Sunny."
        assert len(at.upstream.calls("initialize")) == 1
        at.gw.clock[0] += 5
        await at.connect(account="other@linear.example", access="access-of-other")
        await at.gw.modern(URL, "tools/call", {"name": "forecast", "arguments": {}},
                           authorization=f"Bearer {at.key}")  # fmt: skip
        first, second = at.upstream.calls("initialize")
        assert second.headers["authorization"] == "Bearer access-of-other"
        *_, last = at.upstream.calls("tools/call")
        assert last.headers["authorization"] == "Bearer access-of-other"
        assert last.headers["mcp-session-id"] != at.upstream.calls("tools/call")[0].headers["mcp-session-id"]
        assert first.headers["authorization"] == "Bearer access-0"


async def test_access_that_is_lost_in_mid_call_is_no_reason_to_make_the_call_again(tmp_path):
    """Whoever reads that they have to connect an account, and then to call again, would have it done twice."""

    async def cut_off(asked: Asked) -> None:
        at.tokens.live.clear()
        at.tokens.stolen = True
        await asked.respond.stream()
        await asked.respond.event(id="1", retry=50)
        await asked.respond.end()

    async with linear(tmp_path, answer=cut_off) as at:
        made = await at.connect()
        said = await at.answer()
        assert "could not be reached again before it answered. What it did with the call is unknown" in said
        assert "authorization_url" not in said
        assert len(at.upstream.calls("tools/call")) == 1
        assert (await at.kept(made))[0].state == "needs_consent"
        # The next call is told what to do.
        assert "authorization_url" in await at.said()


async def test_no_log_no_record_no_answer_and_no_item_holds_a_token(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with linear(tmp_path, tokens={"rotation": "grace"}) as at:
        marker = MARK
        at.tokens.refresh = f"refresh-{marker}"
        at.tokens.extra = {"access_token": f"access-{marker}"}
        await at.connect(access=f"access-0-{marker}")
        at.gw.clock[0] += 3600
        answers = [(await at.call()).text]
        at.tokens.live.clear()
        at.tokens.refusal = {"error": "invalid_grant", "error_description": f"refresh-{marker} is spent"}
        answers.append((await at.call()).text)
        assert "authorization_url" in answers[-1]
        assert marker not in "".join(answers)
        assert marker not in caplog.text
        assert marker not in json.dumps(at.gw.records.lines)
        for file in tmp_path.glob("*.db*"):
            assert marker.encode() not in file.read_bytes()


@pytest.mark.parametrize("granularity", ["workspace", "organisation"])
async def test_a_call_through_an_account_of_several_is_recorded_as_whoever_called(tmp_path, granularity):
    async with linear(tmp_path, {"granularity": granularity}) as at:
        await at.connect(granularity, account="robot@linear.example", connected_by="boss@acme.dev")
        _, key = await at.person("bo@acme.dev")
        for caller in (at.key, key, at.gw.key):
            assert await at.said(caller) == "Sunny."
        assert at.seen() == ["Bearer access-0"] * 3
        told = [(line["caller"], line["outcome"]) for line in at.gw.records.lines]
        assert told == [("user:ana@acme.dev", "ok"), ("user:bo@acme.dev", "ok"), ("service:ci", "ok")]
        assert not [word for word in ("robot", "boss") if word in str(at.gw.records.lines)]
