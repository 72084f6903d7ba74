"""Clients that the gateway has registered, each for one server at one authorization server, sealed."""

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from gateway_core import json_text
from gateway_core.connect.registering import Registered
from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Condition, Key, Table, Unchanged
from gateway_core.storage import keys
from gateway_core.vault import Vault

PLACE: Final = "org"
"""See Vault: a client belongs to no workspace."""


@dataclass(frozen=True, slots=True)
class KeptClient:
    """A client as it was registered."""

    client: Registered
    callback: str
    """Redirect URI that it was registered with."""
    registered_at: int

    def fresh(self, now: int) -> bool:
        """False in the last fifth of its secret's life: a log-in that begins then may outlive it."""
        until = self.client.secret_expires_at
        return until is None or now < until - (until - self.registered_at) // 5


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one client is kept, as it was read."""

    kept: KeptClient | None
    """None where there is none, or none that can be read any more."""
    when: Condition
    """True as long as nobody else has written there."""


@dataclass(frozen=True, slots=True)
class KeptClients:
    """The store. What one issuer gave is found under no other."""

    table: Table
    vault: Vault

    async def read(self, server_id: str, issuer: str) -> Slot:
        """What is kept for a server at an issuer."""
        item = await self.table.get(_key(server_id, issuer))
        if item is None:
            return Slot(None, ABSENT)
        when = Unchanged(item.version)
        plain = await self.vault.open(PLACE, item.data["sealed"], context=_context(server_id, issuer))
        if plain is None:
            return Slot(None, when)
        said = json.loads(plain)
        client = Registered(said["client_id"], said["auth_method"], said["secret"], item.expires_at)
        return Slot(KeptClient(client, item.data["callback"], item.data["registered_at"]), when)

    async def keep(self, server_id: str, issuer: str, kept: KeptClient, *, when: Condition) -> KeptClient:
        """Keep it, unless somebody else was first: then theirs is what is kept, and returned."""
        client = kept.client
        plain = {"client_id": client.client_id, "auth_method": client.auth_method, "secret": client.secret}
        sealed = await self.vault.seal(PLACE, json_text.write(plain), context=_context(server_id, issuer))
        data = {"issuer": issuer, "callback": kept.callback, "registered_at": kept.registered_at, "sealed": sealed}
        try:
            await self.table.put(_key(server_id, issuer), data, when=when, expires_at=client.secret_expires_at)
        except Conflict:
            return (await self.read(server_id, issuer)).kept or kept
        return kept

    async def forget(self, server_id: str, issuer: str, client_id: str) -> None:
        """That this client is no longer used, or known there. Another that has taken its place stays."""
        slot = await self.read(server_id, issuer)
        if slot.kept is not None and slot.kept.client.client_id == client_id:
            with suppress(Conflict):
                await self.table.delete(_key(server_id, issuer), when=slot.when)


def _key(server_id: str, issuer: str) -> Key:
    return keys.upstream_client(server_id, sha256(issuer.encode()).hexdigest())


def _context(server_id: str, issuer: str) -> str:
    return f"client|{server_id}|{issuer}"
