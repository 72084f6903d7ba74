"""Two people, their browsers, and an attacker who starts, skips, reorders and replays any step.

The attacker is a member too, has an app of her own, sends people any link, lets pages of hers post anything from their
browsers, and even knows the sealed requests of their pages. People click Allow and Deny on what they see, and sign in
in as many tabs at once as they like; browsers lose answers, and take names that she knows. No code ever reaches a
redirect of an app for a person unless that person's browser approved that app, on a page that said so; and nobody but
whoever is at a browser changes as whom it is signed in.
"""

import sqlite3
from contextlib import closing
from urllib.parse import quote

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from gateway_core.local.data_folder import DATABASE
from gateway_core.signin.provider import BEGUN_S
from tests.flows.attacked import Away, Crowd
from tests.flows.browsers import PUBLIC, OAuthClient, sign_in_as
from tests.flows.test_signin_lost_answers import NAME

RESOURCES = (f"{PUBLIC}/research/linear/mcp", f"{PUBLIC}/research/mcp", None, f"{PUBLIC}/nowhere/mcp")
people = st.sampled_from(("ana", "ben"))
apps = st.sampled_from(("honest", "evil"))
resources = st.sampled_from(RESOURCES)
returns = st.lists(st.tuples(people, st.integers(0, 3), st.sampled_from(("", "", "cancelled", "lost"))), max_size=4)
"""As whom, in which tab (the newest first), and whether they cancel, or their browser loses the answer."""


