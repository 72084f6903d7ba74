"""Backup and restore while gateways are running."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.errors import Invalid
from gateway_core.ports import Key, Put
from gateway_core.storage.backup import backup_database, restore_database
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.storage.upgrade import open_database
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import damage, data_of, files_in, mode_of, seen
from tests.contracts.test_upgrade import NEXT, NOW
from tests.contracts.writing_process import half

WEATHER = Key("registry", "ORG", "SERVER#weather")
TRAINS = Key("registry", "ORG", "SERVER#trains")


async def write_pair(table: SqliteTable, n: int) -> None:
    await table.transact([Put(half(n, "a"), {"n": n}), Put(half(n, "b"), {"n": n})])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gatehouse.db"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "saved.db"


async def test_every_gateway_that_is_running_sees_what_was_restored(path: Path, saved: Path, clock: MovedClock):
    with closing(SqliteTable(path, clock)) as one, closing(SqliteTable(path, clock)) as other:
        await one.put(WEATHER, {"n": 1})
        backup_database(path, saved)
        await one.put(WEATHER, {"n": 2})
        await other.put(TRAINS, {"n": 3})
        restore_database(saved, path, now=NOW)
        for table in (one, other):
            weather, trains = await table.get_many([WEATHER, TRAINS])
            assert seen(weather) == ({"n": 1}, 1, None)
            assert trains is None
        assert (await other.put(WEATHER, {"n": 4})).version == 2
        assert await data_of(one, WEATHER) == {"n": 4}


async def test_a_backup_is_one_file_of_one_moment_and_nobody_elses_to_read(path: Path, saved: Path, clock: MovedClock):
    with closing(SqliteTable(path, clock)) as table:
        await write_pair(table, 0)
        writing = asyncio.gather(*(write_pair(table, n) for n in range(1, 300)))
        await asyncio.to_thread(backup_database, path, saved)
        await writing
    assert files_in(saved.parent) == ["data", "saved.db"]
    assert mode_of(saved) == 0o600
    with closing(sqlite3.connect(f"file:{saved}?mode=ro", uri=True)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        halves = copy.execute("SELECT count(*), count(DISTINCT substr(sk, 1, 4)) FROM items WHERE pk = 'PAIRS'")
        items, pairs = halves.fetchone()
    assert items == 2 * pairs > 0


async def test_a_restore_into_an_empty_folder_makes_the_database(
    path: Path, saved: Path, tmp_path: Path, clock: MovedClock
):
    with closing(SqliteTable(path, clock)) as table:
        await table.put(WEATHER, {"n": 1})
    backup_database(path, saved)
    elsewhere = tmp_path / "elsewhere" / "gatehouse.db"
    restore_database(saved, elsewhere, now=NOW)
    with closing(SqliteTable(elsewhere, clock)) as table:
        assert await data_of(table, WEATHER) == {"n": 1}
    assert files_in(elsewhere.parent) == ["gatehouse.db"]


async def test_what_cannot_be_restored_changes_nothing(path: Path, saved: Path, clock: MovedClock):
    newer, theirs, empty = (saved.with_name(name) for name in ("newer.db", "theirs.db", "empty.db"))
    open_database(newer, now=NOW, migrations=NEXT).close()
    theirs.write_text("Dear reader, " * 1_000)
    empty.touch()
    with closing(SqliteTable(path, clock)) as table:
        await table.put(WEATHER, {"n": 1})
        for source, why in ((newer, "version 3"), (theirs, "not a database"), (empty, "empty"), (saved, "no database")):
            with pytest.raises(Invalid, match=why):
                restore_database(source, path, now=NOW)
        assert await data_of(table, WEATHER) == {"n": 1}
    assert files_in(path.parent) == ["gatehouse.db"]


async def test_a_damaged_backup_is_refused(path: Path, saved: Path, clock: MovedClock):
    with closing(SqliteTable(path, clock)) as table:
        for n in range(100):
            await table.put(half(n, "a"), {"text": "x" * 2_000})
        backup_database(path, saved)
        damage(saved, 4096 * 2, 4096 * 6)
        with pytest.raises(Invalid, match="damaged"):
            restore_database(saved, path, now=NOW)
        assert await data_of(table, half(99, "a")) == {"text": "x" * 2_000}


def test_there_is_nothing_to_back_up_where_there_is_no_database(tmp_path: Path):
    with pytest.raises(Invalid, match="no database at"):
        backup_database(tmp_path / "gatehouse.db", tmp_path / "saved.db")
    assert files_in(tmp_path) == []
