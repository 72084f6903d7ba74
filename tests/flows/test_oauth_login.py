"""Letting an app in, from its request to the end of its access, with a browser and no script."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.issuer.client import COMMAND_LINE
from gateway_core.issuer.registered import RegisteredClients
from gateway_core.local.data_folder import DATABASE
from tests.flows.browsers import LOCAL_REDIRECT, PUBLIC, OAuthClient, Stage, register, stage
from tests.flows.gateways import call

LINEAR = f"{PUBLIC}/research/linear/mcp"
CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"
KINDS = ("registered", "metadata document", "dynamic", "command line")


async def client_of(kind: str, at: Stage) -> OAuthClient:
    """A client of one kind."""
    if kind == "metadata document":
        return OAuthClient(CLAUDE_CODE)
    if kind == "dynamic":
        return await register(at.ana.http, "Claude Code (gw)")
    if kind == "command line":
        return OAuthClient(COMMAND_LINE.id, "http://127.0.0.1:53211/callback")
    clients = RegisteredClients(at.gw.table, lambda: at.gw.clock[0])
    made, _ = await clients.create("Reports", [LOCAL_REDIRECT], auth_method="none", by="ana@example.com")
    return OAuthClient(made.client.id)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_app_is_let_in_refreshes_and_is_put_out_again(tmp_path, kind):
    async with stage(tmp_path) as at:
        client = await client_of(kind, at)
        resource = f"{PUBLIC}/api/v1" if kind == "command line" else LINEAR
        page = await at.ana.open(client.url(resource))
        assert page.status == 200
        back = await at.ana.submit(page, "/authorize", "allow")
        assert back.url.startswith(f"{client.redirect_uri}?code=ghc_")
        assert back.parameters["state"] == client.state
        assert back.parameters["iss"] == PUBLIC
        told = (await client.redeem(at.ana.http, back.parameters["code"])).json()
        assert told["token_type"] == "Bearer"
        newer = (await client.refresh(at.ana.http, told["refresh_token"])).json()
        assert newer["access_token"] != told["access_token"]
        account = await at.ana.open("/oauth/account")
        reaches = "Administration of this gateway" if kind == "command line" else f"Research : {resource}"
        assert f"Reaches {reaches}" in account.text
        done = await at.ana.submit(account, "/oauth/account")
        assert "That app has no access any more" in done.text
        assert "None. Add a URL of this gateway to an app" in done.text
        gone = await client.refresh(at.ana.http, newer["refresh_token"])
        assert (gone.status_code, gone.json()["error"]) == (400, "invalid_grant")


async def test_the_token_opens_the_endpoint_until_the_app_gives_it_back(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        back = await at.ana.submit(await at.ana.open(client.url(LINEAR)), "/authorize", "allow")
        told = (await client.redeem(at.ana.http, back.parameters["code"])).json()
        assert (await at.gw.post("/research/linear/mcp", call(), key=told["access_token"])).status_code == 200
        assert (await at.gw.post("/research/github/mcp", call(), key=told["access_token"])).status_code == 401
        form = {"token": told["refresh_token"], "client_id": client.id}
        assert (await at.ana.http.post("/revoke", data=form)).status_code == 200
        assert (await at.gw.post("/research/linear/mcp", call(), key=told["access_token"])).status_code == 401
        assert "None. Add a URL of this gateway to an app" in (await at.ana.open("/oauth/account")).text


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("metadata document", "Claude Code, verified as claude.ai"),
        ("dynamic", "An app calling itself Claude Code (gw) — unverified, on this computer (localhost:64041)"),
        ("registered", "Reports, entered by an administrator"),
        ("command line", "Gatehouse command line, the command line of this gateway"),
    ],
)
async def test_the_consent_page_says_who_asks_and_who_vouches_for_that(tmp_path, kind, said):
    async with stage(tmp_path) as at:
        client = await client_of(kind, at)
        text = (await at.ana.open(client.url(f"{PUBLIC}/api/v1" if kind == "command line" else LINEAR))).text
        assert said in text.replace(" ,", ",")
        assert "program on this computer" in text
        assert client.redirect_uri.split("/")[2] in text
        assert ("Vouched for by claude.ai" in text) == (kind == "metadata document")
        assert ("Vouched for by nobody: it introduced itself" in text) == (kind == "dynamic")


async def test_the_consent_page_says_what_is_reached_as_whom_and_until_when(tmp_path):
    async with stage(tmp_path) as at:
        text = (await at.ana.open((await register(at.ana.http)).url(LINEAR))).text
        assert "Will reach Linear in Research" in text
        assert "ana@example.com Not you? Sign out" in text
        # 180 days from 18 November 2026.
        assert "at the latest on 17 May 2027, or after 30 days without use" in text


async def test_it_is_asked_again_each_time(tmp_path):
    async with stage(tmp_path) as at:
        client = OAuthClient(CLAUDE_CODE)
        for _ in range(2):
            page = await at.ana.open(client.url(LINEAR))
            assert "Let this app in?" in page.text
            assert (await at.ana.submit(page, "/authorize", "allow")).parameters["code"]


async def test_a_person_who_denies_is_sent_back_without_a_code(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        back = await at.ana.submit(await at.ana.open(client.url(LINEAR)), "/authorize", "deny")
        assert back.url.startswith(f"{LOCAL_REDIRECT}?error=access_denied&")
        assert back.parameters == {
            "error": "access_denied",
            "error_description": "The person at the browser did not allow it.",
            "state": client.state,
            "iss": PUBLIC,
        }


async def test_nobody_signed_in_goes_by_the_sign_in_page_to_the_same_request(tmp_path):
    async with stage(tmp_path) as at:
        stranger, client = at.browser(), await register(at.ana.http)
        asked = client.url(LINEAR, state="a b+c/ü&d=%25\"<>'")
        page = await stranger.open(asked)
        assert page.text.startswith("Sign in")
        assert page.form("/oauth/signin").fields["next"] == asked


async def test_asking_needs_no_cookie_sets_none_and_stores_nothing(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        bare, before = at.browser(), items(tmp_path)
        for method in ("GET", "HEAD"):
            answer = await bare.http.request(method, client.url(LINEAR))
            assert answer.status_code == 303
            assert "set-cookie" not in answer.headers
            assert answer.headers["location"].startswith("/oauth/signin?next=%2Fauthorize%3F")
            assert answer.text == ""
        assert items(tmp_path) == before


async def test_a_person_can_change_who_they_are_and_go_on(tmp_path):
    async with stage(tmp_path) as at:
        asked = (await register(at.ana.http)).url(LINEAR)
        page = await at.ana.submit(await at.ana.open(asked), "/oauth/signout")
        assert page.text.startswith("Sign in")
        assert page.form("/oauth/signin").fields["next"] == asked


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"scope": "a  b"}, "invalid_scope"),
    ],
)
async def test_what_is_wrong_with_a_request_the_app_hears_after_sign_in_and_a_click(tmp_path, changed, error):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        stranger = await at.browser().open(client.url(**{"resource": LINEAR, **changed}))
        assert stranger.text.startswith("Sign in")
        page = await at.ana.open(client.url(**{"resource": LINEAR, **changed}))
        assert page.status == 400
        assert "This app cannot be let in" in page.text
        assert "Return to Probe" in page.text
        back = await at.ana.submit(page, "/authorize", "return")
        assert back.url.startswith(f"{LOCAL_REDIRECT}?error={error}&error_description=")
        assert (back.parameters["state"], back.parameters["iss"]) == (client.state, PUBLIC)
        # Nor does a click on what is not there let it in.
        again = await at.ana.submit(page, "/authorize", decision="allow", workspace="ws-22222222")
        assert again.parameters["error"] == error


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_id": "ghd_nobody"}, "Remove the server from the app, and add it again."),
        ({"client_id": "https://nowhere.example/app.json"}, "nowhere.example"),
        ({"client_id": ""}, "does not say which app wants to sign in"),
        ({"redirect_uri": "https://evil.example/callback"}, "has not registered"),
        ({"redirect_uri": "http://localhost:64041/other"}, "has not registered"),
    ],
)
async def test_an_unknown_app_or_address_is_told_on_a_page_and_never_redirected(tmp_path, changed, said):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        for browser in (at.ana, at.browser()):
            page = await browser.open(client.url(**{"resource": LINEAR, **changed}))
            assert page.status == 400
            assert said in page.text
            assert "location" not in page.response.headers
            assert page.forms == []


async def test_a_consent_page_that_lay_open_for_ten_minutes_decides_nothing(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        page = await at.ana.open(client.url(LINEAR))
        at.gw.clock[0] += 600
        late = await at.ana.submit(page, "/authorize", "allow")
        assert late.status == 400
        assert "This page has expired" in late.text


async def test_the_decision_of_one_session_is_nothing_in_another(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        ben, _ = await at.member("ben@example.com", "research")
        page, own = await at.ana.open(client.url(LINEAR)), await ben.open(client.url(LINEAR))
        theirs = {"csrf": own.form("/authorize").fields["csrf"]}
        swapped = await ben.submit(page, "/authorize", "allow", **theirs)
        assert swapped.status == 400
        assert "belongs to another browser" in swapped.text
        gone = await at.ana.submit(page, "/oauth/signout")
        assert gone.status == 200
        late = await at.ana.submit(page, "/authorize", "allow")
        assert late.status == 400


def items(folder: Path) -> int:
    """How many items the store holds, besides the counters of throttles."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        found = connection.execute("SELECT count(*) FROM items WHERE pk NOT LIKE 'THROTTLE#%'").fetchone()
    return int(found[0])
