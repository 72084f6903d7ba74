"""Letting an app in at a server that acts as the person: their account is connected on the way, and the app gets its
code once, whatever becomes of that."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.local.data_folder import DATABASE
from gateway_core.web.oauth.pending_consents import KEPT_S
from tests.flows.browsers import LOCAL_REDIRECT, PUBLIC, Browser, OAuthClient, Page, register
from tests.flows.tracker import PAGE, left, scene

RESOURCE = f"{PUBLIC}/research/tracker/mcp"


async def allowed(browser: Browser, client: OAuthClient, resource: str = RESOURCE) -> Page:
    """Where the browser is once the person has clicked Allow."""
    return await browser.submit(await browser.open(client.url(resource)), "/authorize", "allow")


def came_back(page: Page) -> bool:
    return page.url.startswith(f"{LOCAL_REDIRECT}?") and page.parameters["code"].startswith("ghc_")


async def on_from(browser: Browser, page: Page) -> str:
    """The address at the authorization server to which the button leads."""
    return (await browser.submit(page, PAGE)).url


async def test_one_way_from_the_app_over_our_consent_and_the_log_in_there_back_to_the_app(tmp_path):
    async with scene(tmp_path) as at:
        client = await register(at.at.ana.http, "Claude Code")
        page = await allowed(at.at.ana, client)
        assert page.url.startswith(f"{PUBLIC}{PAGE}?then=")
        assert "You let Claude Code in. It uses Tracker with your account there, so connect that first;" in page.text
        # Chromium holds the form against every step of the way, the app's own included.
        assert (
            "form-action 'self' http: http://localhost:64041 https:;"
            in page.response.headers["content-security-policy"]
        )
        page = await at.at.ana.open(at.tracker.visit(await on_from(at.at.ana, page)))
        assert came_back(page)
        assert page.parameters["state"] == client.state
        token = (await client.redeem(at.at.ana.http, page.parameters["code"])).json()["access_token"]
        assert "I am ana." in await at.called(token)
        # The next app needs nothing of the kind.
        assert came_back(await allowed(at.at.ana, await register(at.at.ana.http, "Other")))


async def test_who_does_not_want_to_connect_now_goes_on_and_the_call_says_so_later(tmp_path):
    async with scene(tmp_path) as at:
        client = await register(at.at.ana.http)
        page = await allowed(at.at.ana, client)
        done = await at.at.ana.submit(page, "/authorize")
        assert came_back(done)
        token = (await client.redeem(at.at.ana.http, done.parameters["code"])).json()["access_token"]
        assert "you have not connected your account there" in await at.called(token)
        # Once: the same button again gives nothing.
        again = await at.at.ana.submit(page, "/authorize")
        assert (again.status, "This was carried out already" in again.text) == (400, True)


@pytest.mark.parametrize("error", ["access_denied", "server_error"])
async def test_who_says_no_over_there_reads_so_and_the_app_gets_its_code_all_the_same(tmp_path, error):
    async with scene(tmp_path) as at:
        page = await allowed(at.at.ana, await register(at.at.ana.http))
        page = await at.at.ana.open(at.tracker.visit(await on_from(at.at.ana, page), error=error))
        assert page.status == 400
        assert "You let Probe in all the same" in page.text
        assert came_back(await at.at.ana.submit(page, "/authorize"))


async def test_what_was_allowed_waits_for_this_browser_and_ten_minutes_and_for_no_other(tmp_path):
    async with scene(tmp_path) as at:
        eve, _ = await at.at.member("eve@example.com", "research")
        page = await allowed(at.at.ana, await register(at.at.ana.http))
        hers = await eve.open(page.url.removeprefix(PUBLIC))
        assert "You let Probe in" not in hers.text
        assert [form.action for form in hers.forms].count("/authorize") == 0
        name = page.form("/authorize").fields["then"]
        csrf = hers.form("/oauth/signout").fields["csrf"]
        for sent in ({"then": name, "csrf": csrf}, {"then": "", "csrf": csrf}):
            assert (await eve.post("/authorize", sent)).status == 400
        assert (await at.at.ana.submit(page, "/authorize", csrf="")).status == 400
        at.gw.clock[0] += KEPT_S
        assert (await at.at.ana.submit(page, "/authorize")).status == 400
        assert codes(tmp_path) == 0


async def test_what_somebody_could_not_allow_any_more_is_not_carried_out(tmp_path):
    async with scene(tmp_path) as at:
        ben, _ = await at.at.member("ben@example.com", "research")
        page = await allowed(ben, await register(ben.http))
        back = at.tracker.visit(await on_from(ben, page), "ben")
        await at.set_up(workspaces=["sales"])
        assert (await ben.open(back)).status == 404
        done = await ben.submit(page, "/authorize")
        assert done.parameters["error"] == "access_denied"
        assert codes(tmp_path) == 0


async def test_a_whole_workspace_and_accounts_of_several_are_let_in_without_the_detour(tmp_path):
    async with scene(tmp_path) as at:
        client = await register(at.at.ana.http)
        assert came_back(await allowed(at.at.ana, client, f"{PUBLIC}/research/mcp"))
        await at.set_up({"granularity": "workspace"})
        assert came_back(await allowed(at.at.ana, client))
        assert await left(at.at.ana)


def codes(folder: Path) -> int:
    """How many were ever made."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return int(connection.execute("SELECT count(*) FROM items WHERE pk LIKE 'CODE#%'").fetchone()[0])
