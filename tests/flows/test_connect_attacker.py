"""Two people who connect accounts, and an attacker who starts, skips, reorders and replays any step.

She is a member too, has an account of her own at the server, knows every link that a call has shown and every answer
that came back to a browser, sends people any of them, mixed as she likes, and log-ins that she has begun herself, and
lets pages of hers post anything from their browsers. People press the button on pages of their own, log in over there
as themselves, and follow what they are sent. Whatever happens, each member's calls go out as the account that this very
person has logged in to, or not at all; and what several act as is connected by an administrator alone.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway_core.connect.attempts import BEGUN_S
from gateway_core.upstream.holders import Holder
from tests.flows.browsers import Browser, Page, sign_in_as
from tests.flows.test_connecting import LINK
from tests.flows.token_servers import connections_of, server_of
from tests.flows.tracker import CALLBACK, PAGE, scene

SHARED = "/connect/research/shared"
people = st.sampled_from(("ana", "ben"))
everybody = st.sampled_from(("ana", "ben", "mallory"))
pages = st.sampled_from((PAGE, SHARED))
nth = st.integers(0, 5)


class Attacked(RuleBasedStateMachine):
    """See the module. Ana is the owner; Ben and Mallory are members of Research."""

    @initialize()
    def start(self) -> None:
        self.loop, self.opened = asyncio.new_event_loop(), AsyncExitStack()
        self.folder = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        self.at = self.run(self.opened.enter_async_context(scene(self.folder)))
        entry = {"slug": "shared", "name": "Shared", "url": f"{self.at.tracker.url}/mcp", "workspaces": ["research"]}
        self.run(self.at.gw.apply({"servers": [{**entry, "auth": {"type": "oauth", "granularity": "workspace"}}]}))
        self.browsers: dict[str, Browser] = {"ana": self.at.at.ana}
        for name in ("ben", "mallory"):
            self.browsers[name], _ = self.run(self.at.at.member(f"{name}@example.com", "research"))
        self.members = {n: self.run(self.at.gw.admin.people.by_email(f"{n}@example.com")) for n in self.browsers}
        self.keys = {name: self.run(self.at.key(f"{name}@example.com")) for name in self.browsers}
        self.servers = [self.run(server_of(self.at.gw, slug)) for slug in ("tracker", "shared")]
        self.links: list[str] = [PAGE, SHARED]
        self.away: dict[str, list[str]] = {name: [] for name in self.browsers}
        """Addresses at the authorization server that buttons led to: nobody else knows them."""
        self.answers: list[str] = []
        self.forms: list[dict[str, str]] = []

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            # What she brings it is refused there; that is hers to hear, and no mistake of the gateway.
            self.at.tracker.complaints.clear()
            self.run(self.opened.aclose())
            self.loop.close()

    def follow(self, whose: str, path: str, *, press: bool) -> None:
        """Open a page, and press its button if it is one of their own."""
        page: Page = self.run(self.browsers[whose].open(path))
        for form in page.forms:
            if form.action in (PAGE, SHARED):
                self.forms.append(form.fields)
                assert f"Signed in as {whose}@example.com" in page.text
                if press:
                    self.leave(whose, self.run(self.browsers[whose].post(form.action, form.fields)))

    def leave(self, whose: str, page: Page) -> None:
        if page.url.startswith(f"{self.at.tracker.url}/authorize"):
            self.away[whose].append(page.url)

    # What people do.

    @rule(whose=everybody, page=pages, agrees=st.booleans())
    def connect(self, whose: str, page: str, agrees: bool) -> None:
        before = len(self.away[whose])
        self.follow(whose, page, press=True)
        if len(self.away[whose]) > before:
            self.log_in_there(whose, 0, agrees=agrees)
            self.run(self.browsers[whose].open(self.answers[-1]))

    @rule(whose=everybody, n=nth, agrees=st.booleans())
    def log_in_there(self, whose: str, n: int, *, agrees: bool) -> None:
        """Whoever is at a browser logs in there as themselves. The answer may not come back before long."""
        if self.away[whose]:
            left = self.away[whose][-1 - n % len(self.away[whose])]
            self.answers.append(self.at.tracker.visit(left, whose, error="" if agrees else "access_denied"))

    @rule(whose=everybody, page=pages)
    def press_the_button_and_stop_there(self, whose: str, page: str) -> None:
        self.follow(whose, page, press=True)

    @rule(whose=people, n=nth, press=st.booleans())
    def open_a_link_that_somebody_sent(self, whose: str, n: int, press: bool) -> None:
        self.follow(whose, self.links[-1 - n % len(self.links)], press=press)

    @rule(whose=everybody)
    def call_and_be_shown_a_link(self, whose: str) -> None:
        found = LINK.search(self.run(self.at.called(self.keys[whose])))
        if found is not None:
            self.links.append(found[1])

    @rule(whose=people)
    def sign_in_anew(self, whose: str) -> None:
        self.run(sign_in_as(self.at.gw, self.browsers[whose], self.members[whose]))

    @rule(whose=everybody, page=pages)
    def disconnect(self, whose: str, page: str) -> None:
        page_seen = self.run(self.browsers[whose].open(page))
        if any(form.action == f"{page}/disconnect" for form in page_seen.forms):
            self.run(self.browsers[whose].submit(page_seen, f"{page}/disconnect"))

    # What the attacker does.

    @rule(whose=everybody, n=nth)
    def send_somebody_an_answer(self, whose: str, n: int) -> None:
        if self.answers:
            self.run(self.browsers[whose].open(self.answers[-1 - n % len(self.answers)]))

    @rule(whose=people, n=nth)
    def send_somebody_to_the_log_in_that_she_has_begun(self, whose: str, n: int) -> None:
        hers = self.away["mallory"]
        if hers:
            self.answers.append(self.at.tracker.visit(hers[-1 - n % len(hers)], whose))
            self.run(self.browsers[whose].open(self.answers[-1]))

    @rule(whose=everybody, n=nth, m=nth)
    def send_somebody_the_code_of_one_answer_under_the_state_of_another(self, whose: str, n: int, m: int) -> None:
        if self.answers:
            first, second = (
                dict(parse_qsl(self.answers[-1 - i % len(self.answers)].partition("?")[2])) for i in (n, m)
            )
            query = urlencode({**first, "state": second["state"]})
            self.run(self.browsers[whose].open(f"{CALLBACK}?{query}"))

    @rule(whose=everybody, page=pages, n=nth, m=nth, ours=st.booleans())
    def post_from_somebodys_browser(self, whose: str, page: str, n: int, m: int, ours: bool) -> None:
        if self.forms:
            first, second = (self.forms[-1 - i % len(self.forms)] for i in (n, m))
            sent = {"origin": "http://127.0.0.1:8787" if ours else "https://evil.example"}
            fields = {**first, "found": second["found"]}
            self.leave(whose, self.run(self.browsers[whose].post(page, fields, **sent)))

    @rule(seconds=st.sampled_from((1, 60, BEGUN_S)))
    def wait(self, seconds: int) -> None:
        self.at.gw.clock[0] += seconds

    # What must hold.

    @invariant()
    def nobody_acts_as_an_account_of_somebody_else(self) -> None:
        if not hasattr(self, "servers"):
            return
        kept = connections_of(self.at.gw)
        for name, member in self.members.items():
            found = self.run(kept.get(self.servers[0].id, Holder("user", member.id)))
            tokens = None if found is None else self.run(kept.tokens(found))
            assert tokens is None or tokens.access_token.endswith(f"-{name}")
        place = self.run(self.at.gw.admin.state()).workspaces["research"].record.id
        found = self.run(kept.get(self.servers[1].id, Holder("workspace", place)))
        assert found is None or found.connected_by == "ana@example.com"


Attacked.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestNobodyActsAsSomebodyElse = Attacked.TestCase
