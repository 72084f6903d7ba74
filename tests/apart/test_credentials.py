"""Two processes on one database file: what ends a credential at one ends it at the other, from the next request on."""

import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from gateway_core.access import api_keys
from gateway_core.access.grants import Grant, new_grant_id, new_token
from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.compose_lean import unix_time
from gateway_core.issuer import grants
from gateway_core.local.data_folder import DATABASE
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.registry.members import Member, Roles
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from tests.flows.gateways import call
from tests.flows.upstreams import upstream, weather
from tests.processes import free_port, running
from tests.programs import own_python

PUBLIC = "https://gateway.example"
PATH = "/test/weather/mcp"


@dataclass
class Pair:
    """Two processes, and somebody with a key and a token."""

    doors: tuple[str, str]
    admin: Administration
    table: SqliteTable
    http: httpx2.AsyncClient
    member: Member
    workspace_id: str
    grant: Grant
    token: str
    key: str
    key_id: str

    async def statuses(self, credential: str) -> list[int]:
        """What both processes answer."""
        headers = {"authorization": f"Bearer {credential}", "accept": "application/json, text/event-stream",
                   "host": "localhost"}  # fmt: skip
        return [(await self.http.post(door + PATH, json=call(), headers=headers)).status_code for door in self.doors]


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncGenerator[Pair]:
    table = SqliteTable(tmp_path / DATABASE, unix_time)
    secrets = LocalSecrets(table, LocalKeyring(tmp_path / "unused.key", random_bytes=os.urandom))
    admin = Administration(table, secrets, unix_time, check_url=str)
    async with upstream(weather) as server, httpx2.AsyncClient(trust_env=False, timeout=25) as http:
        with contextlib.closing(table), ExitStack() as stack:
            entry = {"slug": "weather", "url": server.url, "workspaces": ["test"]}
            config = {"workspaces": [{"slug": "test"}], "servers": [entry]}
            await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
            workspace_id = (await admin.state()).workspaces["test"].record.id
            key, made = await admin.create_key(KeyDraft(workspace="test", kind="user", subject="a@x.dev"), by="test")
            member = await admin.people.get(made.member_id or "")
            assert member is not None
            grant, token = await granted(table, member, workspace_id)
            doors = (started(stack, tmp_path, "here"), started(stack, tmp_path, "there"))
            yield Pair(doors, admin, table, http, member, workspace_id, grant, token, key, made.id)


def started(stack: ExitStack, folder: Path, name: str) -> str:
    door = f"http://127.0.0.1:{(port := free_port())}"
    environment = {"GATEHOUSE_DATA": str(folder), "PORT": str(port), "PUBLIC_URL": PUBLIC}
    command = [str(own_python()), "-m", "tests.apart.worker"]
    stack.enter_context(running(command, ready=f"{door}/healthz", log=folder / f"{name}.log", environment=environment))
    return door


async def granted(table: SqliteTable, member: Member, workspace_id: str) -> tuple[Grant, str]:
    now = unix_time()
    grant = Grant(
        id=new_grant_id(), place=workspace_id, member_id=member.id, client_id="c", client_name="Client",
        client_kind="registered", redirect_uri="http://127.0.0.1/callback", resource=PUBLIC + PATH, scope="mcp",
        created_at=now, expires_at=now + 86_400, refresh_hash="0" * 64, refreshed_at=now,
    )  # fmt: skip
    token = new_token("gha_", workspace_id, grant.id)
    lapses = grants.access_token(grant, api_keys.digest(token), expires_at=now + 3_600)
    await table.transact([grants.put(grant), grants.pointer(grant), lapses])
    return grant, token


async def revoke_the_grant(pair: Pair) -> None:
    assert await grants.Grants(pair.table, unix_time).revoke(pair.grant.place, pair.grant.id)


async def let_the_token_expire(pair: Pair) -> None:
    # Written over as it would be an hour later: nobody waits for that.
    expired = grants.access_token(pair.grant, api_keys.digest(pair.token), expires_at=unix_time() - 1)
    await pair.table.transact([expired])


async def let_the_grant_end(pair: Pair) -> None:
    key = keys.grant(pair.grant.place, pair.grant.id)
    ended = grants.put(replace(pair.grant, expires_at=unix_time() - 1), "any")
    await pair.table.put(key, ended.data, expires_at=unix_time() + 60)


async def remove_the_member(pair: Pair) -> None:
    await pair.admin.people.remove(pair.member.id)


async def take_the_workspace_away(pair: Pair) -> None:
    await pair.admin.people.change(pair.member.id, given=Roles())


async def revoke_the_key(pair: Pair) -> None:
    await pair.admin.revoke_key(pair.key_id, by="test")


ENDINGS: dict[str, tuple[Callable[[Pair], Awaitable[None]], int, int]] = {
    "the grant is revoked": (revoke_the_grant, 401, 200),
    "the token expires": (let_the_token_expire, 401, 200),
    "the grant ends": (let_the_grant_end, 401, 200),
    "the member is removed": (remove_the_member, 401, 401),
    "the member loses the workspace": (take_the_workspace_away, 401, 401),
    "the key is revoked": (revoke_the_key, 200, 401),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_what_ends_a_credential_counts_in_every_process_at_the_next_request(pair: Pair, name: str):
    end, with_token, with_key = ENDINGS[name]
    for _ in range(2):
        assert await pair.statuses(pair.token) == [200, 200]
        assert await pair.statuses(pair.key) == [200, 200]
    await end(pair)
    assert await pair.statuses(pair.token) == [with_token] * 2
    assert await pair.statuses(pair.key) == [with_key] * 2
