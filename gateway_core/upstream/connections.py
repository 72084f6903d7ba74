"""Connections: authorised accounts at upstream servers, and where their tokens are kept, sealed.

Nothing here speaks to an authorization server. No item holds a token that could be read, and no `repr` shows one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal

from gateway_core.ports import Clock, Condition, Delete, Item, Key, Put, Table, Write
from gateway_core.registry.upstream_auth import TokenAuthMethod
from gateway_core.storage import keys
from gateway_core.upstream.holders import Holder
from gateway_core.vault import HELD_S, Vault

MAX_HELD: Final = 1_000
"""Opened tokens in memory, 5 KB each at most."""
CLOCKS_DIFFER_S: Final = 60
"""How far back a removed connection is said to have lapsed, so that it is gone for processes whose clock is behind."""

State = Literal["ok", "needs_consent", "broken"]
"""`needs_consent`: somebody has to connect it again. `broken`: the authorization server refuses, for another reason."""
ShownState = Literal["ok", "expiring", "needs_consent", "broken"]
"""As people see it. `expiring`: it works until its token ends, and nothing renews that at the moment. `broken` is
also one that has ended since."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is sealed."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    """Of a client that the gateway registered by itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One account at one server. Times are Unix seconds."""

    server_id: str
    holder: Holder
    issuer: str
    """Of the authorization server; its tokens are bound to it."""
    origin: str
    """`scheme://host[:port]` of the server, see `connect.locations.origin_of`: tokens are sent nowhere else."""
    client_id: str
    auth_method: TokenAuthMethod
    token_endpoint: str
    revocation_endpoint: str | None
    resource: str | None
    """What tokens are asked for (RFC 8707); None leaves it out."""
    scopes: tuple[str, ...]
    """Those that were granted."""
    asked: tuple[str, ...]
    """Those that were asked for."""
    account: str | None
    """Name of the account, where the authorization server tells."""
    connected_at: int
    connected_by: str
    refreshed_at: int
    expires_at: int | None
    """Of the access token; None where it was not told."""
    state: State = "ok"
    why: str | None = None
    """Public words for any other state."""
    wanted: tuple[str, ...] = ()
    """Scopes to ask for the next time: the server has wanted more."""
    step_ups: int = 0
    """How often the server has wanted more since it last took a call."""
    not_before: int = 0
    """No renewal is tried before: the last ones failed."""
    failures: int = 0
    """How many of them."""
    renewable: bool = True
    """False where only a person can bring another token."""
    used_at: int = 0
    """When the server last took a request, to the hour; 0 before the first."""
    sealed: str = field(default="", repr=False)
    """The tokens; empty where there are none."""
    version: int = 0
    """As the store counts; 0 for what is not stored yet. Not part of the item's data."""

    @property
    def name(self) -> str:
        """One word for it, for logs; no secret."""
        return f"{self.server_id}/{self.holder.id}"

    def shown_state(self, now: int) -> ShownState:
        """How it stands at `now`, whether or not a call has found that out."""
        if self.state != "ok" or self.expires_at is None or (self.renewable and not self.failures):
            return self.state
        if now < self.expires_at:
            return "expiring"
        return "broken" if self.renewable else "needs_consent"

    @property
    def key(self) -> Key:
        """Where it is kept."""
        return keys.connection(self.server_id, self.holder.id)

    @property
    def context(self) -> str:
        """What its tokens are sealed for: this server, this holder, this issuer."""
        return f"connection|{self.server_id}|{self.holder.id}|{self.issuer}"


_TUPLES: Final = ("scopes", "asked", "wanted")
_STORED: Final = tuple(one.name for one in fields(Connection) if one.name != "version")


def to_data(connection: Connection) -> dict[str, Any]:
    """The connection as a JSON object for the store."""
    return {name: getattr(connection, name) for name in _STORED}


def from_data(data: Mapping[str, Any], version: int) -> Connection:
    """The connection that `to_data` wrote."""
    lists = {name: tuple(data[name]) for name in _TUPLES}
    return Connection(**{**data, **lists, "holder": Holder(*data["holder"]), "version": version})


