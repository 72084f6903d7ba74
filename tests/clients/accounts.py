"""A server where everybody has an account of their own, behind a gateway, and people who connect theirs.

The server is one of the official SDK, behind the strict provider; both live in an event loop of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway_core.local.data_folder import ADMIN_KEY_FILE
from tests.clients.browser import opened_by_programs
from tests.conformance.client.person import Person
from tests.gateway_process import WORKSPACE, Gateway, gateway
from tests.processes import START_S
from tests.strict_provider.person import Person as AtProvider
from tests.strict_provider.provider import StrictProvider
from tests.strict_provider.server import notes

SLUG = "notes"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/connect/[A-Za-z0-9_/-]+")


class Holder(Person):
    """A member who has an account at the provider."""

    def __init__(self, origin: str, email: str, account: AtProvider) -> None:
        super().__init__(origin, email)
        self.account = account

    async def _authorized(self, url: str) -> str:
        return await self.account.visit(url)


@dataclass
class Somebody:
    """A member, with a key for a client and with a browser that the client may open."""

    stage: Stage
    holder: Holder
    key: str = field(repr=False)
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Lets programs open links in that browser."""
    opened: list[str] = field(default_factory=list)
    """The links that programs opened."""
    grant: str = ""
    """At the provider."""

    @property
    def name(self) -> str:
        """What the server calls whose account it is."""
        return self.holder.account.name

    def endpoint(self, door: str = "mcp") -> str:
        """The server's address at the gateway."""
        return f"{self.stage.gateway.origin}/{WORKSPACE}/{SLUG}/{door}"

    def connect(self, link: str | None = None) -> None:
        """Connect the account at `link`, by default where the gateway's own pages lead."""
        self.stage.portal.call(self.holder.connect, link or f"/connect/{WORKSPACE}/{SLUG}")
        self.grant = self.stage.provider.tokens("authorization_code")[-1]["grant"]

    def open(self, link: str) -> None:
        """What a program asks for; comes back when it is done."""
        if link == self.stage.settings:
            self.stage.portal.call(self.stage.provider.withdraw, self.grant)
        else:
            self.opened.append(link)
            self.connect(link)


@dataclass(frozen=True, slots=True)
class Stage:
    """All of it, running."""

    gateway: Gateway
    provider: StrictProvider
    portal: BlockingPortal

    @property
    def settings(self) -> str:
        """The page at the provider where people take back what they allowed."""
        return f"{self.provider.issuer}/settings"

    @contextmanager
    def somebody(self, folder: Path) -> Iterator[Somebody]:
        """A new member, who has not connected an account."""
        email = f"{folder.name.lower()}@example.com"
        invited = self._ask("/members", {"email": email, "workspaces": {WORKSPACE: "member"}})
        made = self._ask("/keys", {"workspace": WORKSPACE, "kind": "user", "subject": email})
        with ExitStack() as stack:
            account = stack.enter_context(self.portal.wrap_async_context_manager(AtProvider(f"{folder.name} at notes")))
            holder = stack.enter_context(
                self.portal.wrap_async_context_manager(Holder(self.gateway.origin, email, account))
            )
            self.portal.call(holder.join, invited["link"])
            one = Somebody(self, holder, made["key"], folder)
            one.environment = stack.enter_context(opened_by_programs(one, folder))
            yield one

    def _ask(self, path: str, body: Mapping[str, object]) -> dict[str, str]:
        key = (self.gateway.data / ADMIN_KEY_FILE).read_text().strip()
        bearer, url = {"authorization": f"Bearer {key}"}, f"{self.gateway.origin}/api/v1{path}"
        answer = httpx2.post(url, json=body, headers=bearer, timeout=START_S)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start it."""
    with ExitStack() as running:
        portal = running.enter_context(start_blocking_portal())
        upstream = running.enter_context(portal.wrap_async_context_manager(notes(folder)))
        gate = running.enter_context(gateway(folder))
        gate.serve(SLUG, upstream.url, name="Notes", auth={"type": "oauth"}, transport="auto")
        yield Stage(gate, upstream.provider, portal)
