"""Processes of a gateway that renew the tokens of one account: one store, one token endpoint, a clock for each."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Key, Table
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream.auth.held_secrets import HeldSecrets
from gateway_core.upstream.auth.sources import Consented, Proof
from gateway_core.upstream.behalf import Patience
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.holders import Holder
from gateway_core.upstream.keeping import Keeping
from gateway_core.upstream.leases import Leases
from gateway_core.upstream.refreshing import Refreshing
from gateway_core.upstream.renewal import Standing
from gateway_core.upstream.token_answers import ServerError, TokenAnswer, read_answer
from gateway_core.upstream.token_endpoint import HEADERS, TokenRequest
from gateway_core.vault import Vault
from tests.flows.token_servers import TokenServer, connection, read_form

NOW = 1_795_000_000
HOLDER = Holder("user", "p-22222222")
SERVER = Server("linear-23456789", "linear", "Linear", "https://mcp.linear.example/mcp", "auto", OAuth(), "all")


class NoSecrets:
    """See ports.Secrets. There are none."""

    async def get(self, name: str) -> str | None:
        return None


@dataclass
class Asking:
    """See token_endpoint.TokenEndpoints, without a network."""

    server: TokenServer
    lost: int = 0
    """So many answers get lost on their way."""

    async def ask(self, request: TokenRequest) -> TokenAnswer:
        body = urlencode({**request.grant, "client_id": request.client.client_id}).encode()
        status, answer = await self.server.answer(read_form(dict(HEADERS), body))
        if self.lost:
            self.lost -= 1
            return ServerError("It did not answer in time.")
        return read_answer(status, {}, json.dumps(answer).encode(), sent=frozenset(request.grant.values()))


@dataclass
class Failing:
    """A store that fails at the writes or reads that are named, and otherwise is what it stands before."""

    table: Table
    fails: Callable[[str, Any], Exception | None]
    after: bool = False
    """True: what was asked is done, and only its answer gets lost."""

    def __getattr__(self, verb: str) -> Any:
        async def ask(*given: Any, **named: Any) -> Any:
            problem = self.fails(verb, given[0])
            if problem is not None and self.after:
                await getattr(self.table, verb)(*given, **named)
            if problem is not None:
                raise problem
            return await getattr(self.table, verb)(*given, **named)

        return ask


@dataclass
class Meanwhile:
    """A store at which something happens just before it is asked one thing for the first time."""

    table: Table
    verb: str
    key: Key
    work: Callable[[], Awaitable[Any]]
    done: bool = False

    def __getattr__(self, verb: str) -> Any:
        async def ask(*given: Any, **named: Any) -> Any:
            if not self.done and (verb, given[0]) == (self.verb, self.key):
                self.done = True
                await self.work()
            return await getattr(self.table, verb)(*given, **named)

        return ask


@dataclass
class Process:
    """One process."""

    refreshing: Refreshing
    connections: Connections
    asking: Asking
    patience: Patience
    source: Consented
    slept: list[float]

    async def read(self) -> Connection | None:
        return await self.connections.get(SERVER.id, HOLDER)

    async def usable(self) -> Standing:
        """As a call gets its token."""
        return await self.refreshing.usable(self.source, await self.read(), self.patience)

    async def renewed(self, seen: Connection | None) -> Standing:
        return await self.refreshing.renewed(self.source, seen, self.patience)

    async def idle(self) -> None:
        """Return when nothing goes on behind anything."""
        await asyncio.gather(*self.patience.afterwards)


@dataclass
class World:
    """What they share."""

    folder: Path
    table: SqliteTable
    server: TokenServer
    now: list[float] = field(default_factory=lambda: [float(NOW)])

    def process(
        self,
        *,
        skew_s: int = 0,
        table: Any = None,
        draw: float = 1.0,
        ends_in_s: float = float("inf"),
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> Process:
        store: Any = table or self.table
        slept: list[float] = []

        def clock() -> int:
            return int(self.now[0]) + skew_s

        async def waited(for_s: float) -> None:
            # The world goes on while somebody sleeps, in no time. For one that waits alone.
            slept.append(for_s)
            self.now[0] += for_s
            await asyncio.sleep(0)

        keyring = LocalKeyring(self.folder / "key", random_bytes=os.urandom)
        connections = Connections(store, Vault(store, LocalDataKeys(keyring, os.urandom), os.urandom, clock), clock)
        nap, asking, loop = sleep or waited, Asking(self.server), asyncio.get_running_loop()
        endpoints: Any = asking
        refreshing = Refreshing(
            Leases(store, clock), Keeping(connections, nap), endpoints, clock, sleep=nap, random=lambda: draw
        )
        secrets: Any = NoSecrets()
        proof = Proof(SERVER, HeldSecrets(secrets, clock), "r")
        patience = Patience(loop.time() + 60, loop.time() + ends_in_s, [])
        return Process(refreshing, connections, asking, patience, Consented(SERVER, OAuth(), HOLDER, proof), slept)

    async def connected(self, **changed: Any) -> Connection:
        """An account whose token has an hour to go, and the refresh token that the server takes next."""
        self.server.live.add("access-0")
        made = connection(SERVER, self.server, HOLDER, now=int(self.now[0]), **changed)
        process = self.process()
        await process.connections.add(made, Tokens("access-0", self.server.refresh))
        stored = await process.read()
        assert stored is not None
        return replace(made, sealed=stored.sealed, version=stored.version)

    async def held(self) -> Tokens | None:
        """The tokens in the store, opened by somebody who never saw them."""
        process = self.process()
        found = await process.read()
        return None if found is None else await process.connections.tokens(found)


@contextmanager
def world(folder: Path, **server: Any) -> Iterator[World]:
    now = [float(NOW)]
    table = SqliteTable(folder / "store.db", lambda: int(now[0]))
    try:
        yield World(folder, table, TokenServer(url="https://login.linear.example/token", **server), now)
    finally:
        table.close()
