"""A server looked at step by step, at real servers: what is well says so, and what is not says which step and what to
do. Nothing is registered, and no credential is shown."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.gateways import Gateway, gateway
from tests.flows.searching import searching
from tests.flows.token_servers import connections_of, server_of
from tests.flows.tracker import PAGE, left, scene
from tests.flows.upstreams import Json

Looked = dict[str, Any]


async def looked(gw: Gateway, server: str, token: str = "", query: str = "") -> Looked:
    """The answer of one look, by default as the administrator's key."""
    answer = await ask(gw, token or await admin_key(gw), "POST", f"/servers/{server}/examination{query}")
    assert answer.status_code == 200, answer.text
    found: Looked = answer.json()
    assert found["well"] == all(step["outcome"] != "failed" for step in found["steps"])
    return found


def outcomes(found: Looked) -> list[tuple[str, str]]:
    return [(step["name"], step["outcome"]) for step in found["steps"]]


def failed(found: Looked) -> Mapping[str, Any]:
    (step,) = [step for step in found["steps"] if step["outcome"] == "failed"]
    return dict(step)


async def owner(gw: Gateway, email: str = "ana@example.com") -> str:
    member = await gw.admin.people.by_email(email)
    assert member is not None
    return (await granted(gw, member.id))[1]


async def test_of_a_server_with_a_connected_account_every_step_is_well_and_the_tools_are_counted(tmp_path):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        found = await looked(at.gw, "tracker", await owner(at.gw))
        assert found["well"]
        assert (found["server"], found["workspace"], found["as"]) == (
            "tracker",
            "research",
            "ana@example.com",
        )
        assert [name for name, outcome in outcomes(found) if outcome == "ok"] == [
            "address", "resource", "server", "endpoints", "pkce", "scopes", "client", "account", "tools"
        ]  # fmt: skip
        # The challenge of this server does not say where to read on.
        assert ("challenge", "warning") in outcomes(found)
        told = {step["name"]: step["told"] for step in found["steps"]}
        assert told["client"] == "Registered as client-1, by none."
        assert told["account"].startswith("As an account that the server does not name, connected 2026-11-18 ")
        assert told["account"].endswith("by ana@example.com; its token is of 2026-11-18 11:06 UTC, good until "
                                        "2026-11-18 12:06 UTC.")  # fmt: skip
        assert told["tools"] == "Tracker lists 1 tool, by 2026-07-28."
        exchange = next(step["exchange"] for step in found["steps"] if step["name"] == "server")
        assert exchange["request"] == f"GET {at.tracker.url}/.well-known/oauth-authorization-server"
        assert exchange["status"] == 200
        assert '"token_endpoint"' in exchange["body"]
        assert len(at.tracker.registrations) == 1


async def test_an_account_that_is_missing_is_told_with_the_page_to_connect_it_and_nothing_is_registered(tmp_path):
    async with scene(tmp_path) as at:
        found = await looked(at.gw, "tracker", await owner(at.gw))
        assert failed(found)["name"] == "account"
        assert failed(found)["told"] == (
            "Tracker acts as you, and you have not connected your account there. Connect it at "
            f"http://127.0.0.1:8787{PAGE}"
        )
        assert "tools" not in dict(outcomes(found))
        client = next(step["told"] for step in found["steps"] if step["name"] == "client")
        assert client == (
            f"Registers itself there when somebody connects an account next, at '{at.tracker.url}/register'. Nothing "
            "was registered now."
        )
        assert at.tracker.registrations == []
        assert at.tracker.forms == []
        assert await at.gw.table.get((await account_of(at, "ana@example.com"))[1].key) is None


async def account_of(at: Any, email: str) -> tuple[Any, Connection]:
    """A connection that is not stored: where that of a member would be."""
    member, server = await at.gw.admin.people.by_email(email), await server_of(at.gw, "tracker")
    now = at.gw.clock[0]
    made = Connection(
        server.id, Holder("user", member.id), at.tracker.url, at.tracker.url, "client-0", "none",
        f"{at.tracker.url}/token", None, f"{at.tracker.url}/mcp", ("read",), ("read",), "ana", now, email, now, now,
    )  # fmt: skip
    return member, made


async def test_the_administrators_key_has_no_account_of_its_own_and_is_told_so(tmp_path):
    async with scene(tmp_path) as at:
        found = await looked(at.gw, "tracker")
        assert found["well"]
        assert outcomes(found)[-1] == ("account", "skipped")
        assert "log in as yourself: gatehouse login" in found["steps"][-1]["told"]


