"""A gateway that people sign in to, with one member who has a browser, and an upstream to reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from gateway_core.local.data_folder import ADMIN_KEY_FILE
from tests.clients.browser import PASSWORD, Browser, opened_by_programs
from tests.clients.front import Front, front
from tests.gateway_process import WORKSPACE, Gateway, gateway
from tests.processes import START_S, conformance_server

SLUG = "tools"
SETUP_LINK = re.compile(r"http://\S+/oauth/setup\?token=\S+")


@dataclass
class Home:
    """What one client has of its own: a folder, and a person's browser."""

    folder: Path
    browser: Browser
    opens: Mapping[str, str]
    """Environment variables that make programs open links in that browser."""


@dataclass
class House:
    """The gateway; all that clients say to it passes the front."""

    folder: Path
    gateway: Gateway
    front: Front

    def endpoint(self, door: str = "mcp") -> str:
        """The address that a person gives to a client, and nothing else."""
        return f"{self.front.origin}/{WORKSPACE}/{SLUG}/{door}"

    def administration(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the administration API, with the administrator's key."""
        url, key = f"{self.gateway.origin}/api/v1{path}", (self.gateway.data / ADMIN_KEY_FILE).read_text().strip()
        answer = httpx2.request(method, url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=START_S)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def end_every_grant(self) -> None:
        """What an administrator does when somebody's computer is lost."""
        grants = self.administration("GET", "/grants")["grants"]
        assert grants
        for grant in grants:
            self.administration("DELETE", f"/grants/{grant['id']}")

    @contextmanager
    def home(self, folder: Path, workspaces: Sequence[str] = (WORKSPACE,)) -> Iterator[Home]:
        """A new member, who has followed the invitation and closed the browser again."""
        email = f"{folder.name.lower()}@example.com"
        made = self.administration(
            "POST", "/members", {"email": email, "workspaces": dict.fromkeys(workspaces, "member")}
        )
        with closing(Browser(self.front.origin, email)) as browser:
            browser.enter(made["link"], "/oauth/join", name="Ben Ode", password=PASSWORD)
            browser.http.cookies.clear()
            with opened_by_programs(browser, folder) as opens:
                yield Home(folder, browser, opens)
                browser.settle()


@contextmanager
def house(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[House]:
    """Start a gateway with an owner and an upstream; clients know it by the address of its front."""
    with ExitStack() as running:
        door = running.enter_context(front())
        words = {"PUBLIC_URL": door.origin, **(environment or {})}
        before = ["env", *(f"{name}={value}" for name, value in words.items())]
        gate = running.enter_context(gateway(folder, before=before))
        door.target = gate.port
        gate.serve(SLUG, running.enter_context(conformance_server(folder)), name="Tools")
        link = SETUP_LINK.search((folder / "gateway.log").read_text())
        assert link is not None
        owner = running.enter_context(closing(Browser(door.origin, "ana@example.com")))
        owner.enter(link[0], "/oauth/setup", name="Ana Ruiz", email=owner.email, password=PASSWORD)
        yield House(folder, gate, door)
