"""Connected accounts in the store: whole again, sealed for their holder alone, gone when they are removed."""

import json
from dataclasses import fields, replace

import pytest

from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Condition, Unchanged
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream import connections
from gateway_core.upstream.connections import Connection, Connections, Tokens, from_data, to_data
from gateway_core.upstream.holders import Holder, connection_key, holder_of
from gateway_core.vault import HELD_S
from tests.flows.token_servers import TokenServer, connection
from tests.unit.upstream.processes import HOLDER, NOW, SERVER, Failing, world

SECRETS = Tokens("at-s3cret", "rt-s3cret", "cs-s3cret")
MADE = connection(SERVER, TokenServer(), HOLDER, now=NOW)


async def saved(store: Connections, made: Connection, tokens: Tokens, *, when: Condition = ABSENT) -> Connection:
    return await store.put(await store.sealed(made, tokens), when=when)


def test_a_connection_comes_back_as_it_went_with_every_field():
    odd = replace(
        MADE, revocation_endpoint="https://x.example/r", resource=None, account=None, expires_at=None, state="broken",
        why="x", wanted=("w",), step_ups=1, not_before=7, failures=2, sealed="s",
    )  # fmt: skip
    for made in (MADE, odd):
        assert from_data(json.loads(json.dumps(to_data(made))), 3) == replace(made, version=3)
    assert {*to_data(MADE), "version"} == {one.name for one in fields(Connection)}


def test_whose_an_account_is_follows_from_who_calls_and_how_it_is_shared():
    known = {"workspace_id": "ws-1", "member_id": "p-1"}
    assert holder_of("organisation", **known) == Holder("organisation", "org")
    assert holder_of("workspace", **known) == Holder("workspace", "ws-1")
    assert holder_of("user", **known) == Holder("user", "p-1")
    assert holder_of("user", workspace_id="ws-1", member_id=None) is None
    assert connection_key(SERVER, "ws-1", "p-1") == keys.connection(SERVER.id, "p-1")
    assert connection_key(SERVER, "ws-1", None) is None
    # A workspace's tokens go with the workspace; all others are the organisation's to shred.
    assert Holder("workspace", "ws-1").place == "ws-1"
    assert Holder("user", "p-1").place == Holder("organisation", "org").place == "org"


async def test_what_is_stored_and_shown_holds_no_token(tmp_path):
    with world(tmp_path) as outside:
        process = outside.process()
        stored = await saved(process.connections, MADE, SECRETS)
        item = await outside.table.get(MADE.key)
        assert item is not None
        assert "s3cret" not in json.dumps(item.data)
        for shown in (repr(SECRETS), repr(stored), repr(process.connections), str(stored)):
            assert "s3cret" not in shown
            assert stored.sealed not in shown
        # A process that never saw them opens them all the same.
        assert await outside.process().connections.tokens(stored) == SECRETS


async def test_tokens_open_for_their_own_server_holder_and_issuer_alone(tmp_path):
    with world(tmp_path) as outside:
        mine = await saved(outside.process().connections, MADE, SECRETS)
        for moved in (
            replace(mine, holder=Holder("user", "p-33333333")),
            replace(mine, holder=Holder("workspace", HOLDER.id)),
            replace(mine, server_id="other-23456789"),
            replace(mine, issuer="https://evil.example"),
            replace(mine, sealed=mine.sealed[:-8] + "AAAAAAA="),
        ):
            process = outside.process()
            assert await process.connections.tokens(mine) == SECRETS
            assert await process.connections.tokens(moved) is None
        assert await outside.process().connections.tokens(replace(mine, sealed="")) is None