async def test_an_account_that_others_act_as_is_looked_at_for_the_workspace_that_is_named(tmp_path):
    async with scene(tmp_path, {"granularity": "workspace"}) as at:
        await at.set_up({"granularity": "workspace"}, workspaces="all")
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        key = await admin_key(at.gw)
        unsaid = await ask(at.gw, key, "POST", "/servers/tracker/examination")
        assert unsaid.status_code == 422
        assert "Say which: --workspace (research, sales)" in unsaid.json()["detail"]
        assert (await looked(at.gw, "tracker", query="?workspace=research"))["well"]
        other = failed(await looked(at.gw, "tracker", query="?workspace=sales"))
        assert "An owner or admin of the organisation, or an admin of the workspace sales," in other["told"]


async def test_who_may_look_is_asked_for_the_workspace_it_is_looked_at_from(tmp_path):
    async with scene(tmp_path) as at:
        both = await joined(at.gw, "both@acme.dev", research="member", sales="admin")
        _, token = await granted(at.gw, both.id)
        for query in ("", "?workspace=research"):
            refused = await ask(at.gw, token, "POST", f"/servers/tracker/examination{query}")
            assert refused.status_code == 403, query
            assert "An owner or admin of the organisation" in refused.json()["detail"]
        elsewhere = await ask(at.gw, token, "POST", "/servers/tracker/examination?workspace=sales")
        assert (elsewhere.status_code, elsewhere.json()["detail"]) == (
            422, "'tracker' is not provisioned to the workspace 'sales'.",
        )  # fmt: skip
        await at.set_up(workspaces=[])
        nowhere = await ask(at.gw, await admin_key(at.gw), "POST", "/servers/tracker/examination")
        assert "provisioned to no workspace" in nowhere.json()["detail"]
        assert at.tracker.asked == []
        assert at.tracker.forms == []


@pytest.mark.parametrize(
    ("auth", "published", "step", "told"),
    [
        ({"type": "none"}, {}, "challenge", "its auth here is `none`. Set it to `oauth`"),
        ({"type": "oauth"}, {"resource": {"resource": "https://else.example/mcp"}}, "resource",
         "is for the resource 'https://else.example/mcp', to which its URL"),
        ({"type": "oauth"}, {"said": {"issuer": "https://else.example"}}, "server", "cannot be used: its metadata"),
        ({"type": "oauth"}, {"said": {"code_challenge_methods_supported": None}}, "server", "PKCE with S256"),
        ({"type": "oauth"}, {"said": {"token_endpoint": None}}, "server", "has no `token_endpoint`"),
        ({"type": "oauth"}, {"said": {"registration_endpoint": None}}, "client",
         "Register a client there by hand, with the redirect URI http://127.0.0.1:8787/oauth/upstream-callback"),
        ({"type": "oauth", "issuer": "http://127.0.0.1:9"}, {}, "server",
         "The authorization server 'http://127.0.0.1:9' of Linear cannot be reached (the connection is refused)."),
        ({"type": "client_credentials", "client_id": "x", "client_secret": {"secret": "there"},
          "token_endpoint": "http://127.0.0.1:9/token"}, {}, "account",
         "gives the gateway no new token. It cannot be reached (the connection is refused)."),
        ({"type": "oauth", "client_id": "x", "client_secret": {"secret": "unset"}}, {}, "secrets",
         "needs the secret 'unset', which is not set. An administrator sets it with: gatehouse secrets set unset"),
        ({"type": "client_credentials", "client_id": "x", "client_secret": {"secret": "unset"}}, {}, "secrets",
         "needs the secret 'unset', which is not set."),
        ({"type": "client_credentials", "client_id": "x", "client_secret": {"secret": "there"}}, {}, "account",
         "gives the gateway no new token. It says invalid_client"),
    ],
)  # fmt: skip
async def test_each_step_that_fails_says_so_itself_with_what_was_answered_and_what_to_do(
    tmp_path, auth: Json, published: Json, step: str, told: str
):
    async with searching() as sites, gateway(tmp_path, {}) as gw:
        sites.publish(**published)
        sites.auth.publish("POST /token", {"error": "invalid_client"}, 401)
        await gw.admin.set_secret("there", "s3cr3t-of-the-client")
        entry = {"slug": "linear", "name": "Linear", "url": f"{sites.server.url}/mcp", "workspaces": ["research"]}
        await gw.apply({"servers": [{**entry, "auth": auth}]})
        found = await looked(gw, "linear")
        assert not found["well"]
        (wrong,) = [one for one in found["steps"] if one["name"] == step and one["outcome"] == "failed"]
        assert told in wrong["told"]
        if step in ("challenge", "resource", "account") and "cannot be reached" not in told:
            assert wrong["exchange"]["status"] in (200, 401)
        if step == "secrets":
            # What was asked before belongs to other steps, and one secret that is missing is told once.
            assert wrong["exchange"] is None
            assert [one["told"] for one in found["steps"]].count(wrong["told"]) == 1
            assert outcomes(found)[-1] == ("account", "skipped")
        assert "Connect it at" not in str(found["steps"])
        assert all(page != "POST /register" for page in sites.auth.asked)


