"""Calls with a token that was exchanged for whoever makes them."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway_core.upstream.auth import token_exchange
from tests.evil import closed_port
from tests.flows.foreign import EC, ISSUER, public, token
from tests.flows.gateways import NOW
from tests.flows.linear import linear
from tests.flows.token_servers import CLIENT

SECRET = "s3cret"
FOREIGN = {"issuer": ISSUER, "jwks": public(EC), "algorithms": ["ES256"], "audience": "https://gateway.acme.example"}


@asynccontextmanager
async def exchanging(folder: Any, *, answer: Any = None, **auth: Any) -> Any:
    """A server that takes tokens which were exchanged for those of another issuer."""
    async with linear(folder, answer=answer, tokens={"client": (CLIENT, SECRET)}) as at:
        await at.gw.admin.set_secret("linear-client", SECRET)
        exchange = {
            "type": "token_exchange", "subject": "bearer", "client_id": CLIENT,
            "client_secret": {"secret": "linear-client"}, "token_endpoint": at.tokens.url, **auth,
        }  # fmt: skip
        await at.set_up(auth=exchange, jwt_validation=FOREIGN)
        yield at


async def test_whoever_calls_with_a_token_of_their_issuer_gets_one_for_it_and_keeps_it_while_it_lives(tmp_path):
    async with exchanging(tmp_path, audience="linear", scopes=["read"]) as at:
        mine, other = token(alg="ES256"), token({"sub": "another"}, alg="ES256")
        responses = await asyncio.gather(*(at.call(mine) for _ in range(10)))
        assert {response.json()["result"]["content"][0]["text"] for response in responses} == {"Sunny."}
        [form] = at.tokens.forms
        assert form.client() == (CLIENT, SECRET)
        assert form.fields == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": mine, "scope": "read",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "audience": "linear",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token", "resource": at.upstream.url,
        }  # fmt: skip
        # Nobody else gets it, not even the same person with another token.
        for number, another in enumerate((other, token({"iat": NOW - 1}, alg="ES256")), 2):
            assert await at.said(another) == "Sunny."
            assert at.tokens.forms[-1].fields["subject_token"] == another
            assert at.seen()[-1] == f"Bearer access-{number}"
        assert at.seen()[:10] == ["Bearer access-1"] * 10
        assert mine not in str(at.seen())
        at.gw.clock[0] += 540
        await at.said(mine)
        assert len(at.tokens.forms) == 3
        # And after a 401 there is a new one, once.
        at.tokens.live.clear()
        assert await at.said(mine) == "Sunny."
        assert len(at.tokens.forms) == 4
        assert at.seen()[-2:] == ["Bearer access-1", "Bearer access-4"]


async def test_a_token_of_which_no_end_was_told_is_exchanged_anew_after_five_minutes(tmp_path):
    async with exchanging(tmp_path) as at:
        at.tokens.expires_in, mine = None, token(alg="ES256")
        for _ in range(2):
            assert await at.said(mine) == "Sunny."
            at.gw.clock[0] += 200
        assert len(at.tokens.forms) == 1
        await at.said(mine)
        assert len(at.tokens.forms) == 2


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ({"error": "invalid_request", "error_description": "subject_token is for somebody else"},
         "The authorization server of Linear gives no token for you. It says invalid_request: subject_token is for "
         "somebody else. Whoever administers this server here should check its `auth` settings."),
        ({"error": "temporarily_unavailable"},
         "Linear was not called: its authorization server gave no token. It says temporarily_unavailable. "
         "Try again in a moment."),
    ],
)  # fmt: skip
async def test_a_token_that_is_not_exchanged_is_told_why(tmp_path, refusal, told):
    async with exchanging(tmp_path) as at:
        at.tokens.refusal = refusal
        assert await at.said(token(alg="ES256")) == told
        assert at.upstream.seen == []


async def test_an_authorization_server_that_cannot_be_reached_is_named_and_nothing_was_called(tmp_path):
    gone = f"http://127.0.0.1:{closed_port()}"
    async with exchanging(tmp_path, token_endpoint=None, issuer=gone) as at:
        assert await at.said(token(alg="ES256")) == (
            f"Linear was not called: The authorization server '{gone}' of Linear cannot be reached. Try again in a "
            "moment."
        )
        assert at.upstream.calls("tools/call") == []


async def test_whoever_has_nothing_to_exchange_is_told_what_it_takes(tmp_path):
    async with exchanging(tmp_path) as at:
        assert await at.said() == (
            "Linear takes callers by the token of their own issuer, and this request has one of the gateway. "
            "Call with a token of that issuer."
        )
        assert at.tokens.forms == []


async def test_no_more_exchanged_tokens_are_held_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(token_exchange, "MAX_HELD", 2)
    async with exchanging(tmp_path) as at:
        people = [token({"sub": f"somebody-{number}"}, alg="ES256") for number in range(4)]
        for person in people:
            await at.said(person)
        assert len(at.tokens.forms) == 4
        await at.said(people[3])
        assert len(at.tokens.forms) == 4
        await at.said(people[0])
        assert len(at.tokens.forms) == 5
