"""Browsers and OAuth clients for flows: what they do with HTML, cookies and redirects, over the real application."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2

from gateway_core.registry.members import Member, OrganisationRole, Roles
from gateway_core.registry.people import People
from gateway_core.signin.cookies import cookie_name
from gateway_core.web.outlet import AsgiApp
from tests.canary.marks import marked
from tests.flows.gateways import Gateway, gateway

PUBLIC: Final = "http://127.0.0.1:8787"
PASSWORD: Final = marked("a sentence of a few words")
LOCAL_REDIRECT: Final = "http://localhost:64041/callback"


@dataclass
class Form:
    """One form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    """Values of its radio buttons."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and given.get("type") == "radio":
            self.forms[-1].choices.append(given["value"])
        elif tag == "input" and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((given.get("name", ""), given.get("value", "")))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Page:
    """An answer as a person sees it."""

    response: httpx2.Response
    url: str

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._read().words).split())

    @property
    def forms(self) -> list[Form]:
        return self._read().forms

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the address that the browser ended at."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def form(self, action: str) -> Form:
        found = [form for form in self.forms if form.action == action]
        assert len(found) == 1, f"{len(found)} forms for {action}: {self.text}"
        return found[0]

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.response.text)
        return reader


class Browser:
    """One person's browser: keeps cookies, follows redirects within the gateway, says where its posts come from."""

    def __init__(self, app: AsgiApp, public: str = PUBLIC, address: str = "203.0.113.7") -> None:
        self.public = public
        transport: Any = httpx2.ASGITransport(app=app, client=(address, 4711))
        self.http = httpx2.AsyncClient(transport=transport, base_url=public)

    async def open(self, url: str, **headers: str) -> Page:
        return await self._follow(await self.http.get(url, headers=headers), url)

    async def submit(self, page: Page, action: str, button: str = "", **fields: str) -> Page:
        """Fill a form in, and click `button` (its value)."""
        form = page.form(action)
        clicked = {name: value for name, value in form.buttons if name and value == button}
        return await self.post(action, {**form.fields, **clicked, **fields})

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """POST a form; `headers` are written with _ for -, and "" leaves one out."""
        sent = {"origin": self.public, "sec_fetch_site": "same-origin", **headers}
        sent = {name.replace("_", "-"): value for name, value in sent.items() if value}
        return await self._follow(await self.http.post(path, data=fields, headers=sent), path)

    async def _follow(self, response: httpx2.Response, url: str) -> Page:
        url = urljoin(self.public, url)
        for _ in range(10):
            assert response.status_code < 500, response.text
            if response.status_code not in (302, 303, 307, 308):
                return Page(response, url)
            assert response.status_code == 303, "redirected otherwise than with 303"
            url = urljoin(url, response.headers["location"])
            if not url.startswith(f"{self.public}/"):
                return Page(response, url)
            response = await self.http.get(url)
        raise AssertionError("too many redirects")

    async def close(self) -> None:
        await self.http.aclose()


@dataclass
class OAuthClient:
    """A program that wants in. `id` is set once it is known."""

    id: str
    redirect_uri: str = LOCAL_REDIRECT
    verifier: str = field(default_factory=lambda: marked(secrets.token_urlsafe(48)))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def url(self, resource: str | None = None, **changed: str) -> str:
        """The path of its authorization request; "" leaves a parameter out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        given = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": self.state,
            "resource": resource or "",
            **changed,
        }
        return f"/authorize?{urlencode({name: value for name, value in given.items() if value})}"

    async def redeem(self, http: httpx2.AsyncClient, code: str, **changed: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.id,
            "code_verifier": self.verifier,
        }
        return await http.post("/token", data={**form, **changed})

    async def refresh(self, http: httpx2.AsyncClient, token: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.id}
        return await http.post("/token", data=form)


@dataclass
class Stage:
    """A gateway with Ana as its owner, signed in in her browser; workspaces research (linear, github) and sales."""

    gw: Gateway
    ana: Browser
    opened: list[Browser]

    def browser(self, address: str = "203.0.113.8") -> Browser:
        """Somebody else's browser."""
        self.opened.append(Browser(self.gw.front, self.ana.public, address))
        return self.opened[-1]

    async def member(self, email: str, *workspaces: str) -> tuple[Browser, Member]:
        """A member of some workspaces, signed in in a browser of their own, without the detour of an invitation."""
        browser = self.browser()
        made = await invited(self.gw, email, *workspaces)
        await sign_in_as(self.gw, browser, made)
        return browser, made


@asynccontextmanager
async def stage(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    """See Stage. No metadata document can be fetched, so the bundled copies of well-known clients stand in."""
    servers = {
        "linear": {"url": "http://127.0.0.1:9/mcp", "name": "Linear"},
        "github": {"url": "http://127.0.0.1:9/mcp", "name": "GitHub"},
    }
    async with gateway(folder, servers, egress_ports=(8443,), **settings) as gw:
        ana = Browser(gw.front, settings.get("public_url", PUBLIC))
        made = Stage(gw, ana, [ana])
        first = await invited(gw, "ana@example.com", organisation="owner", name="Ana Ruiz")
        await sign_in_as(gw, ana, first)
        try:
            yield made
        finally:
            for browser in made.opened:
                await browser.close()


async def invited(
    gw: Gateway, email: str, *workspaces: str, organisation: OrganisationRole = "member", name: str = ""
) -> Member:
    """A member who has not signed in yet."""
    state = await gw.admin.state()
    roles = Roles(organisation, {state.workspaces[slug].record.id: "member" for slug in workspaces})
    return await People(gw.table, lambda: gw.clock[0]).add(email, name=name, given=roles, by="ana@example.com")


async def sign_in_as(gw: Gateway, browser: Browser, who: Member) -> None:
    """Give `browser` a session of `who`, as signing in does."""
    cookie = await gw.oauth.desk.sign_in.sessions.start(who.id)
    host = urlsplit(browser.public).hostname or ""
    browser.http.cookies.set(cookie_name(browser.public), cookie, domain=host)


async def register(http: httpx2.AsyncClient, name: str = "Probe", redirect_uri: str = LOCAL_REDIRECT) -> OAuthClient:
    """A client that introduced itself (RFC 7591)."""
    told = await http.post("/register", json={"client_name": name, "redirect_uris": [redirect_uri]})
    assert told.status_code == 201, told.text
    return OAuthClient(told.json()["client_id"], redirect_uri)
