"""Starts the strict authorization server (`provider.mjs`) and reads what it tells of each request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx2

from tests.processes import free_port, running
from tests.programs import node, npm_folder

HERE = Path(__file__).parent

Json = dict[str, Any]

RESOURCE_SERVER = ("mcp-server", "introspects/with+this")
"""Id and secret of the client that may only ask about tokens."""

READ, WRITE = "notes:read", "notes:write"


@dataclass(frozen=True, slots=True)
class Options:
    """How the provider behaves; `clients` are those entered by hand, in the words of RFC 7591."""

    resources: Sequence[str]
    """Addresses that tokens are made out to (RFC 8707), letter by letter."""

    clients: Sequence[Json] = ()
    scopes: Sequence[str] = (READ, WRITE)
    access_token_ttl_s: int = 300
    registration: bool = True
    documents: bool = True
    """Whether a client may be known by its metadata document."""

    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Where an https origin really is: stands in for names and certificates when documents and keys are fetched."""

    delay_ms: int = 0
    """How long the token endpoint keeps an answer back that it has acted upon."""


@dataclass(frozen=True, slots=True)
class StrictProvider:
    """One that runs. Whatever it was asked is in its log, in order, without secrets."""

    issuer: str
    log: Path
    http: httpx2.AsyncClient

    def told(self, event: str) -> list[Json]:
        """Events: `authorization`, `registration`, `token`, `revocation` (a refused one), `revoked` (a whole grant)."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def tokens(self, grant_type: str) -> list[Json]:
        """Token requests of one kind; those that were refused have an `error`."""
        return [one for one in self.told("token") if one["grant_type"] == grant_type]

    async def advance(self, seconds: int) -> None:
        """Let time pass for the provider: tokens lapse without anybody waiting."""
        await self.http.post(f"{self.issuer}/-/advance?seconds={seconds}")

    async def withdraw(self, grant: str) -> None:
        """Take a grant back, as its person may at the provider."""
        await self.http.post(f"{self.issuer}/-/withdraw?grant={grant}")

    async def metadata(self) -> Json:
        """RFC 8414."""
        answer = await self.http.get(f"{self.issuer}/.well-known/oauth-authorization-server")
        return dict(answer.json())

    async def introspect(self, token: str) -> Json:
        """RFC 7662; works for refresh tokens as well."""
        url = f"{self.issuer}/token/introspection"
        answer = await self.http.post(url, data={"token": token}, auth=_basic(*RESOURCE_SERVER))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def token(self, **form: str) -> httpx2.Response:
        """A token request, as it stands."""
        return await self.http.post(f"{self.issuer}/token", data=form)


def _basic(client_id: str, secret: str) -> httpx2.BasicAuth:
    """RFC 6749, section 2.3.1: both parts are form-encoded first."""
    return httpx2.BasicAuth(quote_plus(client_id), quote_plus(secret))


@contextlib.asynccontextmanager
async def strict_provider(folder: Path, options: Options) -> AsyncIterator[StrictProvider]:
    """Start it beside this event loop, and end it afterwards."""
    port = free_port()
    issuer, log = f"http://127.0.0.1:{port}", folder / f"provider-{port}.log"
    client_id, secret = RESOURCE_SERVER
    introspects = {"client_id": client_id, "client_secret": secret, "response_types": [], "grant_types": []}
    told = {**asdict(options), "port": port, "clients": [introspects, *options.clients]}
    started = await asyncio.to_thread(_start, told, f"{issuer}/jwks", log)
    try:
        async with httpx2.AsyncClient(trust_env=False) as http:
            yield StrictProvider(issuer, log, http)
    finally:
        await asyncio.to_thread(started.close)


def _start(told: Json, ready: str, log: Path) -> contextlib.ExitStack:
    command = [str(node()), str(HERE / "provider.mjs"), json.dumps(told)]
    environment = {"NPM_FOLDER": str(npm_folder("strict_provider"))}
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(command, ready=ready, log=log, environment=environment))
        return stack.pop_all()
