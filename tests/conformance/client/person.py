"""A member of the gateway, without a screen: opens the link that a call was refused with, and connects the account."""

from __future__ import annotations

from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2

from tests.clients.browser import PASSWORD
from tests.flows.browsers import Browser, Page
from tests.processes import START_S

MOST_REDIRECTS = 5
"""At the authorization server, which asks its visitor nothing."""


class NotConnected(Exception):
    """The account could not be connected; the text is what the page said."""


class Person(Browser):
    """Browses a gateway that runs as a process of its own."""

    def __init__(self, origin: str, email: str) -> None:
        self.public, self.email = origin, email
        self.http = httpx2.AsyncClient(base_url=origin, trust_env=False, timeout=START_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.http.aclose()

    async def join(self, invitation: str) -> None:
        """Follow an invitation, and close the browser: whoever comes back has to sign in."""
        page = await self.submit(await self.open(invitation), "/oauth/join", name="Ben Ode", password=PASSWORD)
        assert "My access" in page.text, page.text
        self.http.cookies.clear()

    async def connect(self, link: str) -> None:
        """Sign in where that is asked, press the button, and come back from the authorization server.

        Raises:
            NotConnected: A page says that it cannot be done.
        """
        page = await self.open(link)
        if any(form.action == "/oauth/signin" for form in page.forms):
            page = await self.submit(page, "/oauth/signin", email=self.email, password=PASSWORD)
        offered = [form.action for form in page.forms if form.action.startswith("/connect/")]
        actions = [action for action in offered if not action.endswith("/disconnect")]
        if not actions:
            raise NotConnected(page.text)
        page = await self.submit(page, actions[0])
        if page.url.startswith(f"{self.public}/"):
            raise NotConnected(page.text)
        page = await self.open(await self._authorized(page.url))
        if page.status != 200:
            raise NotConnected(page.text)

    async def _authorized(self, url: str) -> str:
        """Where the authorization server sends the browser; the gateway's cookies stay with the gateway."""
        async with httpx2.AsyncClient(trust_env=False, timeout=START_S) as http:
            for _ in range(MOST_REDIRECTS):
                if url.startswith(f"{self.public}/"):
                    return url
                response = await http.get(url)
                if response.status_code not in (302, 303):
                    raise NotConnected(Page(response, url).text)
                url = urljoin(url, response.headers["location"])
        raise NotConnected(f"redirected without an end, at last to {url}")