async def test_opened_tokens_are_kept_for_the_next_call_and_no_more_of_them_than_there_is_room_for(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(connections, "MAX_HELD", 2)
    with world(tmp_path) as outside:
        asked: list[str] = []

        def watch(verb: str, _: object) -> None:
            asked.append(verb)

        table = Failing(outside.table, watch)
        mine = await saved(outside.process().connections, MADE, SECRETS)
        others = [
            await saved(
                outside.process().connections, replace(MADE, holder=Holder("user", f"p-{n}")), Tokens(f"at-{n}")
            )
            for n in range(2)
        ]
        process = outside.process(table=table)
        await process.connections.tokens(mine)
        asked.clear()
        assert await process.connections.tokens(mine) == SECRETS
        assert asked == []
        for other in others:
            await process.connections.tokens(other)
        assert len(process.connections._opened) == 2
        assert await process.connections.tokens(mine) == SECRETS


@pytest.mark.parametrize("how", ["opened", "sealed"])
async def test_opened_tokens_are_let_go_of_like_the_key_that_opened_them(tmp_path, how):
    with world(tmp_path) as outside:
        process, other = outside.process(), outside.process()
        mine = await saved(process.connections, MADE, SECRETS)
        reading = process if how == "sealed" else other
        assert await reading.connections.tokens(mine) == SECRETS
        await outside.table.delete(keys.data_key("org"))
        outside.now[0] += HELD_S - 1
        assert await reading.connections.tokens(mine) == SECRETS
        outside.now[0] += 1
        assert await reading.connections.tokens(mine) is None
        # Nor do they lie there until somebody asks for them.
        await saved(reading.connections, replace(MADE, holder=Holder("user", "p-1")), SECRETS)
        assert len(reading.connections._opened) == 1


async def test_writes_hold_to_the_version_that_was_read(tmp_path):
    with world(tmp_path) as outside:
        store = outside.process().connections
        first = await saved(store, MADE, SECRETS)
        with pytest.raises(Conflict):
            await saved(store, MADE, SECRETS)
        second = await saved(store, first, Tokens("at-2"), when=Unchanged(first.version))
        with pytest.raises(Conflict):
            await store.put(replace(first, state="broken"), when=Unchanged(first.version))
        # What is not secret is written without sealing anew.
        noted = await store.put(replace(second, state="broken", why="x"), when=Unchanged(second.version))
        assert (noted.state, noted.why, noted.version, noted.sealed) == ("broken", "x", 3, second.sealed)
        assert await store.tokens(noted) == Tokens("at-2")


async def test_an_account_of_a_member_is_noted_under_them_until_it_is_removed(tmp_path):
    with world(tmp_path) as outside:
        store = outside.process().connections
        await store.add(MADE, SECRETS)
        pointer = await outside.table.get(keys.member_connection(HOLDER.id, SERVER.id))
        assert pointer is not None
        assert pointer.data == {"server_id": SERVER.id}
        found = await store.get(SERVER.id, HOLDER)
        assert found is not None
        await store.remove(found)
        assert await store.get(SERVER.id, HOLDER) is None
        assert await outside.table.get(keys.member_connection(HOLDER.id, SERVER.id)) is None
        shared = replace(MADE, holder=Holder("organisation", "org"))
        await store.add(shared, SECRETS)
        assert await outside.table.get(keys.member_connection("org", SERVER.id)) is None


async def test_an_account_that_is_connected_again_is_never_taken_for_the_one_before(tmp_path):
    with world(tmp_path) as outside:
        store = outside.process().connections
        await store.add(MADE, Tokens("at-of-ana"))
        first = await store.get(SERVER.id, HOLDER)
        assert first is not None
        assert await store.tokens(first) == Tokens("at-of-ana")
        await store.remove(first)
        # Also for a process whose clock is behind.
        behind = SqliteTable(tmp_path / "store.db", lambda: NOW - 30)
        assert await behind.get(MADE.key) is None
        behind.close()
        await store.add(replace(MADE, account="other"), Tokens("at-of-other"))
        second = await store.get(SERVER.id, HOLDER)
        assert second is not None
        assert second.version > first.version
        assert await store.tokens(second) == Tokens("at-of-other")
        with pytest.raises(Conflict):
            await store.put(first, when=Unchanged(first.version))
