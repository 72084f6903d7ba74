"""`ports.Table` in one SQLite file that several processes on one machine may share; survives `kill -9` and power cuts.

Reads run where they are called: they take microseconds, less than handing them over would. Writes wait for the disk,
so they run in one thread of their own and never stall a stream.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway_core.errors import Conflict
from gateway_core.ports import ANY, Clock, Condition, Delete, Item, Key, Page, Partition, Put, Write
from gateway_core.storage.database import connect, store_error
from gateway_core.storage.items import check_batch, check_key, holds, item_data, item_text, possible, put_texts
from gateway_core.storage.upgrade import open_database

Result = TypeVar("Result")

MAX_FILE_BYTES: Final = 64 * 1024**3
"""Where the file stops growing unless told otherwise: far above what one machine's gateway stores."""
PURGE_EVERY: Final = 200
"""Writes between two removals of expired rows."""
PURGE_AT_MOST: Final = 1_000
"""Rows that one write removes at most, so that it stays short."""
KEEP_EXPIRED_S: Final = 86_400
"""Expired rows stay a day, so that a version is not reused while the holder of a lapsed lease may still write."""

_PURGE: Final = "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE expires_at < ? LIMIT ?)"
_GET: Final = "SELECT data, count, version, expires_at FROM items WHERE space = ? AND pk = ? AND sk = ?"
_GET_IN_PLACE: Final = "SELECT ?, data, count, version, expires_at FROM items WHERE space = ? AND pk = ? AND sk = ?"
_QUERY: Final = """
    SELECT sk, data, count, version, expires_at FROM items
    WHERE space = ? AND pk = ? AND sk > ? AND sk >= ? AND sk < CAST(? AS TEXT)
    AND (expires_at IS NULL OR expires_at > ?)
    ORDER BY sk LIMIT ?
"""
_DELETE: Final = "DELETE FROM items WHERE space = ? AND pk = ? AND sk = ?"
_PUT: Final = """
    INSERT INTO items (space, pk, sk, data, expires_at, version) VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT DO UPDATE
    SET data = excluded.data, count = NULL, expires_at = excluded.expires_at, version = version + 1
    RETURNING version
"""
_ADD: Final = """
    INSERT INTO items (space, pk, sk, count, expires_at, version) VALUES (:space, :pk, :sk, :amount, :expires_at, 1)
    ON CONFLICT DO UPDATE
    SET count = iif(expires_at <= :now, 0, coalesce(count, 0)) + :amount, data = NULL,
        expires_at = iif(expires_at > :now, expires_at, :expires_at), version = version + 1
    RETURNING count
"""

Row = tuple[str | None, int | None, int, int | None]


