"""An authorization server on a store of its own, with one organisation in it, and steps that clients take."""

import hashlib
import json
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from gateway_core.access import grants as records
from gateway_core.access.grants import Grant, locate
from gateway_core.egress import Egress, Policy
from gateway_core.headers import Headers, read_headers
from gateway_core.issuer.clients import Clients
from gateway_core.issuer.codes import digest
from gateway_core.issuer.documents import Documents
from gateway_core.issuer.issuer import Answer, Issuer
from gateway_core.issuer.registered import RegisteredClients
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.registry import servers
from gateway_core.registry.members import Roles
from gateway_core.registry.people import People
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from tests.contracts.conftest import MovedClock

PUBLIC = "https://gw.example"
LINEAR = f"{PUBLIC}/research/linear/mcp"
WORKSPACES = {"research": "ws-22222222", "sales": "ws-33333333"}
SERVERS = {"linear": "srv-22222222", "weather": "srv-33333333"}
"""linear is in both workspaces, weather in sales alone."""
CALLBACK = "http://127.0.0.1:4711/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
FORM = ("content-type", "application/x-www-form-urlencoded")
NO_NETWORK = Policy(ports=())


@dataclass
class House:
    """The server, what it stands on, and one member."""

    issuer: Issuer
    table: Table
    clock: MovedClock
    member_id: str
    clients: RegisteredClients

    async def dynamic(self, **metadata: Any) -> tuple[str, str | None]:
        """Id and secret of a client that registered itself."""
        said = {"client_name": "Flow", "redirect_uris": ["http://127.0.0.1/callback"], **metadata}
        answer = await self.issuer.register(headers(("content-type", "application/json")), json.dumps(said).encode())
        assert answer.status == 201, answer
        return answer.body["client_id"], answer.body.get("client_secret")

    async def entered(self, method: Any = "client_secret_basic", **more: Any) -> tuple[str, str | None]:
        """Id and secret of a client that an administrator entered."""
        made, secret = await self.clients.create(
            "Portal", ["https://portal.example/callback"], auth_method=method, by="ana@acme.dev"
        )
        return made.client.id, secret

    def query(self, client_id: str, **parameters: str | None) -> str:
        """The query of an authorization request; None leaves a parameter out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "state": "st",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": LINEAR,
        }
        return urlencode({name: text for name, text in {**asked, **parameters}.items() if text is not None})

    async def approved(
        self,
        client_id: str,
        *,
        place: str = WORKSPACES["research"],
        chosen: str | None = None,
        **parameters: str | None,
    ) -> dict[str, str]:
        """What comes back to the client once the member has approved its request."""
        request = await self.issuer.read(self.query(client_id, **parameters))
        resource = chosen or (request.resource.url if request.resource else f"{PUBLIC}/research/mcp")
        url = await self.issuer.approve(request, member_id=self.member_id, place=place, resource=resource)
        return dict(parse_qsl(urlsplit(url).query))

    async def code(self, client_id: str, **parameters: Any) -> str:
        return (await self.approved(client_id, **parameters))["code"]

    async def token(self, *raw: tuple[str, str], **parameters: str | None) -> Answer:
        """POST /token; None leaves a parameter out."""
        return await self.issuer.token(headers(FORM, *raw), form(parameters))

    async def redeem(self, client_id: str, code: str, /, *raw: tuple[str, str], **parameters: str | None) -> Answer:
        asked = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return await self.token(*raw, **{**asked, **parameters})

    async def refresh(self, client_id: str, token: str, /, *raw: tuple[str, str], **parameters: str | None) -> Answer:
        asked = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
        return await self.token(*raw, **{**asked, **parameters})

    async def signed_in(self, client_id: str, **parameters: Any) -> dict[str, Any]:
        """The token response at the end of a sign-in."""
        answer = await self.redeem(client_id, await self.code(client_id, **parameters))
        assert answer.status == 200, answer
        return answer.body

    async def grant_of(self, token: str) -> Grant | None:
        """The grant of an access token that would be let in, or of a refresh token; None for all others."""
        located = locate(token)
        assert located
        item = await self.table.get(keys.grant(*located))
        if token.startswith("gha_") and await self.table.get(keys.access_token(located.place, digest(token))) is None:
            return None
        return None if item is None else records.from_data(item.data)

    async def good(self, answer: Answer | Mapping[str, Any]) -> bool:
        """True when the access token of a response would be let in."""
        body = answer.body if isinstance(answer, Answer) else answer
        return await self.grant_of(body["access_token"]) is not None


def _server(id: str, slug: str) -> Server:
    where: frozenset[str] = frozenset(WORKSPACES.values() if slug == "linear" else {WORKSPACES["sales"]})
    return Server(id, slug, slug, f"https://{slug}.example/mcp", "auto", NoAuth(), where)


def headers(*raw: tuple[str, str]) -> Headers:
    return read_headers([(name.encode(), value.encode("latin-1")) for name, value in raw])


def form(parameters: Mapping[str, str | None]) -> bytes:
    return urlencode({name: text for name, text in parameters.items() if text is not None}).encode()


def basic(client_id: str, secret: str | None) -> tuple[str, str]:
    joined = f"{quote(client_id, safe='')}:{quote(secret or '', safe='')}"
    return "authorization", f"Basic {b64encode(joined.encode()).decode()}"


def error_of(answer: Answer) -> tuple[int, str]:
    """Status and error code, once it was looked at how they are told."""
    description = answer.body["error_description"]
    assert description
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in description)
    told = dict(answer.headers)
    assert told["Cache-Control"] == "no-store"
    assert told["Pragma"] == "no-cache"
    assert ("WWW-Authenticate" in told) == (answer.status == 401)
    return answer.status, answer.body["error"]


@asynccontextmanager
async def house(
    folder: Path,
    *,
    egress: Egress | None = None,
    table: Table | None = None,
    known: Mapping[str, Mapping[str, Any]] | None = None,
    clock: MovedClock | None = None,
    member: str = "ana@acme.dev",
) -> AsyncIterator[House]:
    """An authorization server; without `egress` it reaches nobody."""
    clock = clock or MovedClock()
    own = None if table else SqliteTable(folder / "gatehouse.db", clock)
    kept = table or own
    assert kept
    keyring = LocalKeyring(folder / "sealing.key", random_bytes=os.urandom)
    documents = Documents(egress or Egress(NO_NETWORK), clock, known)
    issuer = Issuer(PUBLIC, kept, keyring, clock, Clients(kept, keyring, documents))
    for kind, names in (("workspace", WORKSPACES), ("server", SERVERS)):
        for slug, id in names.items():
            await kept.put(keys.name(slug), {"kind": kind, "id": id})
            if kind == "workspace":
                await kept.put(keys.workspace(id), {"id": id, "slug": slug, "name": slug})
            else:
                await kept.put(keys.server(id), servers.to_data(_server(id, slug)))
    roles = Roles(workspaces=dict.fromkeys(WORKSPACES.values(), "member"))
    person = await People(kept, clock).add(member, given=roles, by="ana@acme.dev")
    try:
        yield House(issuer, kept, clock, person.id, RegisteredClients(kept, clock))
    finally:
        await issuer.close()
        if own:
            own.close()
