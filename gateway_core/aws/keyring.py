"""`ports.Keyring` with its keys in one secret of Secrets Manager, made at first use."""

import asyncio
from typing import Final

from gateway_core.aws.secret_values import SecretValues
from gateway_core.errors import StoreUnavailable
from gateway_core.ports import Clock
from gateway_core.sealing import NONCE_BYTES, RandomBytes, Ring, new_ring, read_ring, ring_text

FRESH_S: Final = 900
"""How long keys are used before they are read again, so that all containers soon seal with a new one."""
ASK_AGAIN_S: Final = 60
"""Least time between two reads because of an unknown key: anybody can make one up."""


class AwsKeyring:
    """See ports.Keyring. While Secrets Manager does not answer, a container goes on with the keys it has.

    Args:
        values: Where the ring is kept.
        name: Its full name in Secrets Manager; outside what `AwsSecrets` lists.
        clock: Decides when it is read again.
        random_bytes: Makes keys and nonces.
    """

    def __init__(self, values: SecretValues, *, name: str, clock: Clock, random_bytes: RandomBytes) -> None:
        self._values = values
        self._name = name
        self._clock = clock
        self._random_bytes = random_bytes
        self._ring: Ring | None = None
        self._read_at = 0
        self._reading = asyncio.Lock()

    async def seal(self, plain: bytes, *, context: str) -> bytes:
        """See ports.Keyring.seal."""
        ring = await self._ring_within(FRESH_S)
        return ring.seal(plain, context=context, nonce=self._random_bytes(NONCE_BYTES))

    async def open(self, sealed: bytes, *, context: str) -> bytes | None:
        """See ports.Keyring.open."""
        ring = await self._ring_within(FRESH_S)
        if ring.lacks_key_of(sealed):
            ring = await self._ring_within(ASK_AGAIN_S)
        return ring.open(sealed, context=context)

    async def rotate(self) -> None:
        """Seal with a new key from now on; the others open what they sealed. For one operator at a time.

        Other containers follow when they meet the new key, at the latest after `FRESH_S`.
        """
        async with self._reading:
            ring = (await self._stored()).rotated(self._random_bytes)
            await self._values.write(self._name, ring_text(ring))
            self._ring, self._read_at = ring, self._clock()

    async def _ring_within(self, age_s: int) -> Ring:
        """The ring as it was at most `age_s` ago, or older when there is no newer to be had."""
        if self._ring is not None and self._clock() - self._read_at < age_s:
            return self._ring
        async with self._reading:
            if self._ring is not None and self._clock() - self._read_at < age_s:
                return self._ring
            try:
                ring = await self._stored()
            except StoreUnavailable:
                if self._ring is None:
                    raise
                ring = self._ring
            self._ring, self._read_at = ring, self._clock()
            return ring

    async def _stored(self) -> Ring:
        text = await self._values.read(self._name)
        if text is None:
            ring = new_ring(self._random_bytes)
            if await self._values.create(self._name, ring_text(ring)):
                return ring
            # Another container made it at the same moment.
            text = await self._values.read(self._name)
        if text is None:
            # New keys would open nothing of what was sealed so far.
            raise StoreUnavailable(
                f"The secret {self._name} is waiting for its deletion: restore it, it holds the keys."
            )
        try:
            return read_ring(text)
        except ValueError as error:
            raise StoreUnavailable(f"The secret {self._name} cannot be used: {error}.") from error
