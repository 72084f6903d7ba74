"""Sessions at legacy servers: opening one, and keeping one for callers whose own protocol has none.

A kept session belongs to one principal at one server, for one client and what that client can be asked: another caller
never sees what happens in it.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from typing import Any, Final, NamedTuple

from gateway_core.errors import Conflict, GatewayError, StoreFull, UpstreamChangedEra, UpstreamGarbage
from gateway_core.parts import part
from gateway_core.ports import ABSENT, Clock, Item, Key, Keyring, Table, Unchanged
from gateway_core.protocol import outbound
from gateway_core.protocol.versions import LEGACY_VERSIONS
from gateway_core.registry.servers import Server
from gateway_core.storage import keys
from gateway_core.upstream.answers import Message, refused
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.reading import read_answer, read_whole
from gateway_core.upstream.spoken import doubt

KEPT_S: Final = 43_200
"""How long a session is remembered; a server may have forgotten it long before."""
END_S: Final = 5.0
"""How long the end of a session may take."""
MAX_HELD: Final = 1_000
MAX_SESSION_ID: Final = 2_048


class UpstreamSession(NamedTuple):
    """A session at a legacy server, as `initialize` opened it."""

    session_id: str | None
    """None where the server keeps no sessions."""
    initialized: Mapping[str, Any]
    """InitializeResult."""

    @property
    def version(self) -> str:
        """The revision that was agreed on."""
        return str(self.initialized["protocolVersion"])

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the server offers."""
        found = self.initialized.get("capabilities")
        return found if isinstance(found, dict) else {}


class Guest(NamedTuple):
    """For whom a session is opened."""

    principal: str
    client: Mapping[str, Any]
    """`clientInfo`."""
    capabilities: Mapping[str, Any]
    """What the client can be asked, in the legacy form."""
    version: str = outbound.LATEST_LEGACY
    """The revision to propose."""
    account: str = ""
    """As which account of the server; another one has nothing to do with the sessions of this one."""

    def key(self, server: Server) -> Key:
        """Where its session at `server` is kept."""
        told = json.dumps(
            [self.principal, server.url, self.client, self.capabilities, self.version, self.account], sort_keys=True
        )
        return keys.upstream_session(server.id, hashlib.sha256(told.encode()).hexdigest())


async def open_session(
    client: UpstreamClient,
    server: Server,
    dialect: Dialect,
    guest: Guest,
    *,
    deadline: float,
) -> UpstreamSession:
    """Initialize at a legacy server (2025-11-25 lifecycle, Initialization).

    Raises:
        UpstreamChangedEra: It is no legacy server.
        UpstreamError: It gave no usable answer.
    """
    asked = outbound.initialize(
        "gatehouse-open", version=guest.version, capabilities=guest.capabilities, client=guest.client
    )
    response = await client.post(server, asked, dialect.within(None, None), deadline=deadline)
    if response.status in (400, 404, 405, 406):
        await response.close()
        raise UpstreamChangedEra(f"{server.name} refused initialize (HTTP {response.status}).")
    if response.status != 200:
        await response.close()
        raise refused(response.status, response.headers, server)
    session_id = response.headers.get("mcp-session-id")
    if session_id is not None and len(session_id) > MAX_SESSION_ID:
        await response.close()
        raise UpstreamGarbage(f"{server.name} gave a session id that is too long to be kept.")
    opened = UpstreamSession(session_id, initialize_result(await read_answer(response, asked, server.name), server))
    within = dialect.within(opened.version, session_id)
    await read_whole(await client.post(server, outbound.INITIALIZED, within, deadline=deadline))
    return opened


async def end_session(client: UpstreamClient, server: Server, dialect: Dialect, session: UpstreamSession) -> None:
    """End a session that nobody needs any more. A server that cannot be told will forget it by itself."""
    if session.session_id is None:
        return
    deadline, within = asyncio.get_running_loop().time() + END_S, dialect.within(session.version, session.session_id)
    with suppress(GatewayError):
        await read_whole(await client.end_session(server, within, deadline=deadline))


