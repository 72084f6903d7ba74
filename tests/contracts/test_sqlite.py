"""What the table in a file promises beside ports.Table: nothing acknowledged is lost, and many may share it."""

import asyncio
import itertools
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway_core.errors import StoreFull, StoreUnavailable
from gateway_core.ports import Key, Partition, Table
from gateway_core.storage.sqlite import KEEP_EXPIRED_S, PURGE_EVERY, SqliteTable
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import data_of, files_in, mode_of, seen
from tests.contracts.writing_process import COUNTS, SHARED, half

ORG = Partition("registry", "ORG")


def writing(path: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contracts.writing_process", str(path), what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


async def fill(table: Table) -> int:
    """Put items until the table is full; how many there was room for."""
    for n in itertools.count():
        try:
            await table.put(Key(*ORG, f"{n:03}"), {"n": n, "text": "x" * 4_000})
        except StoreFull:
            return n
    raise AssertionError


async def all_items(table: Table, partition: Partition) -> dict[str, int]:
    page = await table.query(partition, limit=5_000)
    return {item.key.sk: item.data["n"] for item in page.items}


@pytest.mark.parametrize("kill_after", [1, 60, 333])
async def test_a_process_killed_while_it_writes_loses_nothing_acknowledged_and_leaves_nothing_by_halves(
    tmp_path: Path, clock: MovedClock, kill_after: int
):
    path = tmp_path / "gatehouse.db"
    with writing(path, "pairs") as process:
        assert process.stdout
        acknowledged = [int(process.stdout.readline()) for _ in range(kill_after)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    with closing(SqliteTable(path, clock)) as table:
        stored = await all_items(table, Partition("registry", "PAIRS"))
    whole = range(len(stored) // 2)
    assert stored == {half(n, side).sk: n for n in whole for side in "ab"}
    assert len(acknowledged) <= len(whole) <= len(acknowledged) + 1


async def test_processes_that_start_at_once_on_one_file_all_count(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    processes = [writing(path, "counts") for _ in range(3)]
    assert [process.communicate(timeout=60) and process.returncode for process in processes] == [0, 0, 0]
    with closing(SqliteTable(path, clock)) as table:
        assert seen(await table.get(SHARED)) == ({"n": 3 * COUNTS}, 3 * COUNTS, None)


async def test_one_process_sees_what_another_has_just_written(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    with closing(SqliteTable(path, clock)) as one, closing(SqliteTable(path, clock)) as other:
        for n in range(20):
            await one.put(SHARED, {"n": n})
            assert await data_of(other, SHARED) == {"n": n}


async def test_reads_go_on_while_a_write_waits_for_another_process(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    with closing(SqliteTable(path, clock)) as table, closing(sqlite3.connect(path, isolation_level=None)) as other:
        await table.put(SHARED, {"n": 1})
        other.execute("BEGIN IMMEDIATE")
        write = asyncio.ensure_future(table.put(SHARED, {"n": 2}))
        for _ in range(100):
            assert await data_of(table, SHARED) == {"n": 1}
            await asyncio.sleep(0)
        assert not write.done()
        other.execute("ROLLBACK")
        assert (await write).version == 2


async def test_a_full_store_says_so_writes_nothing_and_takes_writes_again_when_there_is_room(
    tmp_path: Path, clock: MovedClock
):
    with closing(SqliteTable(tmp_path / "gatehouse.db", clock, max_bytes=256 * 1024)) as table:
        written = await fill(table)
        assert await all_items(table, ORG) == {f"{n:03}": n for n in range(written)}
        with pytest.raises(StoreFull, match="full; nothing was written"):
            await table.put(Key(*ORG, "000"), {"n": 0, "text": "x" * 40_000})
        for n in range(10):
            await table.delete(Key(*ORG, f"{n:03}"))
        await table.put(Key(*ORG, "new"), {"n": 1, "text": "x" * 4_000})


async def test_a_store_that_does_not_answer_is_unavailable_and_never_empty(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    with closing(SqliteTable(path, clock)) as table, closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE items RENAME TO gone")
        for call in (table.get(SHARED), table.get_many([SHARED]), table.query(ORG), table.put(SHARED, {})):
            with pytest.raises(StoreUnavailable):
                await call


async def test_nobody_else_on_the_machine_can_read_the_files(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "data" / "gatehouse.db"
    with closing(SqliteTable(path, clock)) as table:
        await table.put(SHARED, {"n": 1})
        assert {mode_of(path.parent / name) for name in files_in(path.parent)} == {0o600}
        assert mode_of(path.parent) == 0o700


async def test_what_expired_long_ago_leaves_the_file(tmp_path: Path, clock: MovedClock):
    path = tmp_path / "gatehouse.db"
    with closing(SqliteTable(path, clock)) as table, closing(sqlite3.connect(path)) as other:
        for n in range(5):
            await table.put(Key(*ORG, f"{n}"), {}, expires_at=clock.now + n)
        clock.now += KEEP_EXPIRED_S + 3
        for _ in range(PURGE_EVERY):
            await table.put(SHARED, {})
        assert other.execute("SELECT sk FROM items ORDER BY sk").fetchall() == [("3",), ("4",), ("SHARED",)]
