"""Two tabs of one browser that sign in at the same time: the first signs it in, and each goes on to its own page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from gateway_core.signin.cookies import cookie_name
from gateway_core.signin.sessions import RENAMED_S
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, OAuthClient, Page, Stage, invited, register, stage
from tests.flows.gateways import NOW
from tests.oidc import CLIENT_ID, CLIENT_SECRET, FakeProvider, provider, signed_in_at

LINEAR = f"{PUBLIC}/research/linear/mcp"
ALREADY = "You were signed in here already."


@dataclass
class Waiting:
    """A client that waits, the tab it opened, and the query that this tab will bring back from the provider."""

    client: OAuthClient
    asked: str
    answer: str

    async def back(self, browser: Browser) -> Page:
        return await browser.open(f"/oauth/callback?{self.answer}")

    def refused(self) -> None:
        """The person clicked Cancel there instead."""
        self.answer = f"state={parse_qs(self.answer)['state'][0]}&error=access_denied"

    async def gets_tokens(self, browser: Browser, page: Page) -> None:
        assert page.url == PUBLIC + self.asked
        done = await browser.submit(page, "/authorize", "allow")
        assert done.parameters["state"] == self.client.state
        assert (await self.client.redeem(browser.http, done.parameters["code"])).status_code == 200


@dataclass
class Tabs:
    """See `tabs`."""

    at: Stage
    idp: FakeProvider
    ben: Browser
    one: Waiting
    two: Waiting

    async def wait(self, browser: Browser, name: str) -> Waiting:
        """One more client sends `browser` to sign in at the provider, as whoever is there now."""
        client = await register(self.at.ana.http, name)
        page = await browser.open(client.url(LINEAR))
        away = await browser.submit(page, "/oauth/signin")
        return Waiting(client, client.url(LINEAR), await signed_in_at(away.url))


@asynccontextmanager
async def tabs(folder: Path) -> AsyncIterator[Tabs]:
    """Ben and Eve, whom the provider knows; two clients of Ben's, each with a tab that is at the provider."""
    async with provider(lambda: NOW) as idp:
        known = {"oidc_issuer": idp.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        async with stage(folder, **known) as at:
            for email in ("ben@example.com", "eve@example.com"):
                await invited(at.gw, email, "research")
            idp.person = person("ben")
            made = Tabs(at, idp, at.browser(), None, None)  # type: ignore[arg-type]
            made.one, made.two = await made.wait(made.ben, "one"), await made.wait(made.ben, "two")
            yield made


def person(name: str) -> dict[str, object]:
    return {"sub": name, "email": f"{name}@example.com", "email_verified": True}


async def test_both_tabs_end_at_their_own_page_and_both_clients_get_in(tmp_path):
    async with tabs(tmp_path) as at:
        pages = [await at.one.back(at.ben), await at.two.back(at.ben)]
        # The page of the first is as good as before.
        await at.two.gets_tokens(at.ben, pages[1])
        await at.one.gets_tokens(at.ben, pages[0])


async def test_both_come_back_at_the_same_moment(tmp_path):
    async with tabs(tmp_path) as at:
        pages = await asyncio.gather(at.one.back(at.ben), at.two.back(at.ben))
        assert at.idp.asked.count("/token") == 2, "they did not overlap"
        await at.one.gets_tokens(at.ben, pages[0])
        await at.two.gets_tokens(at.ben, pages[1])


@pytest.mark.parametrize("name", ["eve", "somebody-who-is-no-member"])
async def test_the_first_tab_decides_who_the_browser_is_signed_in_as_and_the_second_says_whom(tmp_path, name):
    async with tabs(tmp_path) as at:
        first = await at.one.back(at.ben)
        at.idp.person = person(name)
        second = await at.two.back(at.ben)
        assert second.url == PUBLIC + at.two.asked
        assert "As ben@example.com" in second.text
        await at.one.gets_tokens(at.ben, first)
        # Who wants to be somebody else says so there; then no page of before works for whoever comes.
        chosen = await at.ben.submit(second, "/oauth/signout")
        away = await at.ben.submit(chosen, "/oauth/signin")
        assert "prompt=select_account" in away.url
        assert (await at.ben.submit(second, "/authorize", "allow")).status == 400


async def test_a_page_of_one_person_is_worth_nothing_once_another_is_signed_in(tmp_path):
    async with tabs(tmp_path) as at:
        first = await at.one.back(at.ben)
        await at.ben.submit(first, "/oauth/signout")
        at.idp.person = person("eve")
        hers = await at.wait(at.ben, "hers")
        assert "As eve@example.com" in (await hers.back(at.ben)).text
        refused = await at.ben.submit(first, "/authorize", "allow")
        assert "belongs to another browser, or to a sign-in that has ended" in refused.text


async def test_who_cancels_in_the_second_tab_is_asked_there_and_the_client_hears_what_they_decide(tmp_path):
    async with tabs(tmp_path) as at:
        await at.one.back(at.ben)
        at.two.refused()
        page = await at.two.back(at.ben)
        assert page.url == PUBLIC + at.two.asked
        told = await at.ben.submit(page, "/authorize", "deny")
        assert told.parameters["error"] == "access_denied"


async def test_who_cancels_in_the_first_tab_signs_in_with_the_second(tmp_path):
    async with tabs(tmp_path) as at:
        at.one.refused()
        assert "did not sign you in (access_denied)" in (await at.one.back(at.ben)).text
        await at.two.gets_tokens(at.ben, await at.two.back(at.ben))


async def test_an_answer_that_comes_again_leads_nowhere(tmp_path):
    async with tabs(tmp_path) as at:
        await at.one.back(at.ben)
        await at.two.back(at.ben)
        for tab in (at.one, at.two):
            assert ALREADY in (await tab.back(at.ben)).text
        assert at.idp.asked.count("/token") == 1


async def test_a_tab_of_another_browser_is_not_led_on_and_is_good_for_nobody_after_that(tmp_path):
    async with tabs(tmp_path) as at:
        eve = at.at.browser()
        at.idp.person = person("eve")
        hers = [await at.wait(eve, "hers") for _ in range(3)]
        await hers[0].back(eve)
        at.idp.person = person("ben")
        await at.one.back(at.ben)
        # Both are signed in, and each opens what the other's second tab was to open.
        assert ALREADY in (await at.two.back(eve)).text
        assert ALREADY in (await hers[1].back(at.ben)).text
        assert "Signed in as ben@example.com" in (await at.ben.open("/oauth/account")).text
        assert "Signed in as eve@example.com" in (await eve.open("/oauth/account")).text
        assert ALREADY in (await at.two.back(at.ben)).text
        assert ALREADY in (await hers[1].back(eve)).text
        nobody = at.at.browser()
        await nobody.open("/oauth/signin")
        assert (await hers[2].back(nobody)).status == 403


async def test_who_knew_the_cookie_from_before_gets_nothing_by_it(tmp_path):
    async with tabs(tmp_path) as at:
        planted = at.at.browser()
        planted.http.cookies = at.ben.http.cookies.__class__(at.ben.http.cookies)
        await at.one.back(at.ben)
        at.idp.person = person("eve")
        hers = await at.wait(planted, "hers")
        # She is not signed in by his sign-in, and he stays who he is when she sends him through hers.
        assert (await planted.open("/oauth/account")).text.startswith("Sign in")
        assert "Signed in as ben@example.com" in (await at.ben.open("/oauth/account")).text
        assert "ben@example.com" in (await hers.back(at.ben)).text
        assert "Signed in as ben@example.com" in (await at.ben.open("/oauth/account")).text


async def test_signing_out_ends_the_tabs_that_are_still_at_the_provider(tmp_path):
    async with tabs(tmp_path) as at:
        await at.one.back(at.ben)
        await at.ben.submit(await at.ben.open("/oauth/signout"), "/oauth/signout")
        late = await at.two.back(at.ben)
        assert late.status == 403
        assert "before somebody signed out of this one" in late.text
        again = await at.wait(at.ben, "again")
        await again.back(at.ben)
        assert ALREADY in (await at.two.back(at.ben)).text


async def test_a_link_that_another_tab_was_quicker_than_is_to_be_opened_again(tmp_path):
    async with tabs(tmp_path) as at:
        invitations = at.at.gw.oauth.desk.sign_in.invitations
        made = await invitations.people.add("new@example.com", by="ana@example.com")
        link = f"/oauth/join?token={await invitations.make(made.id, by='ana@example.com')}"
        ways = []
        for query in ("", "?next=%2Foauth%2Faccount"):
            path = link if not query else f"/oauth/signin{query}"
            away = await at.ben.submit(await at.ben.open(path), path.partition("?")[0])
            ways.append(f"/oauth/callback?{await signed_in_at(away.url)}")
        await at.one.back(at.ben)
        said = [(await at.ben.open(way)).text for way in ways]
        assert "if you opened a link, open it again" in said[0]
        assert "My access Signed in as ben@example.com" in said[1]
        assert (await at.ben.open(link)).status == 200


async def test_a_browser_that_never_heard_its_new_name_signs_in_at_once(tmp_path):
    async with tabs(tmp_path) as at:
        before = at.ben.http.cookies[cookie_name(PUBLIC)]
        await at.one.back(at.ben)
        at.ben.http.cookies.clear()
        at.ben.http.cookies.set(cookie_name(PUBLIC), before, domain="127.0.0.1")
        # Who comes back as the same person gets that name once more.
        await at.two.gets_tokens(at.ben, await at.two.back(at.ben))


async def test_after_a_minute_a_name_that_was_replaced_is_like_any_other(tmp_path):
    async with tabs(tmp_path) as at:
        before = at.ben.http.cookies[cookie_name(PUBLIC)]
        await at.one.back(at.ben)
        at.at.gw.clock[0] += RENAMED_S
        late = at.at.browser()
        late.http.cookies.set(cookie_name(PUBLIC), before, domain="127.0.0.1")
        await at.two.gets_tokens(late, await at.two.back(late))


async def test_with_passwords_too_both_tabs_go_on_one_after_the_other_or_at_once(tmp_path):
    async with stage(tmp_path) as at:
        member = await invited(at.gw, "ben@example.com", "research")
        token = await at.gw.oauth.desk.sign_in.invitations.make(member.id, by="ana@example.com")
        ben = at.browser()
        page = await ben.open(f"/oauth/join?token={token}")
        page = await ben.submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        for at_once in (False, True):
            await ben.submit(page, "/oauth/signout")
            waiting = [await register(at.ana.http, name) for name in ("one", "two")]
            forms = [await ben.open(client.url(LINEAR)) for client in waiting]
            posts = [ben.submit(form, "/oauth/signin", email="ben@example.com", password=PASSWORD) for form in forms]
            pages = await asyncio.gather(*posts) if at_once else [await post for post in posts]
            for client, shown in zip(waiting, pages, strict=True):
                await Waiting(client, client.url(LINEAR), "").gets_tokens(ben, shown)
            page = await ben.open("/oauth/account")
