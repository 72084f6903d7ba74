"""Linear, as flows know it: a server that takes the tokens of its own authorization server, behind a gateway, and Ana
of Research who uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from gateway_core.registry.members import Member, WorkspaceRole
from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from tests.flows.actors import joined, workspace_id
from tests.flows.gateways import Gateway, call, events, gateway
from tests.flows.token_servers import TokenServer, connected, kept, token_server
from tests.flows.upstreams import Answer, Json, Upstream, unaided, upstream

URL = "/research/linear/mcp"


@dataclass
class Linear:
    gw: Gateway
    tokens: TokenServer
    upstream: Upstream
    ana: Member
    key: str
    """Of Ana, in Research."""

    async def call(self, key: str | None = None, name: str = "forecast", **headers: str) -> httpx2.Response:
        return await self.gw.post(URL, call(name), key or self.key, **headers)

    async def said(self, key: str | None = None, name: str = "forecast") -> str:
        """What the model reads, or the person at the client whose account is wanted."""
        response = await self.call(key, name)
        assert response.status_code == 200
        told = response.json()
        if "error" in told:
            assert told["error"]["code"] == -32042
            return str(told["error"]["message"])
        return str(told["result"]["content"][0]["text"])

    async def answer(self) -> str:
        """What the model reads of a call whose answer is streamed."""
        *_, last = events(await self.call())
        return str(last["result"]["content"][0]["text"])

    async def holder(self, granularity: str) -> Holder:
        ids = {"organisation": "org", "workspace": await workspace_id(self.gw, "research"), "user": self.ana.id}
        return Holder(granularity, ids[granularity])  # type: ignore[arg-type]

    async def connect(self, granularity: str = "user", *, whose: Holder | None = None, **changed: Any) -> Connection:
        """Connect an account; `whose` is another member's, by default it is Ana's."""
        holder = whose or await self.holder(granularity)
        return await connected(self.gw, "linear", self.tokens, holder, **changed)

    async def person(self, email: str, organisation: Any = "member", **workspaces: WorkspaceRole) -> tuple[Holder, str]:
        """Somebody else: who they are as a holder of accounts, and a key of theirs."""
        member = await joined(self.gw, email, organisation, **(workspaces or {"research": "member"}))
        key, _ = await self.gw.new_key(kind="user", subject=email)
        return Holder("user", member.id), key

    async def kept(self, made: Connection) -> tuple[Connection, Tokens]:
        return await kept(self.gw, made)

    async def set_up(self, **changed: Any) -> None:
        """Change how the server is registered."""
        entry = {"slug": "linear", "url": self.upstream.url, "name": "Linear", "workspaces": ["research"], **changed}
        await self.gw.apply({"servers": [entry]})

    def seen(self) -> list[str]:
        """The credentials that reached the server, in order."""
        return [asked.headers.get("authorization", "") for asked in self.upstream.seen]


@asynccontextmanager
async def linear(
    folder: Path,
    auth: Json | None = None,
    *,
    answer: Answer | None = None,
    probed: bool = False,
    speaks: tuple[str, ...] = (),
    tokens: Json | None = None,
    **settings: Any,
) -> AsyncIterator[Linear]:
    """`answer` is what the server does with calls whose token is good; `probed`: it sees the gateway's own questions,
    too."""
    async with token_server(**(tokens or {})) as endpoint:
        guarded = endpoint.guarding(answer)
        async with unaided(guarded) if probed else upstream(guarded, *speaks) as server:
            entry = {"url": server.url, "name": "Linear", "auth": {"type": "oauth", **(auth or {})}}
            async with gateway(folder, {"linear": entry}, **settings) as gw:
                ana = await joined(gw, "ana@acme.dev", research="member")
                key, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
                yield Linear(gw, endpoint, server, ana, key)
