"""Backup and restore of the local database while gateways are running on it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway_core.errors import Invalid, StoreUnavailable
from gateway_core.storage.database import check_ours, connect, copy_database, store_error, version_of
from gateway_core.storage.upgrade import MIGRATIONS, open_database


def backup_database(source: Path, target: Path) -> None:
    """Copy the database at `source`, as it is at this moment, into the single file `target`.

    Gateways go on reading and writing. `target` appears whole or not at all, and replaces a file of that name.

    Raises:
        Invalid: There is no database of ours at `source`.
        StoreUnavailable, StoreFull: The copy could not be made.
    """
    try:
        _check_backup(source)
        copy_database(source, target)
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise store_error(error) from error


def restore_database(source: Path, target: Path, *, now: int) -> None:
    """Make the database at `target` hold what `source` holds, in one step and for every process that has it open.

    A backup of an older version is upgraded on the way; `source` itself is never changed. Versions of items go back to
    what they were: whoever caches something under a version has to be told.

    Raises:
        Invalid: `source` is no database of ours, or of a newer version; nothing was changed.
        StoreUnavailable, StoreFull: Nothing was changed.
    """
    staged = target.with_name(f"{target.name}.restoring")
    try:
        _check_backup(source)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_database(source, staged)
        with closing(open_database(staged, now=now)) as backup, closing(open_database(target, now=now)) as live:
            # One transaction of the live database: readers see the old content until it ends, then the new.
            backup.backup(live)
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise store_error(error) from error
    finally:
        for leftover in staged.parent.glob(f"{staged.name}*"):
            leftover.unlink(missing_ok=True)


def _check_backup(source: Path) -> None:
    if not source.is_file():
        raise Invalid(f"There is no database at {source}.")
    with closing(connect(source)) as connection:
        check_ours(connection, source, newest=len(MIGRATIONS))
        if version_of(connection) == 0:
            raise Invalid(f"{source} is empty: there is nothing to copy.")
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise Invalid(f"{source} is damaged. Nothing was changed; use another backup.")