def initialize_result(answer: Message, server: Server) -> Mapping[str, Any]:
    """The InitializeResult in an answer.

    Raises:
        UpstreamChangedEra: The server refuses this era.
        UpstreamGarbage: It is none, or names a revision that no legacy one is.
    """
    if answer.kind == "error":
        said = str(answer.value["error"])[:200]
        raise UpstreamChangedEra(f"{server.name} refused initialize: {said}")
    result = answer.value["result"]
    if not isinstance(result, dict) or result.get("protocolVersion") not in LEGACY_VERSIONS:
        told = f"{server.name} answered initialize with no revision of MCP that the gateway knows."
        raise UpstreamGarbage(told + doubt(server))
    return result


@part
class KeptSessions:
    """The sessions at legacy servers that the gateway keeps for modern clients. One per process."""

    client: UpstreamClient
    table: Table
    keyring: Keyring
    clock: Clock
    _held: dict[Key, tuple[UpstreamSession, int]] = field(default_factory=dict)

    async def of(self, server: Server, dialect: Dialect, guest: Guest, *, deadline: float) -> UpstreamSession:
        """The session of `guest` at `server`: kept here, kept in the store, or opened now.

        Raises:
            UpstreamError: None can be opened.
        """
        key = guest.key(server)
        held, until = self._held.get(key, (None, 0))
        if held is not None and self.clock() < until:
            return held
        item = await self.table.get(key)
        stored = await self._opened(item, key)
        if item is not None and stored is not None:
            return self._hold(key, stored, item.expires_at or 0)
        opened = await open_session(self.client, server, dialect, guest, deadline=deadline)
        return await self._settled(key, opened, item, server, dialect)

    async def renewed(
        self, server: Server, dialect: Dialect, guest: Guest, *, dead_id: str | None, deadline: float
    ) -> UpstreamSession:
        """The session of `guest` now that the server does not know the one with `dead_id` any more.

        Raises:
            UpstreamError: None can be opened.
        """
        key = guest.key(server)
        held, until = self._held.get(key, (None, 0))
        if held is not None and self.clock() < until and held.session_id != dead_id:
            # The word about the dead one was late: another call has replaced it.
            return held
        self._held.pop(key, None)
        item = await self.table.get(key)
        stored = await self._opened(item, key)
        if item is not None and stored is not None and stored.session_id != dead_id:
            return self._hold(key, stored, item.expires_at or 0)
        opened = await open_session(self.client, server, dialect, guest, deadline=deadline)
        return await self._settled(key, opened, item, server, dialect)

    async def _settled(
        self, key: Key, opened: UpstreamSession, before: Item | None, server: Server, dialect: Dialect
    ) -> UpstreamSession:
        """The session that counts; one that was opened for nothing is ended."""
        try:
            kept = await self._keep(key, opened, before)
        except BaseException:
            await end_session(self.client, server, dialect, opened)
            raise
        if kept.session_id != opened.session_id:
            await end_session(self.client, server, dialect, opened)
        return kept

    async def _stored(self, key: Key) -> UpstreamSession | None:
        item = await self.table.get(key)
        stored = await self._opened(item, key)
        return None if item is None or stored is None else self._hold(key, stored, item.expires_at or 0)

    async def _keep(self, key: Key, opened: UpstreamSession, before: Item | None) -> UpstreamSession:
        """Keep `opened` instead of `before`, unless another process was faster: then its session counts for both."""
        when = ABSENT if before is None else Unchanged(before.version)
        plain = json.dumps([opened.session_id, opened.initialized]).encode()
        sealed = await self.keyring.seal(plain, context=f"upstream|{key.pk}")
        until = self.clock() + KEPT_S
        try:
            await self.table.put(key, {"sealed": base64.b64encode(sealed).decode()}, when=when, expires_at=until)
        except Conflict:
            return await self._stored(key) or self._hold(key, opened, until)
        except StoreFull:
            # This process remembers it; another opens its own.
            pass
        return self._hold(key, opened, until)

    async def _opened(self, item: Item | None, key: Key) -> UpstreamSession | None:
        if item is None:
            return None
        plain = await self.keyring.open(base64.b64decode(item.data["sealed"]), context=f"upstream|{key.pk}")
        return None if plain is None else UpstreamSession(*json.loads(plain))

    def _hold(self, key: Key, session: UpstreamSession, until: int) -> UpstreamSession:
        if len(self._held) >= MAX_HELD:
            self._held.clear()
        self._held[key] = (session, until)
        return session
