"""Two people, their browsers, and an attacker who starts, skips, reorders and replays any step.

The attacker is a member too, has an app of her own, sends people any link, lets pages of hers post anything from their
browsers, and even knows the sealed requests of their pages. People click Allow and Deny on what they see, and sign in
in as many tabs at once as they like. No code ever reaches a redirect of an app for a person unless that person's
browser approved that app, on a page that said so; and nobody but whoever is at a browser changes as whom it is signed
in.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway_core.issuer.codes import digest
from gateway_core.local.data_folder import DATABASE
from gateway_core.registry.members import Identity, Member
from gateway_core.registry.people import Entry, People
from gateway_core.signin.provider import BEGUN_S
from gateway_core.storage import keys
from tests.flows.browsers import PUBLIC, Browser, OAuthClient, Page, Stage, register, sign_in_as, stage
from tests.flows.gateways import NOW
from tests.oidc import CLIENT_ID, CLIENT_SECRET, FakeProvider, provider

EVIL = "https://evil.example/callback"
RESOURCES = (f"{PUBLIC}/research/linear/mcp", f"{PUBLIC}/research/mcp", None, f"{PUBLIC}/nowhere/mcp")
people = st.sampled_from(("ana", "ben"))
apps = st.sampled_from(("honest", "evil"))
resources = st.sampled_from(RESOURCES)
returns = st.lists(st.tuples(people, st.integers(0, 3), st.booleans()), max_size=4)
"""As whom, in which tab (the newest first), and whether they cancel."""


@dataclass
class Tab:
    """A page that somebody has open, and what it said to them."""

    page: Page
    app: str
    """Name of the app, as far as it was shown."""
    email: str
    request: OAuthClient


@dataclass
class Away:
    """A tab that is at the identity provider, and where it was going."""

    url: str
    asked: OAuthClient
    going: str
    era: int
    """How often its browser had been signed out, or in by other means, when the tab left."""
    until: int
    used: bool = False


@asynccontextmanager
async def with_provider(folder: Path) -> AsyncIterator[tuple[Stage, FakeProvider]]:
    """A stage whose people sign in at a provider."""
    clock = [NOW]
    async with provider(lambda: clock[0]) as idp:
        known = {"oidc_issuer": idp.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        async with stage(folder, **known) as at:
            clock = at.gw.clock
            yield at, idp


class Attacked(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.opened = AsyncExitStack()
        self.folder = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        self.at, self.idp = self.run(self.opened.enter_async_context(with_provider(self.folder)))
        self.members: dict[str, Member] = {}
        self.browsers: dict[str, Browser] = {}
        for name in ("ana", "ben", "mallory"):
            browser, member = self.run(self.at.member(f"{name}@people.example", "research", "sales"))
            arriving = Entry(Identity(self.idp.url, name))
            self.members[name] = self.run(People(self.at.gw.table, lambda: NOW).sign_in(member.id, arriving))
            self.browsers[name] = browser
            self.run(sign_in_as(self.at.gw, browser, member))
        self.clients = {
            "honest": self.run(register(self.at.ana.http, "honest")),
            "evil": self.run(register(self.at.ana.http, "evil", EVIL)),
        }
        self.tabs: dict[str, list[Tab]] = {"ana": [], "ben": []}
        self.away: dict[str, list[Away]] = {"ana": [], "ben": []}
        self.eras = {"ana": 0, "ben": 0}
        self.known: list[dict[str, str]] = []
        self.codes = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.run(self.opened.aclose())
            self.loop.close()

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
    def leave_for_the_provider(self, whose: str, app: str, tabs: int, back: list[tuple[str, int, bool]]) -> None:
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
    def come_back_from_the_provider(self, whose: str, back: list[tuple[str, int, bool]]) -> None:
        for who, tab, cancelled in back if self.away[whose] else []:
            self._come_back(whose, self.away[whose][-1 - tab % len(self.away[whose])], who, cancelled)

    def _come_back(self, whose: str, away: Away, who: str, cancelled: bool) -> None:
        before = self._signed_in(whose)
        fits = away.era == self.eras[whose] and not away.used and self.at.gw.clock[0] < away.until
        page = self._brought_back(self.browsers[whose], away.url, who, cancelled)
        # The first tab decides as whom; each ends where it was going, once.
        comes_in = before is None and fits and not cancelled
        assert self._signed_in(whose) == (who if comes_in else before)
        assert (page.url == PUBLIC + away.going) == (fits and (before is not None or comes_in))
        away.used = away.used or fits
        self._see(whose, page, away.asked)

    @rule(whose=people, app=apps, resource=resources)
    def follow_a_link(self, whose: str, app: str, resource: str | None) -> None:
        client = self.clients[app]
        asked = OAuthClient(client.id, client.redirect_uri)
        self._see(whose, self.run(self.browsers[whose].open(asked.url(resource))), asked)

    @rule(whose=people, tab=st.integers(0, 9), allowed=st.booleans())
    def decide(self, whose: str, tab: int, allowed: bool) -> None:
        if not self.tabs[whose]:
            return
        seen = self.tabs[whose][tab % len(self.tabs[whose])]
        form = seen.page.form("/authorize")
        chosen = {"workspace": form.choices[0]} if form.choices else {}
        button = "return" if ("decision", "return") in form.buttons else "allow" if allowed else "deny"
        after = self.run(self.browsers[whose].submit(seen.page, "/authorize", button, **chosen))
        self._check(after, seen if button == "allow" else None)

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
        self._see(whose, self.run(self.browsers[whose].open(link)), asked)

    @rule(whose=people, csrf=st.integers(0, 3), request=st.integers(0, 2), ours=st.booleans())
    def post_from_somebodys_browser(self, whose: str, csrf: int, request: int, ours: bool) -> None:
        # Even with our own Origin, which no page of hers can have.
        sent = {"origin": PUBLIC if ours else "https://evil.example", "sec_fetch_site": "" if ours else "cross-site"}
        fields = {"decision": "allow", **self._mixed(csrf, request)}
        self._check(self.run(self.browsers[whose].post("/authorize", fields, **sent)), None)

    @rule(whose=people, cancelled=st.booleans())
    def send_somebody_back_from_a_sign_in_of_hers(self, whose: str, cancelled: bool) -> None:
        hers, before = self.at.browser(), self._signed_in(whose)
        url = self.run(hers.submit(self.run(hers.open("/oauth/signin")), "/oauth/signin")).url
        self._check(self._brought_back(self.browsers[whose], url, "mallory", cancelled), None)
        assert self._signed_in(whose) == before

    @rule(whose=people, tab=st.integers(0, 9), cancelled=st.booleans(), signed_in=st.booleans())
    def come_back_from_somebodys_sign_in(self, whose: str, tab: int, cancelled: bool, signed_in: bool) -> None:
        if not self.away[whose]:
            return
        url = self.away[whose][-1 - tab % len(self.away[whose])].url
        hers = self.browsers["mallory"] if signed_in else self.at.browser()
        page = self._brought_back(hers, url, whose, cancelled)
        assert page.url.partition("?")[0] == f"{PUBLIC}/oauth/{'account' if signed_in else 'callback'}"
        assert whose not in page.text

    @rule(csrf=st.integers(0, 3), request=st.integers(0, 3))
    def post_from_her_own(self, csrf: int, request: int) -> None:
        fields = {"decision": "allow", **self._mixed(csrf, request)}
        after = self.run(self.browsers["mallory"].post("/authorize", fields))
        if "code" in after.parameters:
            self.codes += 1
            assert self._of(after.parameters["code"])["member_id"] == self.members["mallory"].id

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

    def _see(self, whose: str, page: Page, asked: OAuthClient) -> None:
        self._check(page, None)
        if not any(form.action == "/authorize" for form in page.forms):
            return
        shown = [name for name in ("honest", "evil") if f"An app calling itself {name}" in page.text]
        emails = [member.email for member in self.members.values() if f"As {member.email}" in page.text]
        assert len(shown) == len(emails) == 1
        self.tabs[whose].append(Tab(page, shown[0], emails[0], asked))
        self.known += [{"request": page.form("/authorize").fields["request"]}]

    def _check(self, page: Page, clicked: Tab | None) -> None:
        assert page.url.startswith((f"{PUBLIC}/", *(client.redirect_uri for client in self.clients.values())))
        code = page.parameters.get("code")
        if code is None or page.url.startswith(f"{PUBLIC}/"):
            return
        assert clicked is not None, "a code that nobody approved"
        self.codes += 1
        held, client = self._of(code), self.clients[clicked.app]
        assert held["client_id"] == client.id
        assert page.url.startswith(f"{client.redirect_uri}?")
        assert f"{clicked.email}" == next(m.email for m in self.members.values() if m.id == held["member_id"])
        assert page.parameters["state"] == clicked.request.state

    def _brought_back(self, browser: Browser, url: str, who: str, cancelled: bool) -> Page:
        """What `browser` sees that comes back as `who` from where `url` led."""
        self.idp.person = {"sub": who}
        query = urlsplit(self.idp.authorize(urlsplit(url).query)).query
        if cancelled:
            query = f"state={parse_qs(query)['state'][0]}&error=access_denied"
        page: Page = self.run(browser.open(f"/oauth/callback?{query}"))
        return page

    def _signed_in(self, whose: str) -> str | None:
        text = self.run(self.browsers[whose].open("/oauth/account")).text
        return next((name for name, member in self.members.items() if f"Signed in as {member.email}" in text), None)

    def _of(self, code: str) -> Any:
        item = self.run(self.at.gw.table.get(keys.authorization_code(digest(code))))
        assert item is not None
        return item.data

    def _mixed(self, csrf: int, request: int) -> dict[str, str]:
        """Fields of the forms that she knows: her own whole, and sealed requests of others, the newest first."""
        tokens = [fields["csrf"] for fields in self.known if "csrf" in fields] or ["x"]
        sealed = [fields["request"] for fields in self.known if "request" in fields] or ["x"]
        return {
            "csrf": tokens[csrf % len(tokens)],
            "request": sealed[-1 - request % len(sealed)],
            "workspace": self._research(),
        }

    def _research(self) -> str:
        state = self.run(self.at.gw.admin.state())
        return str(state.workspaces["research"].record.id)


Attacked.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestNobodyIsLetInUnapproved = Attacked.TestCase
