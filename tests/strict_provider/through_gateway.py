"""A gateway in front of the MCP server that is behind the strict provider, and the members who use it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.canary.marks import marked
from tests.flows.browsers import PUBLIC, Browser, Page, invited, sign_in_as
from tests.flows.gateways import Gateway, events, gateway
from tests.strict_provider.person import Person
from tests.strict_provider.provider import Json
from tests.strict_provider.server import Notes, notes

PAGE = "/connect/research/notes"
CALLBACK = f"{PUBLIC}/oauth/upstream-callback"
TTL_S = 300
CROWD = 24
LINK = re.compile(re.escape(PUBLIC) + r"/connect/[A-Za-z0-9_/-]+")

SECRET = marked("a secret/with+signs:and spaces")
"""What the secret `notes-secret` holds."""


@dataclass
class Member:
    """Somebody at the gateway: signed in in a browser, with a key for calls."""

    browser: Browser
    key: str


@dataclass
class Place:
    """A gateway with the server `notes`, which is behind the strict provider."""

    gw: Gateway
    notes: Notes
    opened: list[Browser] = field(default_factory=list)

    async def member(self, email: str, **given: Any) -> Member:
        browser = Browser(self.gw.front)
        self.opened.append(browser)
        await sign_in_as(self.gw, browser, await invited(self.gw, email, "research", **given))
        key, _ = await self.gw.new_key(kind="user", subject=email)
        return Member(browser, key)

    async def connect(self, member: Member, person: Person, link: str = PAGE) -> Page:
        """Press the button, sign in at the provider, and come back."""
        return await member.browser.open(await person.visit(await self.leave(member, link)))

    async def leave(self, member: Member, link: str = PAGE) -> str:
        """Press the button; gives the address at the provider."""
        page = await member.browser.open(link)
        offered = [form.action for form in page.forms if form.action.startswith("/connect")]
        (action,) = [action for action in offered if not action.endswith("/disconnect")]
        return (await member.browser.submit(page, action)).url

    async def disconnect(self, member: Member) -> Page:
        page = await member.browser.open(PAGE)
        (action,) = [form.action for form in page.forms if form.action.endswith("/disconnect")]
        return await member.browser.submit(page, action)

    async def told(self, key: str, tool: str = "whoami", **arguments: Any) -> Json:
        """The JSON-RPC answer of a call."""
        params = {"name": tool, "arguments": arguments}
        bearer = {"authorization": f"Bearer {key}"}
        response = await self.gw.modern("/research/notes/mcp", "tools/call", params, **bearer)
        return dict(events(response)[-1] if "event-stream" in response.headers["content-type"] else response.json())

    async def said(self, key: str, tool: str = "whoami", **arguments: Any) -> str:
        """The text that a tool answers."""
        told = await self.told(key, tool, **arguments)
        assert "result" in told, told
        return str(told["result"]["content"][0]["text"])

    async def needed(self, key: str, tool: str = "whoami", **arguments: Any) -> str:
        """The link in what a call is told that is refused for want of an account."""
        told = await self.told(key, tool, **arguments)
        assert told["error"]["code"] == -32021, told
        link = str(told["error"]["data"]["authorization_url"])
        assert LINK.fullmatch(link) is not None
        assert f"authorization_url: {link} — " in told["error"]["message"]
        return link

    async def crowd(self, key: str) -> set[str]:
        """What many calls at once say."""
        return set(await asyncio.gather(*(self.said(key) for _ in range(CROWD))))

    async def lapse(self) -> None:
        """Access tokens that are known now are no longer good."""
        self.gw.clock[0] += TTL_S + 1
        await self.notes.provider.advance(TTL_S + 1)


@asynccontextmanager
async def place(folder: Path, auth: Json, document: str = "none", **options: Any) -> AsyncIterator[Place]:
    async with gateway(folder, {}, client_metadata_url=document) as gw:
        # The provider looks at the real time in what is signed.
        gw.clock[0] = int(time.time())
        elsewhere = {"https://gateway.example.com": gw.url}
        async with notes(folder, access_token_ttl_s=TTL_S, elsewhere=elsewhere, **options) as upstream:
            await gw.admin.set_secret("notes-secret", SECRET)
            server = {"slug": "notes", "name": "Notes", "url": upstream.url, "workspaces": ["research"], "auth": auth}
            await gw.apply({"servers": [server]})
            made = Place(gw, upstream)
            try:
                yield made
            finally:
                for browser in made.opened:
                    await browser.close()
