"""The layout of the file: made, upgraded with a copy kept, and refused when it is newer."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, Timer

import pytest

from gateway_core.errors import Invalid
from gateway_core.ports import Key
from gateway_core.storage.database import version_of
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.storage.upgrade import MIGRATIONS, open_database
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import data_of, files_in

WEATHER = Key("registry", "ORG", "SERVER#weather")
NOW = 1_800_000_000


def add_notes(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE items ADD COLUMN note TEXT")
    connection.execute("UPDATE items SET note = 'was here'")


def fail_late(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM items")
    raise sqlite3.OperationalError("no such function: later")


NEXT = (*MIGRATIONS, add_notes)


async def one_item(path: Path, clock: MovedClock) -> None:
    with closing(SqliteTable(path, clock)) as table:
        await table.put(WEATHER, {"n": 1})


@pytest.mark.parametrize("there", [True, False])
async def test_a_missing_or_empty_file_becomes_a_database_of_this_version(
    tmp_path: Path, clock: MovedClock, there: bool
):
    path = tmp_path / "gatehouse.db"
    if there:
        path.touch()
    await one_item(path, clock)
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == len(MIGRATIONS)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert files_in(tmp_path) == ["gatehouse.db"]


async def test_an_older_file_is_copied_and_then_upgraded(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    await one_item(path, clock)
    with closing(open_database(path, now=NOW, migrations=NEXT)) as connection:
        assert version_of(connection) == len(NEXT)
        assert connection.execute("SELECT sk, note FROM items").fetchall() == [(WEATHER.sk, "was here")]
    copy = tmp_path / f"gatehouse.db.v{len(MIGRATIONS)}-{NOW}.bak"
    with closing(SqliteTable(copy, clock)) as table:
        assert await data_of(table, WEATHER) == {"n": 1}


async def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    await one_item(path, clock)
    with pytest.raises(Exception, match="did not answer"):
        open_database(path, now=NOW, migrations=(*NEXT, fail_late))
    with closing(SqliteTable(path, clock)) as table:
        assert await data_of(table, WEATHER) == {"n": 1}


async def test_a_file_is_upgraded_once(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    await one_item(path, clock)
    for later in range(3):
        open_database(path, now=NOW + later, migrations=NEXT).close()
    assert files_in(tmp_path) == ["gatehouse.db", f"gatehouse.db.v{len(MIGRATIONS)}-{NOW}.bak"]


def test_a_database_that_others_are_making_at_this_moment_is_never_taken_for_somebody_elses(tmp_path: Path):
    def open_all(path: Path) -> None:
        together.wait()
        open_database(path, now=NOW).close()

    for n in range(20):
        together = Barrier(4)
        with ThreadPoolExecutor(4) as openers:
            list(openers.map(open_all, [tmp_path / f"{n}.db"] * 4))


def test_a_new_database_waits_for_whoever_holds_the_file(tmp_path: Path):
    path = tmp_path / "gatehouse.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = Timer(0.05, other.execute, ["ROLLBACK"])
        release.start()
        open_database(path, now=NOW).close()
        release.join()


async def test_a_newer_file_is_refused_with_what_to_do(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    open_database(path, now=NOW, migrations=NEXT).close()
    before = path.read_bytes()
    with pytest.raises(Invalid, match=r"version 3, and this Gatehouse knows versions up to 2\. Run the newer"):
        SqliteTable(path, clock)
    assert path.read_bytes() == before


async def test_a_database_of_somebody_else_is_refused(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(Invalid, match="not a Gatehouse database"):
        SqliteTable(path, clock)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1_000)
    with pytest.raises(Invalid, match="not a database, or is damaged"):
        SqliteTable(path, clock)
