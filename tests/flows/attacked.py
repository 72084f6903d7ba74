"""A crowd for attacks on signing in: people with tabs and apps, whoever attacks them, and what each of them knows."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis.stateful import RuleBasedStateMachine, initialize

from gateway_core.issuer.codes import digest
from gateway_core.registry.members import Identity, Member
from gateway_core.registry.people import Entry, People
from gateway_core.signin.sessions import RENAMED_S
from gateway_core.storage import keys
from tests.flows.browsers import PUBLIC, Browser, OAuthClient, Page, Stage, register, sign_in_as, stage
from tests.flows.gateways import NOW
from tests.flows.test_signin_lost_answers import NAME, lost_answers
from tests.oidc import CLIENT_ID, CLIENT_SECRET, FakeProvider, provider

EVIL = "https://evil.example/callback"


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


class Crowd(RuleBasedStateMachine):
    """Ana, Ben and Mallory, members who sign in at a provider, each at a browser; two apps, of which one is Mallory's.

    `names` has what browsers were known by until somebody was signed in: who, and until when nobody else can be.
    """

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
        self.names: dict[str, tuple[str, int]] = {}
        self.planted: list[str] = []
        self.codes = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.run(self.opened.aclose())
            self.loop.close()

    def see(self, whose: str, page: Page, asked: OAuthClient) -> None:
        self.check(page, None)
        if not any(form.action == "/authorize" for form in page.forms):
            return
        shown = [name for name in ("honest", "evil") if f"An app calling itself {name}" in page.text]
        emails = [member.email for member in self.members.values() if f"As {member.email}" in page.text]
        assert len(shown) == len(emails) == 1
        self.tabs[whose].append(Tab(page, shown[0], emails[0], asked))
        self.known += [{"request": page.form("/authorize").fields["request"]}]

    def check(self, page: Page, clicked: Tab | None) -> None:
        assert page.url.startswith((f"{PUBLIC}/", *(client.redirect_uri for client in self.clients.values())))
        code = page.parameters.get("code")
        if code is None or page.url.startswith(f"{PUBLIC}/"):
            return
        assert clicked is not None, "a code that nobody approved"
        self.codes += 1
        held, client = self.of(code), self.clients[clicked.app]
        assert held["client_id"] == client.id
        assert page.url.startswith(f"{client.redirect_uri}?")
        assert f"{clicked.email}" == next(m.email for m in self.members.values() if m.id == held["member_id"])
        assert page.parameters["state"] == clicked.request.state

    def brought_back(
        self, browser: Browser, url: str, who: str, *, cancelled: bool = False, lost: bool = False
    ) -> Page:
        """What `browser` sees that comes back as `who` from where `url` led, and loses the answer to that perhaps."""
        self.idp.person = {"sub": who}
        query = urlsplit(self.idp.authorize(urlsplit(url).query)).query
        if cancelled:
            query = f"state={parse_qs(query)['state'][0]}&error=access_denied"
        path = f"/oauth/callback?{query}"
        if lost:
            with lost_answers(browser):
                path = self.run(browser.http.get(path)).headers.get("location", path)
        page: Page = self.run(browser.open(path))
        return page

    def alone(self, browser: Browser) -> str | None:
        """Who was signed in instead of the name of `browser` less than a minute ago. Nobody else can be."""
        who, until = self.names.get(browser.http.cookies.get(NAME) or "", ("", 0))
        return who if self.at.gw.clock[0] < until else None

    def comes_in(self, browser: Browser, who: str) -> bool:
        """Whether `who` is signed in instead of the name of `browser`; it is noted as replaced then."""
        alone = self.alone(browser)
        if alone is None:
            self.names[browser.http.cookies[NAME]] = (who, self.at.gw.clock[0] + RENAMED_S)
        return alone in (None, who)

    def signed_in(self, browser: Browser) -> str | None:
        text = self.run(browser.open("/oauth/account")).text
        return next((name for name, member in self.members.items() if f"Signed in as {member.email}" in text), None)

    def of(self, code: str) -> Any:
        item = self.run(self.at.gw.table.get(keys.authorization_code(digest(code))))
        assert item is not None
        return item.data

    def mixed(self, csrf: int, request: int) -> dict[str, str]:
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
