"""Links that are opened where somebody is signed in, or a second time; and pages that another tab has outdated."""

from dataclasses import replace

import pytest

from gateway_core.access import throttle
from gateway_core.signin.cookies import cookie_name
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, Page, register, stage
from tests.flows.gateways import NOW, gateway
from tests.flows.test_oauth_entering import invitation, with_provider
from tests.oidc import CLIENT_ID, CLIENT_SECRET, provider, signed_in_at

FORGOT = "Forgot the password? An administrator can send you a new link."
WHO = "You are signed in as ana@example.com . This invitation is for ben@example.com ."


def leads_to_account(page: Page) -> bool:
    return '<a href="/oauth/account">Open My access</a>' in page.response.text


async def test_an_invitation_names_the_organisation_and_who_made_it(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"organisation": "Acme <Labs>"})
        page = await at.browser().open(f"/oauth/join?token={await invitation(at)}")
        assert "ana@example.com let you in as ben@example.com" in page.text
        assert "Organisation Acme <Labs>" in page.text
        invitations = at.gw.oauth.desk.sign_in.invitations
        member = await invitations.people.add("eve@example.com", by="administrator")
        page = await at.browser().open(f"/oauth/join?token={await invitations.make(member.id, by='administrator')}")
        assert "An administrator let you in as eve@example.com" in page.text


async def test_somebody_elses_invitation_takes_nobody_out_of_their_own_account(tmp_path):
    async with stage(tmp_path) as at:
        link, cookie = f"/oauth/join?token={await invitation(at)}", at.ana.http.cookies[cookie_name(PUBLIC)]
        shown = await at.ana.open(link)
        assert (shown.status, WHO in shown.text) == (200, True)
        assert '<a href="/oauth/account">Back to My access</a>' in shown.response.text
        assert [form.action for form in shown.forms] == ["/oauth/signout"]
        csrf = shown.form("/oauth/signout").fields["csrf"]
        sent = {"token": link.partition("=")[2], "name": "Ben", "password": PASSWORD}
        for held in (csrf, "x"):
            refused = await at.ana.post("/oauth/join", {**sent, "csrf": held})
            assert (refused.status, WHO in refused.text) == (409, True)
        assert at.ana.http.cookies[cookie_name(PUBLIC)] == cookie
        assert "Signed in as Ana Ruiz" in (await at.ana.open("/oauth/account")).text
        ben = at.browser()
        done = await ben.submit(await ben.open(link), "/oauth/join", name="Ben", password=PASSWORD)
        assert "Signed in as Ben , ben@example.com" in done.text, "the link was used up"


async def test_who_signs_out_to_join_comes_to_the_form_and_is_the_other_then(tmp_path):
    async with stage(tmp_path) as at:
        shown = await at.ana.open(f"/oauth/join?token={await invitation(at)}")
        stolen = {**shown.form("/oauth/signout").fields, "csrf": "x"}
        assert (await at.ana.post("/oauth/signout", stolen)).status == 400
        foreign = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
        assert (await at.ana.post("/oauth/signout", shown.form("/oauth/signout").fields, **foreign)).status == 403
        assert WHO in (await at.ana.open(f"/oauth/join?token={shown_token(shown)}")).text
        form = await at.ana.submit(shown, "/oauth/signout")
        assert "You are invited" in form.text
        done = await at.ana.submit(form, "/oauth/join", name="Ben", password=PASSWORD)
        assert "Signed in as Ben , ben@example.com" in done.text


def shown_token(page: Page) -> str:
    return page.form("/oauth/signout").fields["next"].partition("=")[2]


