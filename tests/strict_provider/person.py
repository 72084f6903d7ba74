"""A person at the strict provider, without a screen: logs in under a name of their own and agrees, or does not."""

from __future__ import annotations

from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2

from tests.flows.browsers import Form, Page

MOST_PAGES = 12


class Person:
    """Keeps the provider's cookies, so who logged in once is only asked to agree."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.agrees = True
        self.seen: list[str] = []
        """The words of every page, in turn."""
        self.http = httpx2.AsyncClient(trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.http.aclose()

    async def visit(self, url: str) -> str:
        """Open an authorization request and answer what is asked; gives the client's address that this leads back to.

        Raises:
            AssertionError: The provider shows an error page instead; the text is its.
        """
        home = urljoin(url, "/")
        response = await self.http.get(url)
        for _ in range(MOST_PAGES):
            if response.status_code in (302, 303):
                url = urljoin(url, response.headers["location"])
                if not url.startswith(home):
                    return url
                response = await self.http.get(url)
                continue
            page = Page(response, url)
            assert response.status_code == 200, page.text
            self.seen.append(page.text)
            response = await self._answer(page.forms[0])
        raise AssertionError(f"never came back from {url}")

    async def _answer(self, form: Form) -> httpx2.Response:
        if not self.agrees:
            return await self.http.get(f"{form.action}/abort")
        typed = {"login": self.name, "password": "any"} if "login" in form.fields else {}
        return await self.http.post(form.action, data={**form.fields, **typed})