class Attacked(Crowd):
    """See the module."""

    # What people do.

    @rule(whose=people, who=people)
    def sign_in(self, whose: str, who: str) -> None:
        self.run(sign_in_as(self.at.gw, self.browsers[whose], self.members[who]))
        self.eras[whose] += 1

    @rule(whose=people)
    def sign_out(self, whose: str) -> None:
        browser = self.browsers[whose]
        page = self.run(browser.open("/oauth/signout"))
        if page.forms:
            self.run(browser.submit(page, "/oauth/signout"))
            self.eras[whose] += 1

    @rule(whose=people, app=apps, tabs=st.integers(2, 3), back=returns)
    def leave_for_the_provider(self, whose: str, app: str, tabs: int, back: list[tuple[str, int, str]]) -> None:
        self.sign_out(whose)
        client, browser = self.clients[app], self.browsers[whose]
        for _ in range(tabs):
            asked = OAuthClient(client.id, client.redirect_uri)
            page = self.run(browser.open(asked.url(RESOURCES[0])))
            until = self.at.gw.clock[0] + BEGUN_S
            url = self.run(browser.submit(page, "/oauth/signin")).url
            self.away[whose].append(Away(url, asked, asked.url(RESOURCES[0]), self.eras[whose], until))
        self.come_back_from_the_provider(whose, back)

    @rule(whose=people, back=returns)
    def come_back_from_the_provider(self, whose: str, back: list[tuple[str, int, str]]) -> None:
        for who, tab, how in back if self.away[whose] else []:
            self._come_back(whose, self.away[whose][-1 - tab % len(self.away[whose])], who, how)

    def _come_back(self, whose: str, away: Away, who: str, how: str) -> None:
        browser = self.browsers[whose]
        before = self.signed_in(browser)
        fits = away.era == self.eras[whose] and not away.used and self.at.gw.clock[0] < away.until
        # The first tab decides as whom; each ends where it was going, once. Who lost that answer comes in again.
        comes_in = before is None and fits and how != "cancelled" and self.comes_in(browser, who) and how != "lost"
        page = self.brought_back(browser, away.url, who, cancelled=how == "cancelled", lost=how == "lost")
        assert self.signed_in(browser) == (who if comes_in else before)
        assert (page.url == PUBLIC + away.going) == (fits and (before is not None or comes_in))
        away.used = away.used or fits
        self.see(whose, page, away.asked)

    @rule(whose=people, who=people)
    def sign_in_again_after_the_answer_was_lost(self, whose: str, who: str) -> None:
        self.sign_out(whose)
        alone = self.alone(self.browsers[whose])
        self.leave_for_the_provider(whose, "honest", 2, [(who, 0, "lost"), (who, 1, "")])
        assert self.signed_in(self.browsers[whose]) == (who if alone in (None, who) else None)

    @rule(whose=people, app=apps, resource=resources)
    def follow_a_link(self, whose: str, app: str, resource: str | None) -> None:
        client = self.clients[app]
        asked = OAuthClient(client.id, client.redirect_uri)
        self.see(whose, self.run(self.browsers[whose].open(asked.url(resource))), asked)

    @rule(whose=people, tab=st.integers(0, 9), allowed=st.booleans())
    def decide(self, whose: str, tab: int, allowed: bool) -> None:
        if not self.tabs[whose]:
            return
        seen = self.tabs[whose][tab % len(self.tabs[whose])]
        form = seen.page.form("/authorize")
        chosen = {"workspace": form.choices[0]} if form.choices else {}
        button = "return" if ("decision", "return") in form.buttons else "allow" if allowed else "deny"
        after = self.run(self.browsers[whose].submit(seen.page, "/authorize", button, **chosen))
        self.check(after, seen if button == "allow" else None)

    # What the attacker does.

    @rule(app=apps, resource=resources)
    def look_at_a_page_of_her_own(self, app: str, resource: str | None) -> None:
        client = self.clients[app]
        page = self.run(self.browsers["mallory"].open(OAuthClient(client.id, client.redirect_uri).url(resource)))
        self.known += [form.fields for form in page.forms]

    @rule(
        whose=people,
        path=st.sampled_from(
            ("/oauth/signin?next=", "/oauth/account", "/oauth/signout", "/oauth/callback?code=x&state=", "/authorize?")
        ),
        app=apps,
        decision=st.sampled_from(("", "&decision=allow", "&prompt=none", "&approved=true&csrf=x&request=x")),
    )
    def send_somebody_a_link(self, whose: str, path: str, app: str, decision: str) -> None:
        client = self.clients[app]
        asked = OAuthClient(client.id, client.redirect_uri)
        url = asked.url(RESOURCES[0]) + decision
        link = path + (quote(url, safe="") if path.endswith("=") else url.partition("?")[2])
        self.see(whose, self.run(self.browsers[whose].open(link)), asked)

    @rule(whose=people, csrf=st.integers(0, 3), request=st.integers(0, 2), ours=st.booleans())
    def post_from_somebodys_browser(self, whose: str, csrf: int, request: int, ours: bool) -> None:
        # Even with our own Origin, which no page of hers can have.
        sent = {"origin": PUBLIC if ours else "https://evil.example", "sec_fetch_site": "" if ours else "cross-site"}
        fields = {"decision": "allow", **self.mixed(csrf, request)}
        self.check(self.run(self.browsers[whose].post("/authorize", fields, **sent)), None)

    @rule(whose=people, cancelled=st.booleans())
    def send_somebody_back_from_a_sign_in_of_hers(self, whose: str, cancelled: bool) -> None:
        hers, before = self.at.browser(), self.signed_in(self.browsers[whose])
        url = self.run(hers.submit(self.run(hers.open("/oauth/signin")), "/oauth/signin")).url
        self.check(self.brought_back(self.browsers[whose], url, "mallory", cancelled=cancelled), None)
        assert self.signed_in(self.browsers[whose]) == before

    @rule(whose=people)
    def plant_a_name(self, whose: str) -> None:
        # In place of a session's it would sign them out.
        if self.signed_in(self.browsers[whose]) is None:
            hers = self.at.browser()
            self.run(hers.open("/oauth/signin"))
            self.planted.append(hers.http.cookies[NAME])
            self.browsers[whose].http.cookies.set(NAME, self.planted[-1], domain="127.0.0.1")
            self.eras[whose] += 1

    @rule(name=st.integers(0, 3))
    def sign_in_under_a_name_that_she_planted(self, name: int) -> None:
        if self.planted:
            hers = self.at.browser()
            hers.http.cookies.set(NAME, self.planted[-1 - name % len(self.planted)], domain="127.0.0.1")
            assert self.signed_in(hers) is None
            comes_in = self.comes_in(hers, "mallory")
            url = self.run(hers.submit(self.run(hers.open("/oauth/signin")), "/oauth/signin")).url
            self.brought_back(hers, url, "mallory")
            assert self.signed_in(hers) == ("mallory" if comes_in else None)

    @rule(whose=people, tab=st.integers(0, 9), cancelled=st.booleans(), signed_in=st.booleans())
    def come_back_from_somebodys_sign_in(self, whose: str, tab: int, cancelled: bool, signed_in: bool) -> None:
        if not self.away[whose]:
            return
        url = self.away[whose][-1 - tab % len(self.away[whose])].url
        hers = self.browsers["mallory"] if signed_in else self.at.browser()
        page = self.brought_back(hers, url, whose, cancelled=cancelled)
        assert page.url.partition("?")[0] == f"{PUBLIC}/oauth/{'account' if signed_in else 'callback'}"
        assert whose not in page.text

    @rule(csrf=st.integers(0, 3), request=st.integers(0, 3))
    def post_from_her_own(self, csrf: int, request: int) -> None:
        fields = {"decision": "allow", **self.mixed(csrf, request)}
        after = self.run(self.browsers["mallory"].post("/authorize", fields))
        if "code" in after.parameters:
            self.codes += 1
            assert self.of(after.parameters["code"])["member_id"] == self.members["mallory"].id

    @rule(seconds=st.sampled_from((1, 61, 300)))
    def wait(self, seconds: int) -> None:
        self.at.gw.clock[0] += seconds

    # What must hold.

    @invariant()
    def every_code_was_seen(self) -> None:
        if not hasattr(self, "folder"):
            return
        with closing(sqlite3.connect(self.folder / DATABASE)) as connection:
            made = connection.execute("SELECT count(*) FROM items WHERE pk LIKE 'CODE#%'").fetchone()[0]
        assert made == self.codes


Attacked.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestNobodyIsLetInUnapproved = Attacked.TestCase