def removal(connection: Connection, now: int) -> list[Write]:
    """What forgets a connection, with its tokens.

    What is left is an item that has lapsed: who renews the tokens of this one at the moment must not take the next one
    for it, and a key that was deleted would count versions anew.
    """
    writes: list[Write] = [Put(connection.key, {}, expires_at=now - CLOCKS_DIFFER_S)]
    if connection.holder.granularity == "user":
        writes.append(Delete(keys.member_connection(connection.holder.id, connection.server_id)))
    return writes


class Connections:
    """One per process.

    Args:
        table: Keeps them.
        vault: Seals their tokens.
        clock: Unix time.
    """

    def __init__(self, table: Table, vault: Vault, clock: Clock) -> None:
        self._table = table
        self._vault = vault
        self._clock = clock
        # By what they were sealed for as well: whoever can write items must not move one to another holder.
        self._opened: dict[tuple[str, str, str], tuple[Tokens, int]] = {}

    @staticmethod
    def read(item: Item | None) -> Connection | None:
        """The connection in an item that was read elsewhere."""
        return None if item is None else from_data(item.data, item.version)

    async def get(self, server_id: str, holder: Holder) -> Connection | None:
        """The account of `holder` at a server as it is now, or None."""
        return self.read(await self._table.get(keys.connection(server_id, holder.id)))

    async def tokens(self, connection: Connection) -> Tokens | None:
        """Its tokens; None where there are none, or none that could be opened.

        Raises:
            StoreUnavailable: Nobody can open them now.
        """
        # As the vault lets go of its keys: what nobody may open any more is not used without end.
        found, until = self._opened.get(_opened_as(connection), (None, 0))
        if not connection.sealed or self._clock() < until:
            return found
        plain = await self._vault.open(connection.holder.place, connection.sealed, context=connection.context)
        return None if plain is None else self._hold(connection, Tokens(*json.loads(plain)))

    async def sealed(self, connection: Connection, tokens: Tokens) -> Connection:
        """The connection with `tokens` in it, not stored yet.

        Raises:
            StoreUnavailable: Nobody can seal them now.
        """
        plain = json.dumps([tokens.access_token, tokens.refresh_token, tokens.client_secret]).encode()
        text = await self._vault.seal(connection.holder.place, plain, context=connection.context)
        made = replace(connection, sealed=text)
        self._hold(made, tokens)
        return made

    async def put(self, connection: Connection, *, when: Condition) -> Connection:
        """Write it as it is, and return it as stored.

        Raises:
            Conflict: `when` does not hold.
        """
        stored = await self._table.put(connection.key, to_data(connection), when=when)
        return replace(connection, version=stored.version)

    async def add(self, connection: Connection, tokens: Tokens) -> None:
        """Write a connection that somebody has just made, in place of the one before. A member's is noted under them.

        The one place that writes such a note: who answers MCP may not.
        """
        made = await self.sealed(connection, tokens)
        writes: list[Write] = [Put(made.key, to_data(made))]
        if made.holder.granularity == "user":
            pointer = keys.member_connection(made.holder.id, made.server_id)
            writes.append(Put(pointer, {"server_id": made.server_id}))
        await self._table.transact(writes)

    async def remove(self, connection: Connection) -> None:
        """Forget it, with its tokens. See `removal`."""
        await self._table.transact(removal(connection, self._clock()))

    def _hold(self, connection: Connection, tokens: Tokens) -> Tokens:
        now = self._clock()
        for lapsed in [name for name, (_, until) in self._opened.items() if now >= until]:
            del self._opened[lapsed]
        if len(self._opened) >= MAX_HELD:
            # The one that was opened longest ago: a dictionary keeps the order in which its keys came.
            del self._opened[next(iter(self._opened))]
        self._opened[_opened_as(connection)] = tokens, now + HELD_S
        return tokens


def _opened_as(connection: Connection) -> tuple[str, str, str]:
    return connection.holder.place, connection.context, connection.sealed
