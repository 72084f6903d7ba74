"""Connected accounts on one machine, after a backup of the data folder and a restore: key file and wrapped keys."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core.compose_lean import vault
from gateway_core.errors import KeyRefused
from gateway_core.local.archive import restore_archive, write_archive
from gateway_core.local.data_folder import DATABASE, KEY_FILE
from gateway_core.local.server import local_world
from gateway_core.settings import Settings
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import FRESH_S, Vault
from tests.contracts.conftest import MovedClock


@contextmanager
def running(folder: Path, clock: MovedClock) -> Iterator[Vault]:
    """The vault of a gateway that runs on a data folder."""
    folder.mkdir(exist_ok=True)
    settings = Settings(public_url="http://127.0.0.1:8787", gatehouse_data=folder)
    with closing(SqliteTable(folder / DATABASE, clock)) as table:
        yield vault(replace(local_world(settings, table), clock=clock))


async def restored(folder: Path, source: Path, clock: MovedClock) -> None:
    """In a thread: the command runs an event loop of its own."""
    await asyncio.to_thread(restore_archive, folder, source, now=clock.now)


async def test_a_backup_restored_on_another_machine_opens_what_was_sealed_before(tmp_path: Path, clock: MovedClock):
    with running(tmp_path / "here", clock) as here:
        sealed = await here.seal("w1", b"token", context="row")
        write_archive(tmp_path / "here", tmp_path / "backup.tar.gz")
    await restored(tmp_path / "there", tmp_path / "backup.tar.gz", clock)
    with running(tmp_path / "there", clock) as there:
        assert await there.open("w1", sealed, context="row") == b"token"


async def test_a_backup_restored_under_a_running_gateway_opens_again_even_what_was_lost_since(
    tmp_path: Path, clock: MovedClock
):
    with running(tmp_path / "here", clock) as here:
        before = await here.seal("w1", b"before", context="row")
        write_archive(tmp_path / "here", tmp_path / "backup.tar.gz")
        with closing(SqliteTable(tmp_path / "here" / DATABASE, clock)) as table:
            await table.delete(keys.data_key("w1"))
        since = await here.seal("w1", b"since", context="row")
        await restored(tmp_path / "here", tmp_path / "backup.tar.gz", clock)
        assert await here.open("w1", before, context="row") == b"before"
        assert await here.open("w1", since, context="row") is None
        after = await here.seal("w1", b"after", context="row")
    with running(tmp_path / "here", clock) as next_start:
        assert await next_start.open("w1", after, context="row") == b"after"


async def test_a_backup_of_another_machine_restored_under_a_running_gateway_brings_its_own_key_file(
    tmp_path: Path, clock: MovedClock
):
    with running(tmp_path / "there", clock) as there:
        theirs = await there.seal("org", b"theirs", context="row")
        write_archive(tmp_path / "there", tmp_path / "backup.tar.gz")
    with running(tmp_path / "here", clock) as here:
        ours = await here.seal("org", b"ours", context="row")
        await restored(tmp_path / "here", tmp_path / "backup.tar.gz", clock)
        assert await here.open("org", theirs, context="row") == b"theirs"
        assert await here.open("org", ours, context="row") is None


async def test_a_database_without_its_key_file_is_refused_in_words_and_opens_once_the_file_is_back(
    tmp_path: Path, clock: MovedClock
):
    with running(tmp_path, clock) as gateway:
        sealed = await gateway.seal("org", b"token", context="row")
        (tmp_path / KEY_FILE).rename(tmp_path / "mislaid")
    with running(tmp_path, clock) as gateway:
        for _ in range(2):
            with pytest.raises(KeyRefused, match="Restore the key file"):
                await gateway.open("org", sealed, context="row")
            with pytest.raises(KeyRefused, match="Restore the key file"):
                await gateway.seal("org", b"new", context="row")
        (tmp_path / "mislaid").replace(tmp_path / KEY_FILE)
        clock.now += FRESH_S
        assert await gateway.open("org", sealed, context="row") == b"token"