async def test_an_entered_client_is_foreseen_at_the_issuer_it_was_first_used_at_and_bound_to_none(tmp_path):
    async with scene(tmp_path, {"client_id": "by-hand"}) as at:
        at.tracker.clients["by-hand"] = "none"
        token = await owner(at.gw)
        said = {step["name"]: step for step in (await looked(at.gw, "tracker", token))["steps"]}
        assert said["client"]["told"] == "Entered by hand: by-hand, by none."
        # A look binds nothing: the first log-in does.
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        async with searching() as sites:
            sites.publish()
            await at.set_up({"client_id": "by-hand"}, url=f"{sites.server.url}/mcp")
            said = {step["name"]: step for step in (await looked(at.gw, "tracker", token))["steps"]}
            assert said["client"]["outcome"] == "failed"
            assert f"The client by-hand was used at {at.tracker.url} so far" in said["client"]["told"]
            # Nobody is sent to connect an account where that would fail.
            assert said["account"]["outcome"] == "skipped"
            assert said["account"]["told"] == "Not looked at: what failed above has to be mended first."


async def test_an_address_that_may_not_be_called_ends_it_and_nobody_is_asked(tmp_path):
    async with scene(tmp_path) as at:
        lax = replace(at.gw.admin, check_url=lambda url: None)
        entry = {"slug": "tracker", "url": "http://10.0.0.1/mcp", "workspaces": ["research"]}
        await replace(at.gw, admin=lax).apply({"servers": [entry]})
        step, skipped = (await looked(at.gw, "tracker"))["steps"]
        assert (skipped["name"], skipped["outcome"], skipped["exchange"]) == ("tools", "skipped", None)
        assert (step["name"], step["outcome"], step["exchange"]) == ("address", "failed", None)
        assert step["told"].endswith("The URL must start with https://.")


async def test_a_server_that_cannot_be_reached_is_not_asked_again_with_a_credential(tmp_path):
    for auth in ({"type": "oauth"}, {"type": "none"}):
        folder = tmp_path / auth["type"]
        folder.mkdir()
        async with gateway(folder, {"gone": {"url": "http://127.0.0.1:9/mcp", "name": "Gone", "auth": auth}}) as gw:
            found = await looked(gw, "gone")
            assert outcomes(found) == [("address", "ok"), ("challenge", "failed"), ("tools", "skipped")]
            assert "Gone cannot be reached (the connection is refused)." in failed(found)["told"]
            assert found["steps"][-1]["told"] == "Not looked at: what failed above has to be mended first."
            assert failed(found)["exchange"]["status"] is None


async def test_a_permission_that_has_ended_is_told_with_the_answer_of_the_authorization_server(tmp_path):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        at.gw.clock[0] += 3_600
        step = failed(await looked(at.gw, "tracker", await owner(at.gw)))
        assert step["name"] == "account"
        assert step["told"] == (
            "The authorization server of Tracker has ended the permission that was given. It says invalid_grant. "
            f"Connect it at http://127.0.0.1:8787{PAGE}"
        )
        assert step["exchange"]["request"] == f"POST {at.tracker.url}/token"
        assert (step["exchange"]["status"], step["exchange"]["body"]) == (400, '{"error": "invalid_grant"}')


async def test_a_server_that_refuses_the_account_is_told_at_the_last_step(tmp_path):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        at.tracker.tokens.clear()
        found = await looked(at.gw, "tracker", await owner(at.gw))
        assert ("account", "ok") in outcomes(found)
        assert failed(found)["name"] == "tools"
        assert "Connect it at" in failed(found)["told"]


async def test_an_account_that_lives_on_while_it_cannot_be_renewed_is_a_warning(tmp_path):
    async with scene(tmp_path) as at:
        _, made = await account_of(at, "ana@example.com")
        at.tracker.tokens["good-token"] = {"person": "ana", "scope": "read"}
        why = "The authorization server of Tracker gives the gateway no new token."
        lives = replace(made, expires_at=at.gw.clock[0] + 3_600, state="broken", why=why)
        await connections_of(at.gw).add(lives, Tokens("good-token", "refresh-token"))
        found = await looked(at.gw, "tracker", await owner(at.gw))
        assert dict(outcomes(found))["account"] == "warning"
        assert dict(outcomes(found))["tools"] == "ok"
        assert why in next(step["told"] for step in found["steps"] if step["name"] == "account")
