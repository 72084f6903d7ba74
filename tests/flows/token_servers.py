"""Token endpoints of upstreams for flows, as strict as real ones, and accounts that hang on them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote_plus

from gateway_core.compose_lean import vault
from gateway_core.connect.locations import origin_of
from gateway_core.registry.servers import Server
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.holders import Holder
from tests.asgi import headers_of, read_body
from tests.canary.watch import WATCH
from tests.flows.gateways import Gateway
from tests.flows.upstreams import Answer, Asked, Json, serving, text

CLIENT: Final = "gatehouse-client"
Rotation = Literal["strict", "grace", "none"]
"""What becomes of a refresh token that was used: the next use ends everything; for a while it gets the same answer; or
it stays good."""


@dataclass
class Form:
    """One request to a token endpoint."""

    headers: dict[str, str]
    fields: dict[str, str]

    @property
    def grant(self) -> str:
        return self.fields.get("grant_type", "")

    def client(self) -> tuple[str, str | None]:
        """Who asks, and what proves it (RFC 6749, section 2.3.1)."""
        basic = self.headers.get("authorization", "")
        if basic:
            assert not {"client_id", "client_secret"} & self.fields.keys(), "one way at a time"
            scheme, _, pair = basic.partition(" ")
            assert scheme == "Basic"
            client_id, _, secret = base64.b64decode(pair).decode().partition(":")
            return unquote_plus(client_id), unquote_plus(secret)
        return self.fields.get("client_id", ""), self.fields.get("client_secret")


def read_form(headers: dict[str, str], body: bytes) -> Form:
    """A request, read strictly: every parameter once, none empty (RFC 6749, section 3.2)."""
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["accept"] == "application/json"
    found = parse_qs(body.decode("ascii"), strict_parsing=True, keep_blank_values=True)
    assert all(len(values) == 1 and values[0] for values in found.values()), found.keys()
    fields = {name: values[0] for name, values in found.items()}
    WATCH.know_form(fields)
    return Form(headers, fields)


@dataclass
class TokenServer:
    """One client's token endpoint, and whatever it has given out."""

    rotation: Rotation = "strict"
    expires_in: Any = 3600
    client: tuple[str, str | None] = (CLIENT, None)
    """Its id and secret."""
    failures: int = 0
    """So many requests fail with a 500 before one is answered."""
    refusal: Json | None = None
    """What it answers instead of a token, with a 400."""
    slow_s: float = 0.0
    extra: Json = field(default_factory=dict)
    """What its answers say besides, or instead."""
    forms: list[Form] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    """Access tokens that are good."""
    refresh: str = "refresh-0"
    spent: dict[str, Json] = field(default_factory=dict)
    """Used refresh tokens, and what they gave."""
    stolen: bool = False
    """True once a spent token came again."""
    url: str = ""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None
    """Nothing is answered before it is set."""

    metadata: Json | None = None
    """What it says of itself, under every other path."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        if scope["method"] == "GET":
            status, answer = (404, {}) if self.metadata is None else (200, self.metadata)
        else:
            status, answer = await self.answer(read_form(headers_of(scope), body))
        fields = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async def answer(self, form: Form) -> tuple[int, Json]:
        self.forms.append(form)
        self.answered.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.failures:
            self.failures -= 1
            return 500, {"error": "invalid_grant"}
        if form.client() != self.client and "client_assertion" not in form.fields:
            return 401, {"error": "invalid_client"}
        if self.refusal is not None:
            return 400, self.refusal
        return self._refreshed(form) if form.grant == "refresh_token" else self._given()

    def _refreshed(self, form: Form) -> tuple[int, Json]:
        token = form.fields["refresh_token"]
        if token in self.spent and self.rotation == "grace":
            return 200, self.spent[token]
        if token in self.spent and self.rotation == "strict":
            # Reuse is theft: the whole family ends (OAuth 2.1, section 4.3.1).
            self.stolen = True
            self.live.clear()
        if self.stolen or token != self.refresh:
            return 400, {"error": "invalid_grant", "error_description": f"unknown token {token}"}
        status, answer = self._given()
        if self.rotation != "none":
            self.spent[token], self.refresh = answer, f"refresh-{len(self.forms)}"
            answer["refresh_token"] = self.refresh
        return status, answer

    def _given(self) -> tuple[int, Json]:
        token = f"access-{len(self.forms)}"
        self.live.add(token)
        life = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return 200, {"access_token": token, "token_type": "Bearer", **life, **self.extra}

    def guarding(self, answer: Answer | None = None) -> Answer:
        """A server that takes the access tokens that are good."""

        async def guarded(asked: Asked) -> None:
            if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.live:
                challenge = f'Bearer error="invalid_token", resource_metadata="{self.url}/secret-metadata"'
                await asked.respond.raw(b"", 401, {"www-authenticate": challenge})
            elif answer is not None:
                await answer(asked)
            elif isinstance(asked.message, dict) and "id" in asked.message and "method" in asked.message:
                await asked.respond.json(text(asked, "Sunny."))
            else:
                await asked.respond.raw(b"", 202)

        return guarded


@asynccontextmanager
async def token_server(**fields: Any) -> AsyncIterator[TokenServer]:
    made = TokenServer(**fields)
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}/token"
        yield made


def connections_of(gw: Gateway) -> Connections:
    """As another process would see them."""
    return Connections(gw.table, vault(gw.world), gw.world.clock)


async def server_of(gw: Gateway, slug: str) -> Server:
    return (await gw.admin.state()).servers[slug].record


def connection(server: Server, tokens: TokenServer, holder: Holder, *, now: int, **changed: Any) -> Connection:
    """An account that was connected at `now`, with an hour to go."""
    made = Connection(
        server_id=server.id,
        holder=holder,
        issuer="https://login.linear.example",
        origin=origin_of(server.url),
        client_id=CLIENT,
        auth_method="none",
        token_endpoint=tokens.url,
        revocation_endpoint=None,
        resource=server.url,
        scopes=("read",),
        asked=("read",),
        account="ana@linear.example",
        connected_at=now,
        connected_by="ana@acme.dev",
        refreshed_at=now,
        expires_at=now + 3600,
    )
    return replace(made, **changed)


async def connected(
    gw: Gateway, slug: str, tokens: TokenServer, holder: Holder, *, access: str = "access-0", **changed: Any
) -> Connection:
    """An account, connected as the pages would do it, with the refresh token that is good at the moment."""
    server = await server_of(gw, slug)
    tokens.live.add(access)
    made = connection(server, tokens, holder, now=gw.clock[0], **changed)
    await connections_of(gw).add(made, Tokens(access, tokens.refresh))
    stored = await connections_of(gw).get(server.id, holder)
    assert stored is not None
    return stored


async def kept(gw: Gateway, made: Connection) -> tuple[Connection, Tokens]:
    """A connection and its tokens as the store has them now."""
    found = await connections_of(gw).get(made.server_id, made.holder)
    assert found is not None
    tokens = await connections_of(gw).tokens(found)
    assert tokens is not None
    return found, tokens
