"""Who keeps data keys in tests: a real keeper with a switch, and one for tests of what a vault holds."""

import asyncio
import os

from gateway_core.errors import KeyRefused, StoreUnavailable
from gateway_core.ports import Clock, DataKeys, Table
from gateway_core.vault import Vault


class Keeper:
    """A ports.DataKeys with a switch; counts what is asked, and knows every plain key that it gave out."""

    def __init__(self, inner: DataKeys) -> None:
        self._inner = inner
        self.down = self.refuses = False
        self.asked = 0
        self.given: list[bytes] = []
        self.all_here: asyncio.Barrier | None = None
        """Keys are made when so many have asked for one."""
        self.unwrapping = asyncio.Event()
        """Set once somebody has asked for that."""
        self.goes_on = asyncio.Event()
        """Nothing is unwrapped while it is not set."""
        self.goes_on.set()

    async def make(self, context: str) -> tuple[bytes, bytes]:
        """See ports.DataKeys.make."""
        self._answer()
        if self.all_here is not None:
            await self.all_here.wait()
        plain, wrapped = await self._inner.make(context)
        self.given.append(plain)
        return plain, wrapped

    async def unwrap(self, wrapped: bytes, context: str) -> bytes | None:
        """See ports.DataKeys.unwrap."""
        self._answer()
        self.unwrapping.set()
        await self.goes_on.wait()
        return await self._inner.unwrap(wrapped, context)

    def _answer(self) -> None:
        self.asked += 1
        if self.refuses:
            raise KeyRefused("The key is disabled.")
        if self.down:
            raise StoreUnavailable("The keeper did not answer.")


class OneKey:
    """A ports.DataKeys that gives every place the same key, as nobody should."""

    async def make(self, _context: str) -> tuple[bytes, bytes]:
        """See ports.DataKeys.make."""
        return bytes(32), b"wrapped"

    async def unwrap(self, _wrapped: bytes, _context: str) -> bytes | None:
        """See ports.DataKeys.unwrap."""
        return bytes(32)


def vault(table: Table, data_keys: DataKeys, clock: Clock) -> Vault:
    """The vault of one more process."""
    return Vault(table, data_keys, os.urandom, clock)
