"""What each server speaks: found out once, kept in the store, found out again when it proves wrong."""

import asyncio
import time
from contextlib import suppress
from dataclasses import field
from typing import Final

from gateway_core.errors import StoreFull
from gateway_core.parts import part
from gateway_core.ports import Clock, Table
from gateway_core.protocol.versions import Era
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth, StaticHeaders
from gateway_core.storage import keys
from gateway_core.upstream import spoken as speech
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.probing import Probe
from gateway_core.upstream.spoken import Spoken

KEPT_S: Final = 86_400
"""How long a finding is believed: a server that learnt another revision is spoken to in it a day later."""
CONFIRMED_S: Final = 60.0
"""How long a finding stands that was doubted and proved right."""
MAX_HELD: Final = 2_000


@part
class Eras:
    """One per process."""

    client: UpstreamClient
    table: Table
    clock: Clock
    _held: dict[str, tuple[Server, Spoken, int]] = field(default_factory=dict)
    _asking: dict[tuple[str, Era, str], asyncio.Task[Spoken]] = field(default_factory=dict)
    """By server and era of the client, and by caller where one may be let in and the next be asked to connect an
    account."""
    _confirmed: dict[str, float] = field(default_factory=dict)

    async def of(self, server: Server, dialect: Dialect, era: Era) -> Spoken:
        """What `server` speaks, as far as a client of `era` needs it.

        Raises:
            UpstreamError: It is not known, and cannot be found out now.
        """
        said = speech.pinned(server)
        if said is not None:
            return said
        held = self._held.get(server.id)
        if held is not None and held[0] == server and held[1].tells(era) and self.clock() < held[2]:
            return held[1]
        item = await self.table.get(keys.spoken(server.id))
        stored = None if item is None else speech.from_data(item.data, server)
        if item is not None and stored is not None and stored.tells(era):
            return self._hold(server, stored, item.expires_at or 0)
        return await self._find_out(server, dialect, era)

    async def again(self, server: Server, dialect: Dialect, *, wrong: Spoken) -> Spoken:
        """What `server` speaks, now that `wrong` has proved wrong. What an administrator said stays."""
        said = speech.pinned(server)
        if said is not None:
            return said
        item = await self.table.get(keys.spoken(server.id))
        stored = None if item is None else speech.from_data(item.data, server)
        if item is not None and stored is not None and not stored.agrees(wrong):
            return self._hold(server, stored, item.expires_at or 0)
        if time.monotonic() < self._confirmed.get(server.id, 0.0):
            return wrong
        found = await self._find_out(server, dialect, "modern" if wrong.legacy == "unasked" else "legacy")
        if found.agrees(wrong):
            # Refusals that look like another era's must not make every bad request ask the server three things.
            self._confirmed[server.id] = time.monotonic() + CONFIRMED_S
        return found

    async def _find_out(self, server: Server, dialect: Dialect, era: Era) -> Spoken:
        """Ask the server, once for all who want to know at the same time and are known to it as the same."""
        alike = isinstance(server.auth, NoAuth | StaticHeaders) and server.identity is None
        name = server.id, era, "" if alike else dialect.behalf.caller.principal
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = self._asking[name] = asyncio.create_task(self._probed(server, dialect, era))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(asking)

    async def _probed(self, server: Server, dialect: Dialect, era: Era) -> Spoken:
        found = await Probe(self.client, server, dialect.for_all())(era)
        until = self.clock() + KEPT_S
        # Found out again by the next process, if need be: calls go on while the store takes nothing.
        with suppress(StoreFull):
            await self.table.put(keys.spoken(server.id), speech.to_data(found, server), expires_at=until)
        return self._hold(server, found, until)

    def _hold(self, server: Server, found: Spoken, until: int) -> Spoken:
        if len(self._held) >= MAX_HELD:
            self._held.clear()
        self._held[server.id] = (server, found, until)
        return found
