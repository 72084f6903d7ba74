"""The layout of the local database, and how a file of an older version becomes one of this version.

Every change of the layout is one more function at the end of `MIGRATIONS`; those that stand are never edited.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway_core.errors import StoreUnavailable
from gateway_core.storage.database import APPLICATION_ID, check_ours, connect, copy_database, store_error, version_of

Migration = Callable[[sqlite3.Connection], object]
"""Takes a database from one version to the next, inside a transaction that is already open."""


def _items(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE items (
            space TEXT NOT NULL,
            pk TEXT NOT NULL,
            sk TEXT NOT NULL,
            data TEXT,
            count INTEGER,
            version INTEGER NOT NULL,
            expires_at INTEGER,
            PRIMARY KEY (space, pk, sk)
        )
        """
    )
    connection.execute("CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL")


def _people_apart(connection: sqlite3.Connection) -> None:
    """Members, and that an owner has signed in, leave the partition of servers and workspaces; so does the head."""
    connection.execute(
        """
        UPDATE items SET pk = iif(sk = 'HEAD', 'HEAD', 'PEOPLE')
        WHERE space = 'registry' AND pk = 'ORG' AND (sk IN ('HEAD', 'FIRST-OWNER') OR sk GLOB 'MEMBER#*')
        """
    )
    # A gateway of before that still runs finds no owner where it looks, and would let the set-up key make another.
    connection.execute(
        """
        CREATE TRIGGER people_apart BEFORE INSERT ON items
        WHEN new.space = 'registry' AND new.pk = 'ORG'
        AND (new.sk IN ('HEAD', 'FIRST-OWNER') OR new.sk GLOB 'MEMBER#*')
        BEGIN SELECT raise(ABORT, 'written by a gateway of an older version'); END
        """
    )


MIGRATIONS: Final[tuple[Migration, ...]] = (_items, _people_apart)
"""The function at index n makes version n + 1 of version n. Version 0 is an empty file."""


def open_database(path: Path, *, now: int, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """A durable connection to the database at `path`, which is made or upgraded first where that is needed.

    An older version is copied beside itself (`<name>.v<version>-<now>.bak`) and then upgraded in one transaction.
    Several processes may do this at once: one upgrades, the others wait and find it done.

    Raises:
        Invalid: The file is of a newer version, or not ours; the message says what to do.
        StoreFull: There is no room.
        StoreUnavailable: It cannot be opened.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        connection = connect(path)
        try:
            check_ours(connection, path, newest=len(migrations))
            _make_durable(connection)
            if version_of(connection) < len(migrations):
                _upgrade(connection, path, now=now, migrations=migrations)
        except BaseException:
            connection.close()
            raise
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise store_error(error) from error
    return connection


def _make_durable(connection: sqlite3.Connection) -> None:
    # The log reaches the disk before a write is acknowledged, so a power cut loses nothing that was.
    connection.execute("PRAGMA synchronous=FULL")
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            # This pragma does not wait for another process; a transaction does, and gives up in time.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return


def _upgrade(connection: sqlite3.Connection, path: Path, *, now: int, migrations: Sequence[Migration]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it, or have gone further, while this one waited.
        check_ours(connection, path, newest=len(migrations))
        version = version_of(connection)
        if 0 < version < len(migrations):
            copy_database(path, path.with_name(f"{path.name}.v{version}-{now}.bak"))
        for migrate in migrations[version:]:
            migrate(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
