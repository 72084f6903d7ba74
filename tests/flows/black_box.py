"""The whole application as clients and a browser meet it, over HTTP in process: for corpora, which ask it much."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx2

from tests.certificates import Authority
from tests.flows.actors import admin_key, ask
from tests.flows.browsers import Browser, Page, Stage, stage
from tests.unit.issuer.house import CALLBACK, CHALLENGE, FORM, LINEAR, PUBLIC, VERIFIER, basic, form
from tests.unit.issuer.vendor import Vendor, vendor_site

MODES: Final = ("registered", "metadata_document", "dynamic")
"""The ways in which a client may be known."""
PAGES: Final = {
    "This app is not known here": "page(invalid_client)",
    "This request cannot be answered": "page(invalid_request)",
}
DOCUMENT: Final = "https://zed.dev/oauth/client-metadata.json"
"""A metadata document that comes with the gateway. Like the other clients here it has one redirect URI, on loopback."""
REDIRECT: Final = {"redirect_uris": ["http://127.0.0.1/callback"]}


@dataclass
class BlackBox:
    """A gateway, Ana, its owner, in her browser, and the one web site of others that the gateway finds."""

    at: Stage
    stranger: Browser
    """Of somebody who is not signed in."""
    vendor: Vendor

    async def client(self, how: str, method: str = "none") -> tuple[str, str | None]:
        """Id and secret of a client that is known in one of three ways."""
        if how == "metadata_document":
            return DOCUMENT, None
        if how == "dynamic":
            said = {"client_name": "Flow", "token_endpoint_auth_method": method, **REDIRECT}
            told = (await self.registered(said)).json()
            return told["client_id"], told.get("client_secret")
        told = (await self.entered({"name": "Portal", "auth_method": method, **REDIRECT})).json()
        return told["id"], told["secret"]

    async def registered(self, said: Any, content_type: str = "application/json") -> httpx2.Response:
        """POST /register with bytes as they are, anything else as JSON. A few seconds after the one before: an address
        may do so much in an hour, and no more."""
        self.at.gw.clock[0] += 8
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return await self.at.ana.http.post("/register", content=body, headers={"content-type": content_type})

    async def entered(self, draft: Any) -> httpx2.Response:
        """What an administrator is answered who enters a client."""
        return await ask(self.at.gw, await admin_key(self.at.gw), "POST", "/clients", draft)

    async def visited(self, query: str, browser: Browser | None = None) -> Page:
        """GET /authorize with every byte of `query` as it is, in Ana's browser or another. A few seconds after the
        visit before: Ana is a person."""
        self.at.gw.clock[0] += 8
        cookies = (browser or self.at.ana).http.cookies
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        scope = {
            "type": "http", "method": "GET", "path": "/authorize", "raw_path": b"/authorize", "root_path": "",
            "query_string": query.encode(), "http_version": "1.1", "scheme": "https",
            "server": ("gw.example", 443), "client": ("203.0.113.7", 4711),
            "headers": [(b"host", b"gw.example"), (b"cookie", cookie.encode())],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.at.gw.front(scope, receive, send)
        content = b"".join(part.get("body", b"") for part in sent[1:])
        return Page(httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=content), "")

    async def decided(self, page: Page, decision: str, redirect_uri: str = CALLBACK) -> dict[str, str]:
        """What the client hears when Ana clicks: at `redirect_uri`, byte for byte, behind the query that it has."""
        back = await self.at.ana.submit(page, "/authorize", decision)
        location = back.response.headers["location"]
        joint = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
        assert location.startswith(redirect_uri + joint), location
        return dict(parse_qsl(location.removeprefix(redirect_uri + joint), strict_parsing=True, keep_blank_values=True))

    async def code(self, client_id: str) -> str:
        """A code for Linear, which Ana allows."""
        query = httpx2.QueryParams({**REQUEST, "client_id": client_id})
        return (await self.decided(await self.visited(str(query)), "allow"))["code"]

    async def token(self, body: bytes, *fields: tuple[str, str]) -> httpx2.Response:
        """POST /token."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
        return await self.at.ana.http.post("/token", content=body, headers=raw)

    async def redeemed(
        self, client_id: str, code: str, redirect_uri: str, *, method: str = "none", secret: str = ""
    ) -> httpx2.Response:
        """What a client is answered that shows a code. When those are tokens, they are ended: a member has so many
        grants and no more."""
        fields, headers = proof(method, client_id, secret)
        answer = await self.token(
            form({**REDEEMING, "redirect_uri": redirect_uri, "code": code, **fields}), FORM, *headers
        )
        if answer.status_code == 200:
            await self.done_with(client_id, answer, method=method, secret=secret)
        return answer

    async def done_with(
        self, client_id: str, answer: httpx2.Response, *, method: str = "none", secret: str = ""
    ) -> None:
        """End what a client was granted."""
        fields, headers = proof(method, client_id, secret)
        body = {"token": answer.json()["refresh_token"], **fields}
        assert (await self.at.ana.http.post("/revoke", data=body, headers=dict(headers))).status_code == 200


REQUEST: Final = {
    "response_type": "code",
    "client_id": "",
    "redirect_uri": CALLBACK,
    "state": "st",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "resource": LINEAR,
}
"""The parameters of a right authorization request."""
REDEEMING: Final = {
    "grant_type": "authorization_code",
    "redirect_uri": CALLBACK,
    "code_verifier": VERIFIER,
}
"""Those of a right token request, without client and code."""


@asynccontextmanager
async def black_box(folder: Path) -> AsyncIterator[BlackBox]:
    """One that runs."""
    async with beside_a_vendor(folder, Authority.found(folder), public_url=PUBLIC) as (at, vendor):
        yield BlackBox(at, at.browser(), vendor)


@asynccontextmanager
async def beside_a_vendor(folder: Path, authority: Authority, **settings: Any) -> AsyncIterator[tuple[Stage, Vendor]]:
    """A stage beside the one web site of others that its gateway finds."""
    async with vendor_site(authority) as (vendor, egress), stage(folder, **settings) as at:
        at.gw.oauth.desk.issuer.clients.documents._egress = egress
        yield at, vendor


def proof(method: str, client_id: str, secret: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The parameters and headers by which a client proves who it is."""
    if method == "client_secret_basic":
        return {}, [basic(client_id, secret)]
    return {"client_id": client_id} | ({} if method == "none" else {"client_secret": secret}), []


def shown_instead(page: Page) -> str | None:
    """`page(code)` where Ana is told why not and is sent nowhere; None where there is something for her to decide."""
    if any(form.action == "/authorize" for form in page.forms):
        return None
    assert page.status == 400
    assert not page.response.headers.keys() & {"location", "refresh"}
    return next(verdict for title, verdict in PAGES.items() if title in page.text)


def refusal(answer: httpx2.Response) -> str:
    """`reject(status code)`, once it was looked at how it is told (RFC 6749, section 5.2; RFC 6750, section 3)."""
    told = answer.json()
    assert told["error_description"]
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in told["error_description"])
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    return f"reject({answer.status_code} {told['error']})"
