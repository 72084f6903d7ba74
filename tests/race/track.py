"""A store with one account at one server, and the processes that race for its tokens."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.compose import administration
from gateway_core.compose_lean import World, vault
from gateway_core.ports import Clock
from gateway_core.registry.members import Identity, Roles
from gateway_core.registry.people import Entry
from gateway_core.registry.servers import Server
from gateway_core.settings import read_settings
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.holders import Holder
from tests.flows.token_servers import Form, TokenServer, connection
from tests.flows.upstreams import Json, Upstream, serving, upstream
from tests.lambda_.test_events import deployment
from tests.race.fleet import Runner, fleet
from tests.race.worlds import SharedTime, Store, world_of

LIFE_S: Final = 3600
"""Of an access token."""
GRACE_S: Final = 30
"""For so long a provider with grace gives the same answer again."""
EMAIL: Final = "ana@acme.dev"


@dataclass
class Provider(TokenServer):
    """An authorization server that counts how often it gave tokens. One account hangs on it."""

    now: Callable[[], float] = time.time
    late_s: float = 0.0
    """What it does, it does at once; so long it takes to say so."""
    granted: int = 0
    accounts: int = 0
    used_at: dict[str, float] = field(default_factory=dict)
    """When a refresh token was first used."""

    async def answer(self, form: Form) -> tuple[int, Json]:
        """See TokenServer.answer."""
        status, answer = await super().answer(form)
        self.granted += status == 200
        await asyncio.sleep(self.late_s)
        return status, answer

    def _refreshed(self, form: Form) -> tuple[int, Json]:
        first = self.used_at.setdefault(form.fields["refresh_token"], self.now())
        if self.rotation == "grace" and self.now() - first > GRACE_S:
            self.rotation = "strict"
        return super()._refreshed(form)

    def connect(self) -> Tokens:
        """Another permission; the one before is over."""
        self.accounts += 1
        self.spent.clear()
        self.stolen, self.refresh = False, f"refresh-of-{self.accounts}"
        self.live = {f"access-of-{self.accounts}"}
        return Tokens(f"access-of-{self.accounts}", self.refresh)


@dataclass
class Track:
    """See the module."""

    folder: Path
    store: Store
    time: SharedTime
    provider: Provider
    upstream: Upstream
    server: Server
    holder: Holder
    connections: Connections
    clock: Clock
    runners: list[Runner] = field(default_factory=list)

    async def connect(self) -> None:
        """Connect the account anew, as a person would."""
        tokens = self.provider.connect()
        made = connection(self.server, self.provider, self.holder, now=self.clock())
        await self.connections.add(made, tokens)

    async def account(self) -> Connection:
        """As the store has it."""
        found = await self.connections.get(self.server.id, self.holder)
        assert found is not None
        return found

    async def kept(self) -> bool:
        """True while the account is connected with tokens that the provider takes."""
        found = await self.account()
        tokens = await self.connections.tokens(found)
        live = tokens is not None and tokens.access_token in self.provider.live
        return live and found.state == "ok" and not self.provider.stolen


@asynccontextmanager
async def track(folder: Path, store: Store, size: int) -> AsyncGenerator[Track]:
    """A track with so many processes on it."""
    async with AsyncExitStack() as stack:
        environment = {"GATEHOUSE_DATA": str(folder), "PATH": os.defpath}
        if store == "dynamo":
            environment = await stack.enter_async_context(deployment())
        shared = SharedTime(folder)
        settings, clock = read_settings(environment), shared.clock()
        world = world_of(settings, clock, environment)
        if isinstance(world.table, SqliteTable):
            stack.callback(world.table.close)
        provider = Provider(expires_in=LIFE_S, now=shared.now)
        provider.url = f"http://127.0.0.1:{await stack.enter_async_context(serving(provider))}/token"
        behind = await stack.enter_async_context(upstream(provider.guarding()))
        server, holder, key = await _furnished(world, behind.url)
        connections = Connections(world.table, vault(world), clock)
        made = Track(folder, store, shared, provider, behind, server, holder, connections, clock)
        await made.connect()
        made.runners = await stack.enter_async_context(fleet(folder, environment, key, size))
        yield made


async def _furnished(world: World, url: str) -> tuple[Server, Holder, str]:
    """A server at `url` in a workspace, Ana who may use it, and a key of hers."""
    admin = administration(world)
    entry = {"slug": "linear", "name": "Linear", "url": url, "workspaces": ["research"], "auth": {"type": "oauth"}}
    config: Mapping[str, Any] = {"workspaces": [{"slug": "research"}], "servers": [entry]}
    await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
    state = await admin.state()
    roles = Roles("member", {state.workspaces["research"].record.id: "member"})
    invited = await admin.people.add(EMAIL, given=roles, by="race")
    ana = await admin.people.sign_in(invited.id, Entry(Identity("https://idp.example", EMAIL)))
    key, _ = await admin.create_key(KeyDraft(workspace="research", kind="user", subject=EMAIL), by="race")
    return state.servers["linear"].record, Holder("user", ana.id), key
