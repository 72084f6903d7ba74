"""Who hears what when an account has to be connected: a link for those who can, words for all others. Nothing is sent
upstream before."""

import asyncio
import re

import pytest

from gateway_core.compose_lean import data_plane
from gateway_core.settings import Settings
from gateway_core.upstream.connections import Tokens
from gateway_core.upstream.tickets import Ticket, Tickets
from tests.flows.actors import PUBLIC
from tests.flows.foreign import EC, ISSUER, public, token
from tests.flows.gateways import INITIALIZE, call
from tests.flows.linear import URL, Linear, linear
from tests.flows.token_servers import connections_of
from tests.flows.upstreams import Asked, Json, serving, text

SCOPES = {"www-authenticate": 'Bearer error="insufficient_scope", scope="write admin"'}
FOREIGN = {"issuer": ISSUER, "jwks": public(EC), "algorithms": ["ES256"], "audience": "https://gateway.acme.example"}


async def ticket(at: Linear, said: str) -> Ticket | None:
    """The ticket in what a model reads."""
    found = re.search(r"authorization_url: (\S+) — open it, then call again\.$", said)
    assert found is not None, said
    prefix, _, text = found[1].rpartition("/")
    assert prefix == f"{PUBLIC}/connect"
    return await Tickets(at.gw.world.keyring, at.gw.world.clock).open(text)


async def test_whoever_has_not_connected_their_account_gets_a_link_that_is_for_them_alone(tmp_path):
    async with linear(tmp_path, probed=True) as at:
        said = await at.said(name="forecast")
        assert said.startswith("Linear acts as you, and you have not connected your account there. authorization_url: ")
        opened = await ticket(at, said)
        assert opened is not None
        assert (opened.member_id, opened.until) == (at.ana.id, at.gw.clock[0] + 600)
        assert opened.workspace_id in at.key
        assert opened.server_id.startswith("linear-")
        assert at.gw.records.lines[-1]["reason"] == "consent_required"
        assert at.gw.records.lines[-1]["outcome"] == "refused"
        # At connect it is an error that says the same.
        response = await at.gw.post(URL, INITIALIZE, at.key)
        assert "authorization_url: " in response.json()["error"]["message"]
        # Not even what it speaks was asked.
        assert at.upstream.seen == []


async def test_two_callers_who_ask_first_at_the_same_time_each_hear_what_is_true_for_them(tmp_path):
    async with linear(tmp_path) as at:
        bo, key = await at.person("bo@acme.dev")
        await at.connect(whose=bo)
        for _ in range(5):
            mine, theirs = await asyncio.gather(at.said(), at.said(key))
            assert theirs == "Sunny."
            opened = await ticket(at, mine)
            assert opened is not None
            assert opened.member_id == at.ana.id


async def test_nobody_who_is_no_person_here_is_sent_to_a_page(tmp_path):
    async with linear(tmp_path, probed=True) as at:
        await at.set_up(auth={"type": "oauth"}, jwt_validation=FOREIGN)
        said = await at.said(at.gw.key)
        assert said == (
            "Linear acts as the person who calls, and this key belongs to the service ci. Use a person's key, or let "
            "an administrator set another `granularity` for Linear: workspace or organisation."
        )
        said = await at.said(token(alg="ES256"))
        assert f"this token is of {ISSUER}, whose people have no accounts of their own here" in said
        assert "connect/" not in said
        assert at.upstream.seen == []


@pytest.mark.parametrize(
    ("granularity", "what", "who"),
    [
        ("organisation", "one account for the whole organisation", "An owner or admin of the organisation connects"),
        ("workspace", "one account for the workspace Research",
         "An owner or admin of the organisation, or an admin of the workspace Research, connects"),
    ],
)  # fmt: skip
async def test_a_shared_account_is_connected_by_who_runs_what_it_is_shared_in(tmp_path, granularity, what, who):
    async with linear(tmp_path, {"granularity": granularity}, probed=True) as at:
        told = f"Linear uses {what}, which is not connected. {who} it at {PUBLIC}/connect/research/linear"
        _, manager = await at.person("bo@acme.dev", research="manager")
        for key in (at.key, at.gw.key, manager):
            assert await at.said(key) == told
        assert at.gw.records.lines[-1]["reason"] == "not_connected"
        holder, owner = await at.person("cy@acme.dev", "owner")
        opened = await ticket(at, await at.said(owner))
        assert opened is not None
        assert opened.member_id == holder.id
        _, admin = await at.person("di@acme.dev", research="admin")
        said = await at.said(admin)
        assert (said == told) == (granularity == "organisation")
        assert at.upstream.seen == []


