"""The file of the local run: opened, recognised and copied. Knows nothing of what is in it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway_core.errors import GatewayError, Invalid, StoreFull, StoreUnavailable

APPLICATION_ID: Final = 0x47484F55
""""GHOU" in the file's header: tells our database from somebody else's (SQLite file format, 1.3.16)."""
BUSY_TIMEOUT_S: Final = 5.0
"""Longest wait for another process that is writing; one write takes well under 100 ms."""

_WHAT_IT_IS: Final = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
    FROM pragma_application_id, pragma_user_version
"""
"""In one statement, so that a database which another process is just making is seen before or after, not in between."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may move between threads. Reads nothing yet."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the layout; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_ours(connection: sqlite3.Connection, path: Path, *, newest: int) -> None:
    """Let pass an empty file, and what this program made in a version up to `newest`.

    Raises:
        Invalid: It is something else, damaged, or newer; the message says what to do.
    """
    try:
        application_id, version, tables = connection.execute(_WHAT_IT_IS).fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        raise Invalid(f"{path} is not a database, or is damaged. Restore a backup, or move it away.") from error
    if application_id != APPLICATION_ID and (version or tables):
        raise Invalid(f"{path} is not a Gatehouse database. Move it away, or choose another GATEHOUSE_DATA.")
    if version > newest:
        raise Invalid(
            f"{path} has version {version}, and this Gatehouse knows versions up to {newest}. "
            "Run the newer Gatehouse that made it, or restore a backup from before."
        )


def copy_database(source: Path, target: Path) -> None:
    """Copy a database, which others may be writing, into one file that stands by itself.

    `target` appears whole or not at all, and replaces a file of that name.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    with closing(connect(source)) as live, closing(connect(unfinished)) as copy:
        live.backup(copy)
        # The copy would look for a log beside itself otherwise, and could not be read from a read-only disk.
        copy.execute("PRAGMA journal_mode=DELETE")
    unfinished.replace(target)


def store_error(error: sqlite3.Error) -> GatewayError:
    """The refusal that an error of SQLite stands for."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return StoreFull("The disk or the database is full; nothing was written. Make room, then try again.")
    return StoreUnavailable("The database did not answer.")
