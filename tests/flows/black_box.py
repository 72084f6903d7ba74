"""The whole application as clients and a browser meet it, over HTTP in process: for corpora, which ask it much."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.flows.actors import admin_key, ask
from tests.flows.browsers import Page, Stage, stage
from tests.unit.issuer.house import CALLBACK, CHALLENGE, LINEAR, PUBLIC, VERIFIER

DOCUMENT: Final = "https://zed.dev/oauth/client-metadata.json"
"""A metadata document that comes with the gateway. Like the other clients here it has one redirect URI, on loopback."""
REDIRECT: Final = {"redirect_uris": ["http://127.0.0.1/callback"]}


@dataclass
class BlackBox:
    """A gateway, and Ana, its owner, in her browser."""

    at: Stage

    async def client(self, how: str, method: str = "none") -> tuple[str, str | None]:
        """Id and secret of a client that is known in one of three ways."""
        if how == "metadata_document":
            return DOCUMENT, None
        if how == "dynamic":
            said = {"client_name": "Flow", "token_endpoint_auth_method": method, **REDIRECT}
            told = (await self.at.ana.http.post("/register", json=said)).json()
            return told["client_id"], told.get("client_secret")
        body = {"name": "Portal", "auth_method": method, **REDIRECT}
        told = (await ask(self.at.gw, await admin_key(self.at.gw), "POST", "/clients", body)).json()
        return told["id"], told["secret"]

    async def visited(self, query: str) -> Page:
        """GET /authorize with every byte of `query` as it is. A few seconds after the visit before: Ana is a person."""
        self.at.gw.clock[0] += 8
        cookie = "; ".join(f"{name}={value}" for name, value in self.at.ana.http.cookies.items())
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

    async def decided(self, page: Page, decision: str) -> dict[str, str]:
        """What the client hears when Ana clicks."""
        back = await self.at.ana.submit(page, "/authorize", decision)
        assert back.url.startswith("http://127.0.0.1"), back.text
        return back.parameters

    async def code(self, client_id: str) -> str:
        """A code for Linear, which Ana allows."""
        query = httpx2.QueryParams({**REQUEST, "client_id": client_id})
        return (await self.decided(await self.visited(str(query)), "allow"))["code"]

    async def token(self, body: bytes, *fields: tuple[str, str]) -> httpx2.Response:
        """POST /token."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
        return await self.at.ana.http.post("/token", content=body, headers=raw)

    async def done_with(self, client_id: str, answer: httpx2.Response) -> None:
        """End what a client without a secret was granted: a member has so many grants and no more."""
        form = {"client_id": client_id, "token": answer.json()["refresh_token"]}
        assert (await self.at.ana.http.post("/revoke", data=form)).status_code == 200


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
    async with stage(folder, public_url=PUBLIC) as at:
        yield BlackBox(at)


def refusal(answer: httpx2.Response) -> str:
    """`reject(status code)`, once it was looked at how it is told (RFC 6749, section 5.2; RFC 6750, section 3)."""
    told = answer.json()
    assert told["error_description"]
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in told["error_description"])
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    return f"reject({answer.status_code} {told['error']})"
