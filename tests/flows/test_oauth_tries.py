"""Too many tries: counted where somebody guesses or floods, and told when to come back."""

import ast
from pathlib import Path
from typing import Any

import httpx2
import pytest

import gateway_core
from gateway_core.access import throttle
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, OAuthClient, Stage, register, stage
from tests.flows.test_oauth_entering import invitation, with_provider
from tests.oidc import signed_in_at

THROTTLED = (
    ("authorize", "GET", "/authorize"),
    ("authorize", "POST", "/authorize"),
    ("signin_address", "POST", "/oauth/signin"),
    ("setup", "GET", "/oauth/setup"),
    ("setup", "POST", "/oauth/setup"),
    ("invitation", "GET", "/oauth/join"),
    ("invitation", "POST", "/oauth/join"),
    ("token", "POST", "/token"),
    ("token", "POST", "/revoke"),
    ("token", "POST", "/introspect"),
    ("register", "POST", "/register"),
)


@pytest.mark.parametrize(("what", "method", "path"), THROTTLED)
async def test_too_many_tries_from_one_address_are_told_when_to_come_back(tmp_path, monkeypatch, what, method, path):
    monkeypatch.setitem(throttle.LIMITS, what, throttle.Limit(2, 300))
    async with stage(tmp_path) as at:
        one, other = at.browser("198.51.100.1"), at.browser("198.51.100.2")
        answers = [await tried(one, method, path) for _ in range(3)]
        assert [answer.status_code == 429 for answer in answers] == [False, False, True]
        assert 0 < int(answers[2].headers["retry-after"]) <= 300
        if path in ("/token", "/revoke", "/introspect", "/register"):
            assert answers[2].json()["error"] == "temporarily_unavailable"
        else:
            assert "Too many attempts" in answers[2].text
        assert (await tried(other, method, path)).status_code != 429
        at.gw.clock[0] += 300
        assert (await tried(one, method, path)).status_code != 429


async def test_too_many_approvals_of_one_member_are_held_back(tmp_path, monkeypatch):
    monkeypatch.setitem(throttle.LIMITS, "authorize_account", throttle.Limit(2, 300))
    async with stage(tmp_path) as at:
        page = await at.ana.open((await register(at.ana.http)).url(f"{PUBLIC}/research/linear/mcp"))
        seen = [(await at.ana.submit(page, "/authorize", "allow")).status for _ in range(3)]
        assert seen[2] == 429


async def test_passwords_tried_for_one_account_are_counted_wherever_they_come_from_and_however_it_is_written(tmp_path):
    async with stage(tmp_path) as at:
        for email in ("ben@example.com", "eve@example.com"):
            page = await at.browser().open(f"/oauth/join?token={await invitation(at, email)}")
            await at.opened[-1].submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        at.gw.clock[0] += throttle.SIGNIN_ACCOUNT.window_s
        written = ("ben@example.com", " BEN@example.com", "Ben@Example.com ")
        seen = [await guessed(at, written[number % 3], f"203.0.113.{number}") for number in range(11)]
        assert seen == [403] * 10 + [429]
        # Nor does the right one tell the guesser that it is right.
        assert await guessed(at, "ben@example.com", "203.0.113.99", PASSWORD) == 429
        assert await guessed(at, "eve@example.com", "203.0.113.99", PASSWORD) == 200
        # An address that nobody has is counted the same: else one could tell.
        unknown = [await guessed(at, "nobody@example.com", f"203.0.113.{number}") for number in range(11)]
        assert unknown == seen
        at.gw.clock[0] += throttle.SIGNIN_ACCOUNT.window_s
        assert await guessed(at, "ben@example.com", "203.0.113.99", PASSWORD) == 200


async def test_a_sign_in_at_the_identity_provider_counts_once(tmp_path, monkeypatch):
    async with with_provider(tmp_path) as (gw, _):
        ana = Browser(gw.front)
        away = await ana.submit(await ana.open(await gw.oauth.setup_link()), "/oauth/setup")
        await ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
        monkeypatch.setitem(throttle.LIMITS, "signin_address", throttle.Limit(2, 900))
        for _ in range(2):
            await ana.submit(await ana.open("/oauth/signout"), "/oauth/signout")
            away = await ana.submit(await ana.open("/oauth/signin"), "/oauth/signin")
            back = await ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
            assert back.text.startswith("My access")
        await ana.submit(await ana.open("/oauth/signout"), "/oauth/signout")
        assert (await ana.submit(await ana.open("/oauth/signin"), "/oauth/signin")).status == 429
        await ana.close()


async def test_one_grant_that_is_refreshed_without_end_is_held_back_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setitem(throttle.LIMITS, "token_grant", throttle.Limit(2, 300))
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        wild, calm = [await granted(at, client) for _ in range(2)]
        for number in range(2):
            wild = (await client.refresh(at.browser(f"198.51.100.{number}").http, wild)).json()["refresh_token"]
        held = await client.refresh(at.browser("198.51.100.9").http, wild)
        assert (held.status_code, held.json()["error"]) == (429, "temporarily_unavailable")
        assert 0 < int(held.headers["retry-after"]) <= 300
        assert (await client.refresh(at.ana.http, calm)).status_code == 200
        at.gw.clock[0] += 300
        assert (await client.refresh(at.ana.http, wild)).status_code == 200


def test_every_limit_that_there_is_holds_somewhere():
    asked = {
        node.args[0].value
        for path in Path(gateway_core.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "check"
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked == set(throttle.LIMITS)


async def tried(browser: Browser, method: str, path: str) -> httpx2.Response:
    """One request; a form of ours with the token that belongs to this browser."""
    if method == "GET":
        return await browser.http.get(path)
    sent: dict[str, Any] = {}
    if path == "/authorize" or path.startswith("/oauth/"):
        sent = (await browser.open("/oauth/signin")).form("/oauth/signin").fields
    return await browser.http.post(path, data=sent, headers={"origin": PUBLIC})


async def guessed(at: Stage, email: str, address: str, password: str = "not this one, sorry") -> int:
    """The status of one try to sign in, from a browser of its own."""
    browser = at.browser(address)
    page = await browser.open("/oauth/signin")
    return (await browser.submit(page, "/oauth/signin", email=email, password=password)).status


async def granted(at: Stage, client: OAuthClient) -> str:
    """The refresh token of a new grant."""
    back = await at.ana.submit(await at.ana.open(client.url(f"{PUBLIC}/research/linear/mcp")), "/authorize", "allow")
    return str((await client.redeem(at.ana.http, back.parameters["code"])).json()["refresh_token"])
