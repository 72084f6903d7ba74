"""Answers that a browser never takes, because of a second click above all: it is signed in all the same."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from gateway_core.access import throttle
from gateway_core.registry.people import People
from gateway_core.signin.cookies import cookie_name
from gateway_core.signin.sessions import RENAMED_S
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, Page, Stage, register, stage
from tests.flows.gateways import gateway
from tests.flows.test_oauth_entering import invitation
from tests.flows.test_signin_tabs import LINEAR, tabs
from tests.oidc import signed_in_at

NAME = cookie_name(PUBLIC)
ANOTHER = "With another account, wait a minute first."


@contextmanager
def lost_answers(browser: Browser) -> Iterator[None]:
    """What is answered within gives `browser` no name: it gave the answers up."""
    before = browser.http.cookies.get(NAME)
    yield
    browser.http.cookies.clear()
    if before is not None:
        browser.http.cookies.set(NAME, before, domain="127.0.0.1")


async def with_password(at: Stage, email: str) -> None:
    """A member who has joined in a browser that is gone."""
    browser = at.browser()
    page = await browser.open(f"/oauth/join?token={await invitation(at, email)}")
    await browser.submit(page, "/oauth/join", name="Somebody", password=PASSWORD)


async def enter(browser: Browser, page: Page, email: str = "ben@example.com", password: str = PASSWORD) -> Page:
    return await browser.submit(page, "/oauth/signin", email=email, password=password)


async def test_who_clicks_twice_on_sign_in_is_signed_in(tmp_path):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben = at.browser()
        page = await ben.open("/oauth/signin")
        for _ in range(3):
            with lost_answers(ben):
                await enter(ben, page)
        assert "Signed in as Somebody , ben@example.com" in (await enter(ben, page)).text


@pytest.mark.parametrize("minute", [False, True])
async def test_a_browser_that_lost_the_answer_loads_the_page_again_and_is_signed_in(tmp_path, minute):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben = at.browser()
        page = await ben.open("/oauth/signin")
        with lost_answers(ben):
            await enter(ben, page)
        at.gw.clock[0] += RENAMED_S if minute else 0
        page = await ben.open("/oauth/signin")
        assert ("set-cookie" in page.response.headers, ANOTHER in page.text) == (False, not minute)
        assert (await enter(ben, page)).text.startswith("My access")


async def test_two_clicks_that_are_answered_at_once_give_one_name(tmp_path):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben = at.browser()
        form = (await ben.open("/oauth/signin")).form("/oauth/signin").fields
        filled, own = {**form, "email": "ben@example.com", "password": PASSWORD}, {"origin": PUBLIC}
        before = {NAME: ben.http.cookies[NAME]}
        async with at.browser().http as one, at.browser().http as two:
            for tab in (one, two):
                tab.cookies.update(before)
            clicks = [tab.post("/oauth/signin", data=filled, headers=own) for tab in (one, two)]
            answers = await asyncio.gather(*clicks)
        names = {answer.headers["set-cookie"] for answer in answers}
        assert len(names) == 1
        assert before[NAME] not in names.pop()


async def test_who_proves_to_be_somebody_else_is_told_to_wait_and_gets_no_name_of_another(tmp_path):
    async with stage(tmp_path) as at:
        for email in ("ben@example.com", "eve@example.com"):
            await with_password(at, email)
        ben = at.browser()
        page = await ben.open((await register(at.ana.http)).url(LINEAR))
        with lost_answers(ben):
            assert "As ben@example.com" in (await enter(ben, page)).text
        refused = await enter(ben, page, password="not this one")
        assert (refused.status, "set-cookie" in refused.response.headers) == (403, False)
        told = await enter(ben, page, "eve@example.com")
        assert ANOTHER in told.text
        assert told.form("/oauth/signin").fields["next"] == page.form("/oauth/signin").fields["next"]
        assert "set-cookie" not in told.response.headers
        assert (await ben.open("/oauth/account")).text.startswith("Sign in")
        at.gw.clock[0] += RENAMED_S
        assert "As eve@example.com" in (await enter(ben, told, "eve@example.com")).text


async def test_who_has_no_account_any_more_gets_no_name_of_before(tmp_path):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben = at.browser()
        page = await ben.open("/oauth/signin")
        with lost_answers(ben):
            await enter(ben, page)
        people = People(at.gw.table, lambda: at.gw.clock[0])
        member = await people.by_email("ben@example.com")
        assert member is not None
        await people.remove(member.id)
        assert (await enter(ben, page)).status == 403


async def test_a_sign_in_page_that_was_asked_for_before_another_tab_signed_in_takes_nothing_from_it(tmp_path):
    async with tabs(tmp_path) as at:
        before = at.ben.http.cookies[NAME]
        first = await at.one.back(at.ben)
        late = await at.ben.http.get("/oauth/signin", headers={"cookie": f"{NAME}={before}"})
        assert late.status_code == 200
        assert "set-cookie" not in late.headers
        # Its form goes on as whom the other tab signed in; and that tab's page is as good as before.
        gone_on = await at.ben.submit(Page(late, f"{PUBLIC}/oauth/signin"), "/oauth/signin")
        assert "My access Signed in as ben@example.com" in gone_on.text
        await at.one.gets_tokens(at.ben, first)


async def test_of_two_first_pages_both_lead_to_their_app(tmp_path):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben, asked = at.browser(), [(await register(at.ana.http, name)).url(LINEAR) for name in ("one", "two")]
        with lost_answers(ben):
            first = await ben.open(asked[0])
        await ben.open(asked[1])
        again = await enter(ben, first)
        assert (again.status, "made for another tab or browser" in again.text) == (400, True)
        assert again.form("/oauth/signin").fields["email"] == "ben@example.com"
        assert PASSWORD not in again.response.text
        assert "set-cookie" not in again.response.headers
        assert (await enter(ben, again)).url == PUBLIC + asked[0]


async def test_who_chose_another_account_chooses_on_the_page_that_comes_again(tmp_path):
    async with tabs(tmp_path) as at:
        eve = at.at.browser()
        with lost_answers(eve):
            first = await eve.open("/oauth/signin?as=another")
        again = await eve.submit(first, "/oauth/signin")
        assert again.status == 400
        assert "prompt=select_account" in (await eve.submit(again, "/oauth/signin")).url


async def test_a_browser_that_keeps_no_cookies_is_told_so(tmp_path):
    async with stage(tmp_path) as at:
        await with_password(at, "ben@example.com")
        ben = at.browser()
        page = await ben.open("/oauth/signin")
        for _ in range(2):
            ben.http.cookies.clear()
            page = await enter(ben, page)
            assert "allow this site to keep cookies" in page.text


async def test_who_clicks_twice_on_join_comes_in_by_the_password_of_the_first_click(tmp_path):
    async with stage(tmp_path) as at:
        ben, link = at.browser(), f"/oauth/join?token={await invitation(at)}"
        page = await ben.open(link)
        filled = {"name": "Ben", "password": PASSWORD}
        with lost_answers(ben):
            await ben.submit(page, "/oauth/join", **filled)
        wrong = await ben.submit(page, "/oauth/join", name="Eve", password="another sentence of words")
        assert (wrong.status, "This invitation does not work" in wrong.text) == (403, True)
        assert "Signed in as Ben , ben@example.com" in (await ben.submit(page, "/oauth/join", **filled)).text


@pytest.mark.parametrize("what", ["signin_address", "signin_account"])
async def test_a_link_that_was_used_is_no_second_place_to_try_passwords_at(tmp_path, monkeypatch, what):
    async with stage(tmp_path) as at:
        ben = at.browser()
        page = await ben.open(f"/oauth/join?token={await invitation(at)}")
        with lost_answers(ben):
            await ben.submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        monkeypatch.setitem(throttle.LIMITS, what, throttle.Limit(2, 900))
        tries = [
            await ben.submit(page, "/oauth/join", name="Ben", password=f"a sentence of {n} words") for n in range(3)
        ]
        assert [tried.status for tried in tries] == [403, 403, 429]
        assert (await enter(ben, await ben.open("/oauth/signin"))).status == 429


async def test_who_clicks_twice_on_become_the_owner_is_the_owner_once(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana = Browser(gw.front)
        page = await ana.open(await gw.oauth.setup_link() or "")
        filled = {"name": "Ana", "email": "ana@example.com", "password": PASSWORD}
        with lost_answers(ana):
            await ana.submit(page, "/oauth/setup", **filled)
        wrong = await ana.submit(page, "/oauth/setup", **{**filled, "password": "another sentence of words"})
        assert (wrong.status, "This set-up link does not work" in wrong.text) == (403, True)
        assert "Signed in as Ana , ana@example.com" in (await ana.submit(page, "/oauth/setup", **filled)).text
        await ana.close()


async def test_who_cancels_at_the_provider_is_led_back_to_their_own_request(tmp_path):
    async with tabs(tmp_path) as at:
        at.one.refused()
        onward = f'href="/oauth/signin?next={quote(at.one.asked, safe="")}&amp;as=another"'
        cancelled = await at.one.back(at.ben)
        assert cancelled.status == 403
        assert onward in cancelled.response.text
        away = await at.ben.submit(
            await at.ben.open(f"/oauth/signin?next={quote(at.one.asked, safe='')}"), "/oauth/signin"
        )
        await at.one.gets_tokens(at.ben, await at.ben.open(f"/oauth/callback?{await signed_in_at(away.url)}"))


async def test_another_browser_hears_nothing_of_a_sign_in_that_was_cancelled(tmp_path):
    async with tabs(tmp_path) as at:
        at.one.refused()
        stranger = at.at.browser()
        await stranger.open("/oauth/signin")
        told = await at.one.back(stranger)
        assert (told.status, at.one.client.state in told.response.text) == (403, False)
