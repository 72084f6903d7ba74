"""Sealed texts for items: AES-256-GCM under one key for each place, which is kept wrapped beside them.

A place is "org" or a workspace's id. Its key is one item, wrapped by `ports.DataKeys` and made at first use; once that
item is gone, nothing that was sealed for the place can be read again. A text opens only for the place and the context
that it was sealed for, so that none can be moved to another item.
"""

import asyncio
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

from gateway_core.errors import Conflict, KeyRefused, StoreUnavailable
from gateway_core.ports import ABSENT, Clock, DataKeys, Table
from gateway_core.sealing import KEY_ID_BYTES, NONCE_BYTES, RandomBytes, Ring
from gateway_core.storage import keys

FRESH_S: Final = 300
"""How long a plain key is used before it is unwrapped again: so much later at most does a process notice that the key
was deleted, with all that it sealed, or that it may not use it any more."""
HELD_S: Final = 3600
"""How long it is used while whoever could unwrap it does not answer. Then it is let go."""
ASK_AGAIN_S: Final = 60
"""After no answer, how long until the next try: each takes up to three seconds of somebody's call."""
MAX_HELD: Final = 1_000
"""Plain keys in memory, 1 KB each: one for every place that is in use."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class _Held(NamedTuple):
    """The plain key of a place, as a ring of one. Times are Unix seconds."""

    ring: Ring
    unwrapped_at: int
    due_at: int
    """When it is to be unwrapped again."""


class Vault:
    """One for each plane of a process, on one event loop.

    Args:
        table: Keeps the wrapped keys.
        data_keys: Makes and unwraps them.
        random_bytes: Makes nonces.
        clock: Decides when a plain key is unwrapped again, and when it is let go.

    Every method raises `StoreUnavailable` when the store does not answer; `seal` and `open` also when nobody answers
    who could unwrap the key, and `KeyRefused` when the answer is that it cannot be.
    """

    def __init__(self, table: Table, data_keys: DataKeys, random_bytes: RandomBytes, clock: Clock) -> None:
        self._table = table
        self._data_keys = data_keys
        self._random_bytes = random_bytes
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def seal(self, place: str, plain: bytes, *, context: str) -> str:
        """Encrypt so that only `open` with the same place and `context` gives it back: base64 text for an item."""
        # The store is asked each time: what a key seals that was deleted there, nobody else could open.
        held = await self._together(place, self._stored)
        if held is None:
            held = await self._together(place, self._make)
        nonce = self._random_bytes(NONCE_BYTES)
        return b64encode(held.ring.seal(plain, context=_bound(place, context), nonce=nonce)).decode()

    async def open(self, place: str, sealed: str, *, context: str) -> bytes | None:
        """What was sealed, or None when it was altered, for another place or context, or its key was deleted."""
        try:
            ciphertext = b64decode(sealed, validate=True)
        except ValueError:
            return None
        held = self._held.get(place)
        if held is None or self._clock() >= held.due_at or held.ring.lacks_key_of(ciphertext):
            held = await self._together(place, self._stored)
        return None if held is None else held.ring.open(ciphertext, context=_bound(place, context))

    async def _together(self, place: str, step: Callable[[str], Coroutine[Any, Any, T]]) -> T:
        """What `step` gives for `place`; one run serves all who wait for it."""
        name = place, step.__name__
        task: asyncio.Task[T] | None = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(step(place))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        # Who stops waiting does not stop it for the others.
        return await asyncio.shield(task)

    async def _stored(self, place: str) -> _Held | None:
        """The key of `place` as it is in the store, unwrapped if that is due; None when there is none."""
        item = await self._table.get(keys.data_key(place))
        # Held again below, unless it is no longer the key of this place or may not be used any more.
        held = self._held.pop(place, None)
        if item is None:
            return None
        wrapped = b64decode(item.data["wrapped"])
        if held is not None and held.ring.current != _name(wrapped):
            held = None
        if held is None or self._clock() >= held.due_at:
            held = await self._unwrapped(place, wrapped, held)
        return self._hold(place, held)

    async def _unwrapped(self, place: str, wrapped: bytes, held: _Held | None) -> _Held:
        """The key in `wrapped`, or while nobody answers `held`, which is the same as it was."""
        now = self._clock()
        try:
            plain = await self._data_keys.unwrap(wrapped, place)
        except KeyRefused:
            raise
        except StoreUnavailable:
            if held is None or now >= held.unwrapped_at + HELD_S:
                raise
            return held._replace(due_at=min(now + ASK_AGAIN_S, held.unwrapped_at + HELD_S))
        if plain is None:
            logger.error("data_key_foreign", extra={"fields": {"place": place}})
            raise KeyRefused(
                "The connected accounts cannot be read: their key in the store was altered, or wrapped by another "
                "deployment. Restore the key file or the KMS key that belongs to this store."
            )
        return _newly(plain, wrapped, now)

    async def _make(self, place: str) -> _Held:
        plain, wrapped = await self._data_keys.make(place)
        try:
            await self._table.put(keys.data_key(place), {"wrapped": b64encode(wrapped).decode()}, when=ABSENT)
        except Conflict:
            # Another process made one at the same moment: the one that is stored counts.
            held = await self._stored(place)
            if held is None:
                raise
            return held
        return self._hold(place, _newly(plain, wrapped, self._clock()))

    def _hold(self, place: str, held: _Held) -> _Held:
        now = self._clock()
        for lapsed in [name for name, one in self._held.items() if now >= one.unwrapped_at + HELD_S]:
            del self._held[lapsed]
        if len(self._held) >= MAX_HELD and place not in self._held:
            # The one that was unwrapped longest ago, nearly: a dictionary keeps the order in which names came.
            del self._held[next(iter(self._held))]
        self._held[place] = held
        return held


def _newly(plain: bytes, wrapped: bytes, now: int) -> _Held:
    return _Held(Ring(_name(wrapped), {_name(wrapped): plain}), now, now + FRESH_S)


def _name(wrapped: bytes) -> str:
    """What sealed texts call the key by."""
    return sha256(wrapped).digest()[:KEY_ID_BYTES].hex()


def _bound(place: str, context: str) -> str:
    """What is authenticated with a text. As JSON, so that no other place and context read the same."""
    return json.dumps([place, context])