class SqliteTable:
    """See ports.Table.

    Args:
        path: The file; made at first use, with its folder, for this user only.
        clock: Decides what has expired.
        max_bytes: The file does not grow beyond this; writes that would make it are `StoreFull`.

    Raises:
        Invalid: The file is not ours, or of a newer version.
        StoreUnavailable, StoreFull: It cannot be opened or made.
    """

    def __init__(self, path: Path, clock: Clock, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._clock = clock
        self._write_connection = open_database(path, now=clock())
        page_bytes = self._write_connection.execute("PRAGMA page_size").fetchone()[0]
        self._write_connection.execute(f"PRAGMA max_page_count={max_bytes // page_bytes}")
        self._read_connection = connect(path)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._writes = 0

    def close(self) -> None:
        """Finish the writes that were asked for, then let go of the file."""
        self._writer.shutdown()
        self._read_connection.close()
        self._write_connection.close()

    async def get(self, key: Key) -> Item | None:
        """See ports.Table.get."""
        rows = self._read(_GET, key) if possible(key) else []
        return _item(key, rows[0], self._clock()) if rows else None

    async def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """See ports.Table.get_many."""
        check_batch(len(keys))
        asked = [(place, key) for place, key in enumerate(keys) if possible(key)]
        found: list[Item | None] = [None] * len(keys)
        if not asked:
            return found
        # One statement reads one state of the database; its parts are looked up by the primary key.
        statement = " UNION ALL ".join([_GET_IN_PLACE] * len(asked))
        now = self._clock()
        for place, *row in self._read(statement, [part for at, key in asked for part in (at, *key)]):
            found[place] = _item(keys[place], row, now)
        return found

    async def put(
        self, key: Key, data: Mapping[str, Any], *, when: Condition = ANY, expires_at: int | None = None
    ) -> Item:
        """See ports.Table.put."""
        check_key(key)
        text, now = item_text(data), self._clock()
        put = Put(key, data, when, expires_at)
        version = await self._write(lambda connection: _apply(connection, put, text, now))
        return Item(key, item_data(text, None), version, expires_at)

    async def delete(self, key: Key, *, when: Condition = ANY) -> Item | None:
        """See ports.Table.delete."""
        check_key(key)
        now = self._clock()

        def work(connection: sqlite3.Connection) -> Item | None:
            row = connection.execute(_GET, key).fetchone()
            _apply(connection, Delete(key, when), "", now)
            return _item(key, row, now) if row else None

        return await self._write(work)

    async def query(
        self, partition: Partition, *, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> Page:
        """See ports.Table.query."""
        if not all(possible(Key(*partition, part or "-")) for part in (prefix, after)):
            return Page((), None)
        now = self._clock()
        # 0xFF stands in no UTF-8 text, so everything that continues the prefix sorts before it.
        end = prefix.encode() + b"\xff"
        rows = self._read(_QUERY, (*partition, after or "", prefix, end, now, limit + 1))
        items = [Item(Key(*partition, sk), item_data(*row[:2]), *row[2:]) for sk, *row in rows[:limit]]
        return Page(items, items[-1].key.sk if len(rows) > limit else None)

    async def transact(self, writes: Sequence[Write]) -> None:
        """See ports.Table.transact."""
        texts, now = put_texts(writes), self._clock()

        def work(connection: sqlite3.Connection) -> None:
            for write, text in zip(writes, texts, strict=True):
                _apply(connection, write, text, now)

        await self._write(work)

    async def add(self, key: Key, amount: int, *, expires_at: int) -> int:
        """See ports.Table.add."""
        check_key(key)
        values = {**key._asdict(), "space": key.table, "amount": amount, "expires_at": expires_at, "now": self._clock()}
        return await self._write(lambda connection: int(connection.execute(_ADD, values).fetchone()[0]))

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._read_connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise store_error(error) from error

    async def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._write_connection
        try:
            # IMMEDIATE waits for other processes here; a later upgrade of a read lock would fail instead.
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            self._purge(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(error) from error
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
        return result

    def _purge(self, connection: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % PURGE_EVERY == 0:
            connection.execute(_PURGE, (self._clock() - KEEP_EXPIRED_S, PURGE_AT_MOST))


def _apply(connection: sqlite3.Connection, write: Write, text: str, now: int) -> int:
    """Do one write inside the open transaction and return the version it leaves; 0 for what is no `Put`."""
    row = connection.execute(_GET, write.key).fetchone()
    if not holds(write.when, row[2] if row and _alive(row, now) else None):
        raise Conflict("Someone else changed this first. Look at it again, then repeat the change.")
    match write:
        case Put():
            return int(connection.execute(_PUT, (*write.key, text, write.expires_at)).fetchone()[0])
        case Delete():
            connection.execute(_DELETE, write.key)
    return 0


def _alive(row: Sequence[Any], now: int) -> bool:
    return row[3] is None or row[3] > now


def _item(key: Key, row: Sequence[Any], now: int) -> Item | None:
    data, count, version, expires_at = row
    return Item(key, item_data(data, count), version, expires_at) if _alive(row, now) else None
