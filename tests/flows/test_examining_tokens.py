"""A server with tokens of the gateway's own, looked at step by step; what the function for administration on AWS cannot
see; and how long a look may take."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway_core import compose_examining
from gateway_core.access.roles import ADMINISTRATOR, Actor
from gateway_core.compose_examining import examiner
from gateway_core.connect import examining
from gateway_core.settings import Settings
from gateway_core.upstream import listing
from gateway_core.upstream.connections import Tokens
from tests.flows.actors import PUBLIC, granted, joined
from tests.flows.crossing import HttpSse
from tests.flows.gateways import gateway
from tests.flows.linear import Linear, linear
from tests.flows.test_examining import failed, looked, outcomes, owner
from tests.flows.test_upstream_exchange import exchanging
from tests.flows.test_upstream_own import OWN, SECRET, account, own
from tests.flows.token_servers import server_of
from tests.flows.upstreams import Asked, Json, result, unaided

AWS = Settings(public_url=PUBLIC, registry_table="registry", grants_table="grants")


async def _tools(asked: Asked) -> None:
    if asked.rpc == "tools/list":
        await asked.respond.json(result(asked, {"tools": [{"name": "forecast"}], "resultType": "complete"}))
    else:
        await asked.respond.raw(b"", 202)


async def by_ana(at: Linear) -> str:
    """An access token for administering, of Ana, who is an owner by now."""
    member = await at.gw.admin.people.change(at.ana.id, given=replace(at.ana.given, organisation="owner"))
    return (await granted(at.gw, member.id))[1]


async def test_the_gateways_own_token_is_got_as_a_call_would_and_the_next_call_uses_it(tmp_path):
    async with own(tmp_path, answer=_tools) as at:
        found = await looked(at.gw, "linear")
        assert found["well"], found
        assert dict(outcomes(found))["secrets"] == "ok"
        said = {step["name"]: step["told"] for step in found["steps"]}
        assert said["client"] == "Entered by hand: gatehouse-client, by client_secret_basic."
        assert said["tools"] == "Linear lists 1 tool, by 2026-07-28 and revisions up to 2025-11-25."
        assert (await account(at)).state == "ok"
        await at.call()
        await looked(at.gw, "linear")
        assert len(at.tokens.forms) == 1
        text = json.dumps(found)
        assert not [word for word in (SECRET, "access-1", "sealed") if word in text]


async def test_a_client_whose_secret_is_wrong_is_told_at_its_step(tmp_path):
    async with own(tmp_path, answer=_tools) as at:
        await at.gw.admin.set_secret("linear-client", "another-secret")
        step = failed(await looked(at.gw, "linear"))
        assert step["name"] == "account"
        assert "It says invalid_client." in step["told"]
        assert step["exchange"]["status"] == 401
        assert "authorization" not in str([asked.headers for asked in at.upstream.seen])


async def test_where_the_token_endpoint_was_not_found_the_search_is_told_once_and_not_made_again(tmp_path):
    async with own(tmp_path) as at:
        await at.set_up(auth={**OWN, "client_id": "x"})
        found = await looked(at.gw, "linear")
        assert failed(found)["name"] == "server"
        assert found["steps"][-1] | {"exchange": None} == {
            "name": "account", "outcome": "skipped", "exchange": None,
            "told": "Where its tokens come from was not found out, see above.",
        }  # fmt: skip
        asked = len(at.upstream.seen)
        await looked(at.gw, "linear")
        assert len(at.upstream.seen) == 2 * asked


async def test_a_token_that_is_exchanged_is_for_whoever_looks_and_one_of_another_issuer_is_for_calls(tmp_path):
    async with exchanging(tmp_path, answer=_tools, subject="identity") as at:
        found = await looked(at.gw, "linear", await by_ana(at))
        assert found["well"], found
        assert dict(outcomes(found))["tools"] == "ok"
        subject = at.tokens.forms[0].fields["subject_token"]
        assert subject not in json.dumps(found)
        at.tokens.refusal = {"error": "invalid_target", "error_description": f"not with {subject[:30]}"}
        refused = failed(await looked(at.gw, "linear"))
        assert refused["name"] == "account"
        assert "invalid_target" in refused["told"]
        assert subject[:8] not in json.dumps(refused)
    (tmp_path / "bearer").mkdir()
    async with exchanging(tmp_path / "bearer") as at:
        found = await looked(at.gw, "linear")
        assert found["well"]
        assert outcomes(found)[-1] == ("account", "skipped")
        assert "Call with a token of that issuer." in found["steps"][-1]["told"]


async def _on_aws(at: Linear, actor: Actor = ADMINISTRATOR) -> dict[str, tuple[str, str]]:
    """What the function for administration would find: it has everything but the values of secrets."""
    state = await at.gw.admin.state()
    look = examiner(AWS, at.gw.world)
    steps = await look(await server_of(at.gw, "linear"), state.workspaces["research"].record, "Acme", actor)
    return {step.name: (step.outcome, step.told) for step in steps}


async def test_on_aws_what_takes_a_secret_is_skipped_with_the_reason_and_a_kept_token_is_used(tmp_path):
    async with own(tmp_path, answer=_tools) as at:
        for auth in (None, {"type": "headers", "headers": {"X-Key": {"secret": "linear-client"}}}):
            if auth is not None:
                await at.set_up(auth=auth)
            found = await _on_aws(at)
            assert found["secrets"][0] == "ok"
            assert found["account"] == (
                "skipped",
                "This cannot be looked at from here. It takes the secret 'linear-client', which the function for "
                "administration may set and never reads. A call of a client shows whether it is the right one.",
            )
            assert "tools" not in found
            assert at.tokens.forms == []
        await at.set_up(auth={**OWN, "token_endpoint": at.tokens.url})
        await at.call()
        found = await _on_aws(at)
        assert (found["account"][0], found["tools"][0]) == ("ok", "ok")
        assert len(at.tokens.forms) == 1


async def test_on_aws_a_connected_account_is_opened_and_used(tmp_path):
    async with linear(tmp_path, answer=_tools) as at:
        await at.connect()
        found = await _on_aws(at, Actor("ana@acme.dev", at.ana))
        assert found["account"][1].startswith("As ana@linear.example, connected ")
        assert found["tools"][0] == "ok"


async def test_whose_an_account_of_everybody_is_is_told_to_those_who_may_list_it(tmp_path):
    for granularity, seen in (("organisation", False), ("workspace", True)):
        folder = tmp_path / granularity
        folder.mkdir()
        async with linear(folder, {"granularity": granularity}, answer=_tools) as at:
            await at.connect(granularity)
            boss = await joined(at.gw, "boss@acme.dev", research="admin")
            found = await looked(at.gw, "linear", (await granted(at.gw, boss.id))[1])
            (told,) = [step["told"] for step in found["steps"] if step["name"] == "account"]
            assert ("ana@linear.example" in told) == seen
            assert ("An account at Linear is connected." in told) != seen
            assert "ana@linear.example" in json.dumps(await looked(at.gw, "linear"))


async def test_a_good_token_is_left_alone_and_one_that_has_ended_is_renewed_once(tmp_path):
    async with linear(tmp_path, answer=_tools) as at:
        made, token = await at.connect(), await by_ana(at)
        at.gw.clock[0] += 3_500
        await looked(at.gw, "linear", token)
        assert at.tokens.forms == []
        at.gw.clock[0] += 100
        found = await looked(at.gw, "linear", await owner(at.gw, "ana@acme.dev"))
        assert dict(outcomes(found))["account"] == "ok"
        assert len(at.tokens.forms) == 1
        assert (await at.kept(made))[1] == Tokens("access-1", "refresh-1")


async def test_a_look_does_not_end_before_a_renewal_that_it_began_is_saved(tmp_path):
    async with linear(tmp_path, answer=_tools, probed=True, tokens={"slow_s": 2.0}) as at:
        await at.set_up(auth={"type": "oauth"}, timeout_s=1)
        made, token = await at.connect(), await by_ana(at)
        # The server takes the token no more, and the call that finds out cannot wait for the next one.
        at.tokens.live.clear()
        found = await looked(at.gw, "linear", token)
        assert outcomes(found)[-1] == ("tools", "failed")
        assert "takes longer than this call can wait" in found["steps"][-1]["told"]
        assert (await at.kept(made))[1] == Tokens("access-1", "refresh-1")


async def test_an_http_sse_server_is_asked_on_a_stream_that_is_closed(tmp_path):
    fake = HttpSse(answers={"tools/list": {"tools": [{"name": "forecast"}]}})
    async with unaided(fake) as server, gateway(tmp_path, {"old": {"url": server.url, "transport": "sse"}}) as gw:
        found = await looked(gw, "old")
        assert found["well"], found["steps"]
        assert found["steps"][-1]["told"].endswith("by HTTP+SSE (2024-11-05).")
        async with asyncio.timeout(5):
            while fake.streams:  # noqa: ASYNC110 - the fake says nothing when a stream has gone
                await asyncio.sleep(0.01)


async def test_a_server_that_never_answers_is_given_up_at_the_end_of_the_time_for_all_steps(tmp_path, monkeypatch):
    async def silent(asked: Asked) -> None:
        await asyncio.Event().wait()

    for module in (compose_examining, examining):
        monkeypatch.setattr(module, "WHOLE_S", 1.0)
    monkeypatch.setattr(examining, "DISCOVERY_S", 0.3)
    async with unaided(silent) as server, gateway(tmp_path, {"slow": server.url}) as gw:
        began = time.monotonic()
        found = await looked(gw, "slow")
        assert time.monotonic() - began < 3
        assert dict(outcomes(found))["challenge"] == "warning"
        assert failed(found)["told"] == (
            "slow did not list its tools in the time there was (1 s for all steps). Ask whoever runs it."
        )


@pytest.mark.parametrize(
    ("answer", "outcome", "told"),
    [
        ({"error": {"code": -32603, "message": "the database is away."}}, "failed",
         "endless refuses tools/list: the database is away."),
        ({"result": {"resources": []}}, "failed", "endless answers tools/list with no list of tools."),
        ({"error": {"code": -32601, "message": "no such method"}}, "warning", "endless lists 0 tools, by"),
        ({"result": {"tools": [{}, {}], "nextCursor": "again"}}, "ok", "endless lists 6 tools, by"),
    ],
)  # fmt: skip
async def test_what_a_server_says_of_its_tools_is_told_and_a_list_without_end_is_left(
    tmp_path, monkeypatch, answer: Json, outcome: str, told: str
):
    monkeypatch.setattr(listing, "MAX_PAGES", 3)

    async def listed(asked: Asked) -> None:
        reply: Any = {"jsonrpc": "2.0", "id": asked.message["id"], **answer}
        if asked.rpc == "server/discover":
            reply = result(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"})
        await asked.respond.json(reply, 404 if "-32601" in json.dumps(reply) else 200)

    async with unaided(listed) as server, gateway(tmp_path, {"endless": {"url": server.url, "era": "modern"}}) as gw:
        step = (await looked(gw, "endless"))["steps"][-1]
        assert (step["name"], step["outcome"]) == ("tools", outcome)
        assert told in step["told"]