async def test_a_gateway_that_does_not_know_its_address_says_what_its_operator_has_to_set(tmp_path):
    async with linear(tmp_path, public_url="") as at:
        said = await at.said()
        assert said == (
            "Linear acts as you, and you have not connected your account there. This gateway does not know its own "
            "address, under which that is done. Ask its operator to set PUBLIC_URL."
        )


async def test_a_gateway_that_learns_its_address_later_waits_for_it_where_a_link_is_told(tmp_path):
    async def own_url() -> str:
        return "https://late.example"

    async with linear(tmp_path, public_url="") as at:
        gw = at.gw
        mcp = data_plane(Settings(public_url="", gatehouse_data=tmp_path), gw.world, own_url)
        async with serving(mcp) as port:
            address = f"http://127.0.0.1:{port}/research/linear/mcp"
            response = await gw.http.post(address, json=call(), headers=gw.headers(at.key))
            told = response.json()["error"]["message"]
            assert "authorization_url: https://late.example/connect/" in told
        await mcp.close()


async def test_a_permission_that_has_ended_is_asked_for_again_with_the_reason(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        at.gw.clock[0] += 3600
        at.tokens.refusal = {"error": "invalid_grant", "error_description": "The user left the company."}
        said = await at.said()
        assert said.startswith(
            "The authorization server of Linear has ended the permission that was given. It says invalid_grant: The "
            "user left the company. authorization_url: "
        )
        assert await ticket(at, said) is not None
        # It is not asked about again, and nothing was sent to the server.
        await at.said()
        assert len(at.tokens.forms) == 1
        assert at.seen() == []
        # Connected anew, all is well.
        await at.connect(access="access-new")
        assert (await at.kept(made))[0].state == "ok"
        assert await at.said() == "Sunny."


async def test_a_token_that_cannot_be_renewed_ends_with_its_time(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        await connections_of(at.gw).add(made, Tokens("access-0"))
        assert await at.said() == "Sunny."
        at.gw.clock[0] += 3599
        assert await at.said() == "Sunny."
        at.gw.clock[0] += 1
        said = await at.said()
        assert said.startswith("The permission that was given for Linear has ended, and it cannot be renewed. ")
        assert at.tokens.forms == []
        assert (await at.kept(made))[0].state == "needs_consent"


async def test_a_server_that_takes_not_even_a_fresh_token_is_asked_for_consent_and_its_challenge_stays_here(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        at.tokens.extra = {"access_token": "never-good"}
        at.tokens.live = Never()
        response = await at.call()
        said = response.json()["error"]["message"]
        assert said.startswith("Linear refused the access that it had been given (HTTP 401). authorization_url: ")
        assert response.status_code == 200
        assert "www-authenticate" not in response.headers
        assert "secret-metadata" not in response.text
        assert at.seen() == ["Bearer access-0", "Bearer never-good"]
        assert (await at.kept(made))[0].state == "needs_consent"
        # No loop: the next call is refused before it is sent.
        await at.said()
        assert len(at.upstream.seen) == 2
        assert len(at.tokens.forms) == 1


class Never(set[str]):
    """Access tokens of which none is good."""

    def __contains__(self, token: object) -> bool:
        return False


async def test_more_permission_is_asked_for_beside_what_was_given_and_twice_at_most(tmp_path):
    async def strict(asked: Asked) -> None:
        if asked.message["params"].get("name") == "delete":
            await asked.respond.raw(b"", 403, SCOPES)
        else:
            await asked.respond.json(text(asked, "Sunny."))

    async with linear(tmp_path, answer=strict) as at:
        made = await at.connect()
        for turn in (1, 2):
            # However often it is called before somebody has looked at the link: it is one question.
            for _ in range(3):
                said = await at.said(name="delete")
                assert said.startswith(
                    "Linear wants more permission for this than it was given: write admin. authorization_url: "
                )
            found, _ = await at.kept(made)
            assert (found.wanted, found.step_ups, found.state) == (("read", "write", "admin"), turn, "ok")
            # Other calls go on meanwhile.
            assert await at.said() == "Sunny."
            found, _ = await at.kept(made)
            assert (found.wanted, found.step_ups) == (("read", "write", "admin"), turn)
            # As the pages do it: asked for all that is wanted, and the count goes on.
            await at.connect(asked=found.wanted, step_ups=found.step_ups)
        # Clients look at lists whenever they connect: that says nothing.
        listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        assert "Sunny." in (await at.gw.post(URL, listed, at.key)).text
        said = await at.said(name="delete")
        assert said == (
            "Linear wants more permission for this than it was given: write admin. It was asked for 2 times, and "
            "given, and that was not enough. Whoever administers this server here should check its `auth` settings."
        )
        assert len(at.upstream.seen) == 10, "each was sent once"
        # A call that it takes ends the count.
        assert await at.said() == "Sunny."
        assert (await at.kept(made))[0].step_ups == 0
        assert "authorization_url" in await at.said(name="delete")


@pytest.mark.parametrize(
    ("challenge", "understood"),
    [
        ({"www-authenticate": 'Basic realm="x", Bearer error="insufficient_scope", scope="write"'}, True),
        # As API Gateway renames it.
        ({"x-amzn-remapped-www-authenticate": 'Bearer error="insufficient_scope", scope="write"'}, True),
        ({"www-authenticate": 'Bearer error="invalid_token", scope="write"'}, False),
        ({"www-authenticate": 'Bearer error_description="insufficient_scope", xscope="write"'}, False),
        ({"www-authenticate": 'Bearer x="' + "a" * 4_096 + '", error="insufficient_scope", scope="write"'}, False),
        ({}, False),
    ],
)
async def test_a_refusal_is_a_wish_for_more_permission_where_the_challenge_says_so_and_nowhere_else(
    tmp_path, challenge, understood
):
    async def forbidding(asked: Asked) -> None:
        await asked.respond.raw(b"", 403, challenge)

    async with linear(tmp_path, answer=forbidding) as at:
        made = await at.connect()
        said = await at.said()
        assert ("wants more permission for this than it was given: write." in said) == understood
        assert ("refused the gateway's own credential (HTTP 403)" in said) != understood
        assert ((await at.kept(made))[0].wanted == ("read", "write")) == understood


async def test_a_server_that_moved_gets_nothing_that_was_made_for_where_it_was(tmp_path):
    changes: dict[str, Json] = {
        "address": {"url": "http://localhost:1/mcp"},
        "issuer": {"auth": {"type": "oauth", "issuer": "https://other.example"}},
        "client id": {"auth": {"type": "oauth", "client_id": "another"}},
    }
    for what, change in changes.items():
        folder = tmp_path / what.replace(" ", "-")
        folder.mkdir()
        async with linear(folder) as at:
            await at.connect()
            assert await at.said() == "Sunny."
            at.gw.clock[0] += 3600
            await at.set_up(**{"auth": {"type": "oauth"}, **change})
            said = await at.said()
            assert said.startswith(
                f"The {what} of Linear is another than when its account was connected, and what was given then is good "
                "for that alone. authorization_url: "
            )
            # Neither the server nor its token endpoint heard of it.
            assert len(at.upstream.seen) == 1
            assert at.tokens.forms == []


async def test_an_authorization_server_that_is_down_ends_no_permission(tmp_path):
    async with linear(tmp_path, tokens={"failures": 1}) as at:
        made = await at.connect()
        at.gw.clock[0] += 3600
        response = await at.call()
        assert response.json()["result"]["content"][0]["text"] == (
            "The authorization server of Linear gives the gateway no new token. It answered HTTP 500. Your call was "
            "not carried out. Try again in 2 s."
        )
        assert at.gw.records.lines[-1]["reason"] == "access_not_renewed"
        assert at.gw.records.lines[-1]["outcome"] == "failed"
        assert (await at.kept(made))[0].state == "ok"
        at.gw.clock[0] += 2
        assert await at.said() == "Sunny."
        assert len(at.upstream.seen) == 1
