"""The keys that say who calls: RSA, made at first use, replaced by time, their public parts for everybody to read.

All are in one item of the store, which is replaced on its version: the process that makes a key first makes it for all.
Private parts are sealed in the vault, under the key of the organisation.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_core.errors import Conflict, StoreFull, StoreUnavailable
from gateway_core.ports import ABSENT, Clock, Item, Table, Unchanged
from gateway_core.storage import keys
from gateway_core.upstream import rs256
from gateway_core.upstream.rs256 import Jwk
from gateway_core.vault import Vault

PLACE: Final = "org"
"""Of the vault: what signs for the whole gateway belongs to no workspace."""
SIGNS_S: Final = 90 * 86_400
"""How long a key signs before its successor is made."""
AHEAD_S: Final = 86_400
"""How long a key is published before it signs. Who verifies keeps a key set for minutes, some for hours (Amazon API
Gateway two), and not all look again at an unknown key."""
RETIRED_S: Final = 3_600
"""How long a key is published once its successor signs: until every process has noticed (`FRESH_S`) and what was signed
at the last moment has ended (`identity_tokens.LIFE_S`), and then a while for clocks that differ."""
FRESH_S: Final = 300
"""How long a process signs with a key before it looks whether that still is the one."""
TRIES: Final = 3
"""Somebody else's write may come between, and what they wrote may need another."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """One key as it is kept. `signs_from` is Unix seconds."""

    public: Jwk
    signs_from: int
    sealed: str

    @property
    def kid(self) -> str:
        """What tokens call it by."""
        return self.public["kid"]

    @property
    def context(self) -> str:
        """What its private part is sealed for."""
        return f"identity-key|{self.kid}"


class Signer(NamedTuple):
    """A key at work."""

    kid: str
    key: RSAPrivateKey


Kept = tuple[IdentityKey, ...]
"""In the order in which they sign."""


def current(kept: Kept, now: int) -> IdentityKey:
    """The one that signs: the newest whose time has come; for a clock that was set back, the oldest there is. Pure."""
    return next((key for key in reversed(kept) if key.signs_from <= now), kept[0])


def due_from(kept: Kept, now: int) -> int | None:
    """From when the next key has to sign if it is time to make one, else None. The first signs at once. Pure."""
    if not kept:
        return now
    return now + AHEAD_S if kept[-1].signs_from + SIGNS_S <= now else None


def published(kept: Kept, now: int) -> Kept:
    """Those that something may still be verified with, or will be. Pure."""
    ends_at = [after.signs_from + RETIRED_S for after in kept[1:]]
    return tuple(key for key, end in zip_longest(kept, ends_at) if end is None or now < end)


@dataclass(slots=True)
class IdentityKeys:
    """One per process."""

    table: Table
    vault: Vault
    clock: Clock
    _signer: Signer | None = field(default=None, repr=False)
    _due_at: int = 0
    """When it is to be looked up again."""
    _looking: asyncio.Task[Signer] | None = None

    async def public(self) -> list[Jwk]:
        """The key set as everybody may read it (RFC 7517, section 5), with the key that signs and the next one in it.

        Raises:
            StoreUnavailable: Nobody can tell, or a key that is due cannot be made now.
        """
        return [key.public for key in await self._kept()]

    async def signer(self) -> Signer:
        """The key to sign with.

        Raises:
            StoreUnavailable: Nobody can tell, or open it now.
        """
        if self._signer is not None and self.clock() < self._due_at:
            return self._signer
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._looked_up())
            # Looked at here, in case that nobody waits any more.
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._looking)

    async def _looked_up(self) -> Signer:
        for _ in range(TRIES):
            kept = await self._kept()
            key = current(kept, self.clock())
            private = await self.vault.open(PLACE, key.sealed, context=key.context)
            if private is not None:
                if self._signer is None or self._signer.kid != key.kid:
                    self._signer = Signer(key.kid, rs256.read_key(private))
                self._due_at = self.clock() + FRESH_S
                return self._signer
            await self._replace(key)
        raise StoreUnavailable("The keys that say who calls were replaced again and again. Try again in a moment.")

    async def _kept(self) -> Kept:
        """The keys, after one was made if it was time."""
        for _ in range(TRIES):
            item, now = await self.table.get(keys.identity_keys()), self.clock()
            kept = _from_data(item)
            signs_from = due_from(kept, now)
            if signs_from is None:
                return published(kept, now)
            try:
                made = (*published(kept, now), await self._made(signs_from))
                if await self._written(made, item):
                    return made
            except (StoreFull, StoreUnavailable) as problem:
                if not kept:
                    raise
                logger.warning("identity_key_not_made", extra={"fields": {"problem": problem.message}})
                # The one there is goes on past its time: what it signs is as good, and calls are waiting.
                return published(kept, now)
        raise StoreUnavailable("The keys that say who calls could not be written. Try again in a moment.")

    async def _replace(self, lost: IdentityKey) -> None:
        """Put another key in the place of one that can be opened no more, since the organisation's key was removed.
        What it signed can be verified on; those that wait are lost with it."""
        item, now = await self.table.get(keys.identity_keys()), self.clock()
        kept = published(_from_data(item), now)
        if not kept or current(kept, now) != lost:
            return
        logger.warning("identity_key_lost", extra={"fields": {"kid": lost.kid}})
        begun = tuple(key for key in kept if key.signs_from <= now)
        await self._written((*begun, await self._made(now)), item)

    async def _made(self, signs_from: int) -> IdentityKey:
        key = await asyncio.to_thread(rs256.new_key)
        unsealed = IdentityKey(rs256.public_jwk(key), signs_from, "")
        sealed = await self.vault.seal(PLACE, rs256.private_text(key), context=unsealed.context)
        return IdentityKey(unsealed.public, signs_from, sealed)

    async def _written(self, made: Kept, before: Item | None) -> bool:
        """False where another process was faster."""
        when = ABSENT if before is None else Unchanged(before.version)
        try:
            await self.table.put(keys.identity_keys(), _to_data(made), when=when)
        except Conflict:
            return False
        return True


def _to_data(kept: Sequence[IdentityKey]) -> dict[str, Any]:
    return {"keys": [{"public": dict(key.public), "signs_from": key.signs_from, "sealed": key.sealed} for key in kept]}


def _from_data(item: Item | None) -> Kept:
    data: Mapping[str, Any] = {"keys": []} if item is None else item.data
    return tuple(IdentityKey(**key) for key in data["keys"])
