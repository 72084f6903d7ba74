"""Databases as gateways before this one left them, with people in them: opened, and everybody is still there."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core.admin.state import read_state
from gateway_core.errors import SignInFailed, StoreUnavailable
from gateway_core.local.data_folder import DATABASE
from gateway_core.ports import Key, Put
from gateway_core.registry.directory import Directory
from gateway_core.registry.members import Roles
from gateway_core.storage import keys
from gateway_core.storage.backup import restore_database
from gateway_core.storage.database import version_of
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.storage.upgrade import MIGRATIONS, open_database
from tests.contracts.aws import dynamo_table
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import data_of, files_in
from tests.flows.signing_in import NOW, built_in
from tests.programs import ROOT

LAYOUT_1 = Path(__file__).with_name("layout_1.sql")
"""Ana, the owner, with this password; Ben, invited as an auditor; a workspace, a server, a group, a key."""
PASSWORD = "three words and a comma"
MEMBERS = ("MEMBER#p-7sfh6yrx", "MEMBER#p-kdf39skj")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of layout 1."""
    made = tmp_path / DATABASE
    with closing(sqlite3.connect(made)) as connection:
        connection.executescript(LAYOUT_1.read_text(encoding="utf-8"))
    return made


def items(path: Path) -> dict[tuple[str, str, str], tuple[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return {tuple(row[:3]): row[3:] for row in connection.execute("SELECT space, pk, sk, data, version FROM items")}


async def test_people_of_layout_1_sign_in_and_are_listed_and_the_set_up_link_stays_closed(path: Path):
    async with built_in(path.parent) as signing:
        assert [one.email for one in await signing.people.everyone()] == ["ana@acme.dev", "ben@acme.dev"]
        assert not await signing.parts.setup.is_open()
        ana = await signing.parts.entrance.by_password("ana@acme.dev", PASSWORD)
        assert (ana.id, ana.roles.organisation) == ("p-7sfh6yrx", "owner")
        with pytest.raises(SignInFailed):
            await signing.parts.entrance.by_password("ana@acme.dev", "another password")
        ben = await signing.people.by_email("ben@acme.dev")
        assert ben is not None
        link = await signing.parts.invitations.make(ben.id, by=ana.id)
        await signing.parts.invitations.accept(link, name="Ben", password=PASSWORD)
        ben = await signing.parts.entrance.by_password("ben@acme.dev", PASSWORD)
        assert ben.roles == Roles("auditor")
        await signing.people.remove(ben.id)
        assert [one.email for one in await signing.people.everyone()] == ["ana@acme.dev"]


async def test_the_registry_of_layout_1_is_as_it_was_and_its_revisions_go_on(path: Path):
    async with built_in(path.parent) as signing:
        state = await read_state(signing.table)
        assert (state.organisation, state.head_version) == ("Acme", 4)
        assert (list(state.workspaces), list(state.servers)) == (["research"], ["weather"])
        assert [row.group for row in state.groups.record] == ["eng"]
        head = await data_of(signing.table, keys.organisation_head())
        assert head is not None
        directory = Directory(signing.table)
        ben = await directory.member("p-kdf39skj", head["revision"])
        assert ben is not None
        await signing.people.change(ben.id, given=Roles("admin"))
        after = await data_of(signing.table, keys.organisation_head())
        assert after is not None
        assert after["revision"] != head["revision"]
        assert await directory.member(ben.id, after["revision"]) != ben


def test_what_layout_1_held_is_all_there_and_people_are_no_longer_beside_servers(path: Path):
    before = items(path)
    open_database(path, now=NOW).close()
    after = items(path)
    moved = dict.fromkeys((*MEMBERS, "FIRST-OWNER"), "PEOPLE") | {"HEAD": "HEAD"}
    assert after == {(t, moved.get(sk, pk) if pk == "ORG" else pk, sk): it for (t, pk, sk), it in before.items()}
    assert {sk.partition("#")[0] for _, pk, sk in after if pk == "ORG"} == {"WORKSPACE", "SERVER", "GROUPS"}
    assert files_in(path.parent) == [DATABASE, f"{DATABASE}.v1-{NOW}.bak"]
    assert items(path.with_name(f"{DATABASE}.v1-{NOW}.bak")) == before


def upgrade_and_die(path: Path) -> None:
    """What a process does that is killed in the last moment before the upgrade holds."""
    open_database(path, now=NOW, migrations=(*MIGRATIONS, lambda _: os.kill(os.getpid(), signal.SIGKILL)))


async def test_an_upgrade_of_layout_1_that_is_killed_before_its_end_has_not_begun(path: Path):
    before = items(path)
    program = f"from {__name__} import *; upgrade_and_die(Path({str(path)!r}))"
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert items(path) == before
    async with built_in(path.parent) as signing:
        assert (await signing.parts.entrance.by_password("ana@acme.dev", PASSWORD)).email == "ana@acme.dev"
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == len(MIGRATIONS)


async def test_a_backup_of_layout_1_is_restored_into_a_gateway_of_this_one(path: Path, clock: MovedClock):
    running = path.with_name("running.db")
    with closing(SqliteTable(running, clock)) as table:
        restore_database(path, running, now=NOW)
        assert await table.get(keys.first_owner()) is not None
        assert await table.get(keys.member("p-7sfh6yrx")) is not None


async def test_an_owner_who_is_noted_in_the_old_place_alone_keeps_the_set_up_link_closed(aws_url: str, path: Path):
    async with built_in(path.parent) as signing:
        for key, is_open in ((None, True), (keys.first_owner(), False), (keys.first_owner_of_old(), False)):
            table = await dynamo_table(aws_url, MovedClock())
            if key is not None:
                await table.put(key, {"at": NOW})
            setup = replace(signing.parts.setup, table=table)
            assert (await setup.is_open(), await setup.token() is not None) == (is_open, is_open)


@pytest.mark.parametrize("sk", ["HEAD", "FIRST-OWNER", "MEMBER#p-new"])
async def test_a_gateway_of_layout_1_that_still_runs_can_make_no_second_owner(path: Path, clock: MovedClock, sk: str):
    with closing(SqliteTable(path, clock)) as table:
        with pytest.raises(StoreUnavailable):
            await table.transact([Put(keys.member_email("eve@acme.dev"), {}), Put(Key("registry", "ORG", sk), {})])
        assert await table.get(keys.member_email("eve@acme.dev")) is None
        await table.put(keys.server("s"), {})
