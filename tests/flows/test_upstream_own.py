"""The gateway's own accounts at servers, which nobody connects."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway_core.upstream.connections import Connection
from gateway_core.upstream.holders import Holder
from tests.evil import closed_port
from tests.flows.actors import workspace_id
from tests.flows.gateways import call
from tests.flows.linear import Linear, linear
from tests.flows.token_servers import CLIENT, connections_of, server_of
from tests.flows.upstreams import Asked, Json

SECRET = "s3cret: with+signs"
OWN = {"type": "client_credentials", "client_id": CLIENT, "client_secret": {"secret": "linear-client"}}
ORG = Holder("organisation", "org")


@asynccontextmanager
async def own(folder: Any, auth: Json | None = None, *, answer: Any = None, **tokens: Any) -> Any:
    """A server that the gateway has an account of its own at."""
    client = {"client": (CLIENT, SECRET), **tokens}
    async with linear(folder, answer=answer, tokens=client) as at:
        await at.gw.admin.set_secret("linear-client", SECRET)
        await at.set_up(auth={**OWN, "token_endpoint": at.tokens.url, **(auth or {})})
        yield at


async def account(at: Linear, holder: Holder = ORG) -> Connection:
    found = await connections_of(at.gw).get((await server_of(at.gw, "linear")).id, holder)
    assert found is not None
    return found


async def test_the_gateway_gets_its_own_account_by_itself_with_one_call_however_many_ask(tmp_path):
    async with own(tmp_path, {"scopes": ["read", "write"]}) as at:
        responses = await asyncio.gather(*(at.call(key) for key in [at.key, at.gw.key] * 10))
        assert {response.json()["result"]["content"][0]["text"] for response in responses} == {"Sunny."}
        [form] = at.tokens.forms
        assert form.client() == (CLIENT, SECRET)
        assert form.fields == {"grant_type": "client_credentials", "scope": "read write", "resource": at.upstream.url}
        found = await account(at)
        assert (found.state, found.scopes, found.connected_by) == ("ok", ("read", "write"), "gatehouse")
        at.gw.clock[0] += 3600
        await asyncio.gather(*(at.call() for _ in range(10)))
        assert len(at.tokens.forms) == 2
        assert set(at.seen()) == {"Bearer access-1", "Bearer access-2"}
        assert (await account(at)).connected_at == found.connected_at


async def test_each_workspace_has_its_own_account_where_that_is_set(tmp_path):
    async with own(tmp_path, {"granularity": "workspace"}) as at:
        await at.set_up(auth={**OWN, "token_endpoint": at.tokens.url, "granularity": "workspace"}, workspaces="all")
        sales, _ = await at.gw.new_key("sales")
        for _ in range(2):
            assert await at.said() == "Sunny."
            await at.gw.post("/sales/linear/mcp", call(), sales)
        assert len(at.tokens.forms) == 2
        assert at.seen() == ["Bearer access-1", "Bearer access-2"] * 2
        for slug in ("research", "sales"):
            assert (await account(at, Holder("workspace", await workspace_id(at.gw, slug)))).state == "ok"


async def test_a_refused_account_is_told_with_the_reason_asked_for_again_half_a_minute_later_and_mends_itself(tmp_path):
    async with own(tmp_path, refusal={"error": "invalid_scope", "error_description": "No scope 'x'"}) as at:
        told = (
            "The authorization server of Linear gives the gateway no new token. It says invalid_scope: No scope 'x'. "
            "Your call was not carried out. This answer stands for {} s: try again after that. Whoever "
            "administers this server here should check its `auth` settings."
        )
        for left_s in (30, 18, 6):
            assert await at.said() == told.format(left_s)
            at.gw.clock[0] += 12
        at.gw.clock[0] -= 36
        assert len(at.tokens.forms) == 1
        assert at.upstream.seen == []
        assert at.gw.records.lines[-1]["reason"] == "account_refused"
        found = await account(at)
        assert (found.state, found.not_before) == ("broken", at.gw.clock[0] + 30)
        at.tokens.refusal = None
        at.gw.clock[0] += 30
        assert await at.said() == "Sunny."
        assert (await account(at)).state == "ok"


async def test_a_token_endpoint_that_is_down_is_named_and_the_call_was_not_carried_out(tmp_path):
    async with own(tmp_path) as at:
        gone = f"http://127.0.0.1:{closed_port()}/token"
        await at.set_up(auth={**OWN, "token_endpoint": gone})
        assert await at.said() == (
            "The authorization server of Linear gives the gateway no new token. It cannot be reached. Your call was "
            "not carried out. This answer stands for 2 s: try again after that. Whoever administers this server here "
            "should check its `auth` settings."
        )


async def test_a_secret_that_is_not_set_is_named_and_nothing_is_asked(tmp_path):
    async with own(tmp_path) as at:
        await at.set_up(auth={**OWN, "client_secret": {"secret": "other"}, "token_endpoint": at.tokens.url})
        assert await at.said() == (
            "Linear needs the secret 'other', which is not set. "
            "An administrator sets it with: gatehouse secrets set other"
        )
        assert at.tokens.forms == []


async def test_a_private_key_proves_the_gateway_where_there_is_one(tmp_path):
    key = ECKey.generate_key("P-256")
    async with own(tmp_path) as at:
        await at.gw.admin.set_secret("linear-key", key.as_pem(private=True).decode())
        auth = {"type": "client_credentials", "client_id": CLIENT, "private_key": {"secret": "linear-key"}}
        await at.set_up(auth={**auth, "token_endpoint": at.tokens.url, "issuer": "https://login.linear.example"})
        assert await at.said() == "Sunny."
        [form] = at.tokens.forms
        claims = jwt.decode(form.fields["client_assertion"], key, algorithms=["ES256"]).claims
        assert (claims["iss"], claims["aud"]) == (CLIENT, "https://login.linear.example")
        await at.gw.admin.set_secret("linear-key", "no key")
        at.gw.clock[0] += 3600
        assert "Its private key cannot be used: give it in PEM, without a password." in await at.said()


async def test_what_is_left_out_is_found_out_as_for_people(tmp_path):
    async def published(asked: Asked) -> None:
        if asked.method == "GET" and "oauth-protected-resource" in asked.path:
            issuer = at.tokens.url.removesuffix("/token")
            document = {"resource": at.upstream.url, "authorization_servers": [issuer], "scopes_supported": ["read"]}
            await asked.respond.json(document)
        else:
            await guarded(asked)

    async with own(tmp_path) as at:
        guarded = at.upstream.answer
        at.upstream.answer = published
        issuer = at.tokens.url.removesuffix("/token")
        at.tokens.metadata = {
            "issuer": issuer,
            "token_endpoint": at.tokens.url,
            "authorization_endpoint": f"{issuer}/authorize",
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        await at.set_up(auth=OWN)
        assert await at.said() == "Sunny."
        [form] = at.tokens.forms
        assert form.fields == {
            "grant_type": "client_credentials", "scope": "read", "resource": at.upstream.url,
            "client_id": CLIENT, "client_secret": SECRET,
        }  # fmt: skip
        assert (await account(at)).issuer == issuer
        # Where it cannot be reached, the words say which server, and that nothing was done.
        gone = f"http://127.0.0.1:{closed_port()}"
        elsewhere = {**OWN, "issuer": gone, "scopes": ["a"]}
        await at.set_up(auth=elsewhere)
        assert await at.said() == (
            f"Your call to Linear was not carried out: The authorization server '{gone}' of Linear cannot be reached. "
            "Try again in a moment."
        )
        # Where nothing is to be found, the words say what to enter.
        at.tokens.metadata = None
        await at.set_up(auth={**OWN, "scopes": ["other"]})
        at.gw.clock[0] += 3600
        assert "token_endpoint" in await at.said()


async def test_an_account_of_the_gateway_is_made_anew_where_the_server_is_another_by_now(tmp_path):
    async with own(tmp_path) as at, linear(tmp_path / "elsewhere") as other:
        assert await at.said() == "Sunny."
        before = await account(at)
        other.tokens.live.add("access-2")
        at.gw.clock[0] += 5
        await at.set_up(url=other.upstream.url, auth={**OWN, "token_endpoint": at.tokens.url})
        assert await at.said() == "Sunny."
        assert other.seen() == ["Bearer access-2"], "never the token that was for the other address"
        after = await account(at)
        assert after.origin != before.origin
        assert after.connected_at == before.connected_at + 5


async def test_a_token_that_lives_is_not_sent_elsewhere_while_no_other_can_be_had(tmp_path):
    async with own(tmp_path) as at, linear(tmp_path / "elsewhere") as other:
        assert await at.said() == "Sunny."
        at.gw.clock[0] += 3600 - 30
        at.tokens.refusal = {"error": "unauthorized_client"}
        assert await at.said() == "Sunny.", "while the old one lives, it is used"
        await at.set_up(url=other.upstream.url, auth={**OWN, "token_endpoint": at.tokens.url})
        assert "It says unauthorized_client." in await at.said()
        at.gw.clock[0] += 30
        assert "It says unauthorized_client." in await at.said()
        assert other.upstream.seen == []
        assert len(at.tokens.forms) == 3


async def refusing(asked: Asked) -> None:
    await asked.respond.raw(b"", 401)


@pytest.mark.parametrize("extra", [{"junk": "x" * 70_000}, {"token_type": "DPoP"}, {"access_token": "a b"}])
async def test_an_answer_that_cannot_be_used_is_told_and_asked_for_again_later(tmp_path, extra):
    async with own(tmp_path, extra=extra) as at:
        assert (await at.said()).startswith("The authorization server of Linear gives the gateway no new token. ")
        assert at.upstream.seen == []
        at.tokens.extra = {}
        at.gw.clock[0] += 30
        assert await at.said() == "Sunny."


@pytest.mark.parametrize("same", [False, True], ids=["a new token each time", "the same token each time"])
async def test_a_server_that_takes_no_token_of_the_gateway_is_told_and_not_asked_in_a_loop(tmp_path, same):
    async with own(tmp_path) as at:
        at.upstream.answer = refusing
        if same:
            at.tokens.extra = {"access_token": "always-the-same"}
        for _ in range(3):
            assert await at.said() == (
                "Linear refused the access that it had been given (HTTP 401). Your call was not carried out. This "
                "answer stands for 30 s: try again after that. Whoever administers this server here should "
                "check its `auth` settings."
            )
        # One renewal, and what comes of it is sent where it is another; from then on what there is, once for each call.
        assert len(at.tokens.forms) == 2
        assert len(at.upstream.seen) == (3 if same else 4)
        at.gw.clock[0] += 30
        await at.said()
        assert len(at.tokens.forms) == 3, "half a minute later it is tried again"


async def test_more_permission_is_an_administrators_matter_where_nobody_can_be_asked(tmp_path):
    async def strict(asked: Asked) -> None:
        await asked.respond.raw(b"", 403, {"www-authenticate": 'Bearer error="insufficient_scope", scope="write"'})

    async with own(tmp_path, answer=strict) as at:
        assert await at.said() == (
            "Linear wants more permission for this than it was given: write. "
            "Whoever administers this server here should check its `auth` settings."
        )
        assert at.gw.records.lines[-1]["reason"] == "insufficient_scope"