async def test_who_signs_out_to_join_chooses_an_account_at_the_identity_provider(tmp_path):
    async with provider(lambda: NOW) as idp:
        known = {"oidc_issuer": idp.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        async with stage(tmp_path, **known) as at:
            link = f"/oauth/join?token={await invitation(at)}"
            shown = await at.ana.open(link)
            assert WHO in shown.text
            token, csrf = shown_token(shown), shown.form("/oauth/signout").fields["csrf"]
            refused = await at.ana.post("/oauth/join", {"csrf": csrf, "token": token})
            assert (refused.status, WHO in refused.text) == (409, True)
            away = await at.ana.submit(await at.ana.submit(shown, "/oauth/signout"), "/oauth/join")
            assert "prompt=select_account" in away.url
            idp.person = {"sub": "ben", "email": "ben@example.com", "email_verified": True}
            done = await at.ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
            assert "ben@example.com" in done.text
            fresh = at.browser()
            token = await invitation(at, "eve@example.com")
            away = await fresh.submit(await fresh.open(f"/oauth/join?token={token}"), "/oauth/join")
            assert "prompt=" not in away.url


async def test_who_has_joined_hears_so_in_a_second_tab_and_finds_their_access(tmp_path):
    async with stage(tmp_path) as at:
        ben, link = at.browser(), f"/oauth/join?token={await invitation(at)}"
        tabs = [await ben.open(link), await ben.open(link)]
        filled = {"name": "Ben", "password": PASSWORD}
        await ben.submit(tabs[0], "/oauth/join", **filled)
        for told in (await ben.submit(tabs[1], "/oauth/join", **filled), await ben.open(link)):
            assert told.status == 409
            assert "You are signed in as ben@example.com. If this invitation was yours, you have joined" in told.text
            assert leads_to_account(told)


async def test_who_has_set_the_gateway_up_hears_so_in_a_second_tab(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana, link = Browser(gw.front), await gw.oauth.setup_link() or ""
        tabs = [await ana.open(link), await ana.open(link)]
        filled = {"name": "Ana", "email": "ana@example.com", "password": PASSWORD}
        await ana.submit(tabs[0], "/oauth/setup", **filled)
        for told in (await ana.submit(tabs[1], "/oauth/setup", **filled), await ana.open(link)):
            assert told.status == 409
            assert "This gateway is set up already" in told.text
            assert "You are signed in as ana@example.com." in told.text
            assert leads_to_account(told)
        await ana.close()


@pytest.mark.parametrize("page", ["setup", "join"])
async def test_a_form_of_another_browser_is_shown_anew_and_can_be_sent_then(tmp_path, page):
    async with gateway(tmp_path, {}) as gw:
        link, browser, other = await gw.oauth.setup_link() or "", Browser(gw.front), Browser(gw.front)
        if page == "join":
            invitations = gw.oauth.desk.sign_in.invitations
            made = await invitations.people.add("ana@example.com", by="x")
            link = f"/oauth/join?token={await invitations.make(made.id, by='x')}"
        filled = {"name": "Ana", "email": "ana@example.com", "password": PASSWORD}
        stale = await browser.submit(await other.open(link), f"/oauth/{page}", **filled)
        assert stale.status == 400
        assert "made for another tab or browser, so nobody was signed in" in stale.text
        assert "Signed in as Ana" in (await browser.submit(stale, f"/oauth/{page}", **filled)).text
        for each in (browser, other):
            await each.close()


async def test_who_signed_out_in_another_tab_is_signed_out_there_too_and_finds_the_way_back(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.new_key(kind="user", subject="ana@example.com")
        page = await at.ana.open("/oauth/account")
        await at.ana.submit(page, "/oauth/signout")
        assert "You are signed out" in (await at.ana.submit(page, "/oauth/signout")).text
        told = await at.ana.post("/oauth/account", {"csrf": page.form("/oauth/signout").fields["csrf"]})
        assert (told.status, leads_to_account(told)) == (400, True)
        assert "belongs to another browser, or to a sign-in that has ended" in told.text


async def test_what_was_revoked_in_another_tab_is_said_to_have_ended(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        page = await at.ana.open(client.url(f"{PUBLIC}/research/linear/mcp"))
        await client.redeem(at.ana.http, (await at.ana.submit(page, "/authorize", "allow")).parameters["code"])
        form = (await at.ana.open("/oauth/account")).form("/oauth/account").fields
        await at.ana.post("/oauth/account", form)
        again = await at.ana.post("/oauth/account", form)
        assert again.status == 404
        assert "There is nothing to end It has ended already, or was never yours." in again.text
        assert leads_to_account(again)


async def test_who_forgot_the_password_hears_what_helps(tmp_path, monkeypatch):
    monkeypatch.setitem(throttle.LIMITS, "signin_account", throttle.Limit(1, 300))
    async with stage(tmp_path) as at:
        ben = at.browser()
        page = await ben.open("/oauth/signin")
        assert FORGOT in page.text
        tried = [await tried_password(ben, page) for _ in range(2)]
        assert [told.status for told in tried] == [403, 429]
        assert "Too many attempts" in tried[1].text
        assert FORGOT in tried[1].text
        assert int(tried[1].response.headers["retry-after"]) > 0


async def tried_password(browser: Browser, page: Page) -> Page:
    return await browser.submit(page, "/oauth/signin", email="ben@example.com", password="not this one")


async def test_at_an_identity_provider_nobody_is_told_of_passwords(tmp_path):
    async with with_provider(tmp_path) as (gw, _):
        ana = Browser(gw.front)
        assert "password" not in (await ana.open("/oauth/signin")).text
        await ana.close()


async def test_a_mangled_set_up_link_says_where_the_whole_one_is_until_there_is_an_owner(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana, link = Browser(gw.front), await gw.oauth.setup_link() or ""
        elsewhere = await replace(gw.oauth.desk.sign_in.setup, local=False).refusal()
        assert "The output SetupLink of the gateway's stack is a command that prints the link." in elsewhere.message
        form = await ana.open(link)
        filled = {"name": "Ana", "email": "ana@example.com", "password": PASSWORD}
        for told in (await ana.open(link[:-1]), await ana.submit(form, "/oauth/setup", token="ghs_x", **filled)):
            assert (told.status, "This set-up link does not work" in told.text) == (403, True)
            assert "there is no owner yet who could invite you. Start the gateway again: it prints" in told.text
            assert "ask an owner" not in told.text
        await ana.submit(form, "/oauth/setup", **filled)
        late = Browser(gw.front)
        told = await late.open(link[:-1])
        assert (told.status, "ask an owner to invite you" in told.text) == (403, True)
        for browser in (ana, late):
            await browser.close()
