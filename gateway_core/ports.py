"""Everything we ask of the outside world, on one page. Each port has two implementations, AWS and local."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

Clock = Callable[[], int]
"""Unix time in whole seconds."""


class Key(NamedTuple):
    """Where an item lives. Made only in `storage.keys`."""

    table: Literal["registry", "grants"]
    pk: str
    sk: str


class Partition(NamedTuple):
    """Items that can be listed together. Made only in `storage.keys`."""

    table: Literal["registry", "grants"]
    pk: str


class Item(NamedTuple):
    """What is stored under a key: a JSON object, how often it was written, and when it lapses."""

    key: Key
    data: Mapping[str, Any]
    version: int
    """1 at the first write, one more at each later one; goes on over an item that has expired, never reused while the
    key exists."""
    expires_at: int | None = None
    """Unix seconds; from then on the item is gone for every reader, whenever the store removes it."""


class Unchanged(NamedTuple):
    """Condition: the item exists, has not expired, and is still at `version`."""

    version: int


ANY: Final[Literal["any"]] = "any"
"""Condition: none."""
ABSENT: Final[Literal["absent"]] = "absent"
"""Condition: there is no item, or it has expired."""
PRESENT: Final[Literal["present"]] = "present"
"""Condition: there is an item, and it has not expired."""

Condition = Literal["any", "absent", "present"] | Unchanged


class Put(NamedTuple):
    """Write `data` under `key` if `when` holds."""

    key: Key
    data: Mapping[str, Any]
    when: Condition = ANY
    expires_at: int | None = None


class Delete(NamedTuple):
    """Remove `key` if `when` holds."""

    key: Key
    when: Condition = ANY


class Check(NamedTuple):
    """Write nothing, but let the transaction fail unless `when` holds."""

    key: Key
    when: Condition


Write = Put | Delete | Check


class Page(NamedTuple):
    """One page of a query, ordered by `sk`. `after` goes into the next query; None on the last page."""

    items: Sequence[Item]
    after: str | None


class Table(Protocol):
    """Items under (pk, sk). Every read is consistent and leaves out what has expired; every write is durable.

    Raises, from every verb: `StoreUnavailable` when the store does not answer; from writes also `StoreFull`.
    An item's data is at most 350 KB of JSON (DynamoDB's 400 KB less keys); more is `Invalid`.
    """

    async def get(self, key: Key) -> Item | None:
        """One item, or None."""
        ...

    async def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """Up to 100 distinct items in one round trip, over both tables, in the order asked for."""
        ...

    async def put(
        self, key: Key, data: Mapping[str, Any], *, when: Condition = ANY, expires_at: int | None = None
    ) -> Item:
        """Write one item and return it as stored. Raises `Conflict` when `when` does not hold."""
        ...

    async def delete(self, key: Key, *, when: Condition = ANY) -> Item | None:
        """Remove one item and return what it was. Raises `Conflict` when `when` does not hold."""
        ...

    async def query(
        self, partition: Partition, *, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> Page:
        """Items of one partition whose sk starts with `prefix` and is greater than `after`, ascending."""
        ...

    async def transact(self, writes: Sequence[Write]) -> None:
        """All of up to 100 writes on distinct keys, or none. Raises `Conflict` when any condition fails."""
        ...

    async def add(self, key: Key, amount: int, *, expires_at: int) -> int:
        """Add to a counter and return its new value; an absent or expired counter starts at 0.

        `expires_at` is set when the counter starts and kept while it lives.
        """
        ...


class Keyring(Protocol):
    """Authenticated encryption with the deployment's own keys."""

    async def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt so that only `open` with the same `context` gives it back."""
        ...

    async def open(self, sealed: bytes, *, context: str) -> bytes | None:
        """What was sealed, or None when it was altered, sealed elsewhere, or for another context."""
        ...


class DataKeys(Protocol):
    """Keys that items are sealed with, each wrapped by a key that never leaves its keeper (envelope encryption).

    Raises, from both: `KeyRefused` when the keeper does not let us use its key, `StoreUnavailable` when it does not
    answer.
    """

    async def make(self, context: str) -> tuple[bytes, bytes]:
        """A new 256-bit key, plain and wrapped. Only `unwrap` with the same `context` gives it back."""
        ...

    async def unwrap(self, wrapped: bytes, context: str) -> bytes | None:
        """The plain key, or None when `wrapped` was altered, wrapped elsewhere, or for another context."""
        ...


class Secrets(Protocol):
    """Named secret values. Values are at most 8 KB of text; names are slugs."""

    async def get(self, name: str) -> str | None:
        """The value, or None."""
        ...

    async def put(self, name: str, value: str) -> None:
        """Create or replace."""
        ...

    async def delete(self, name: str) -> bool:
        """Remove; False when there was none."""
        ...

    async def names(self) -> list[str]:
        """Every name, sorted."""
        ...


class Records(Protocol):
    """Where the record of a call goes. Never blocks, never raises."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record, a flat JSON object."""
        ...
