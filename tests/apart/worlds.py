"""Gateways that are several processes with nothing in common but the store: two workers on one database file, two on
DynamoDB, several Lambda runtimes behind a front that takes another one for each request."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.compose_lean import unix_time
from gateway_core.local.data_folder import DATABASE
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.ports import Table
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.storage.sqlite import SqliteTable
from tests.apart.tap import Tap
from tests.canary.watch import WATCH
from tests.contracts.aws import json_api, new_id
from tests.flows.upstreams import serving
from tests.lambda_.fake_runtime_api import FakeRuntimeApi, runtime
from tests.lambda_.front import Front
from tests.lambda_.role import Guarded, Role
from tests.lambda_.test_events import deployment
from tests.processes import free_port, running
from tests.programs import own_python

Kind = Literal["sqlite", "dynamo", "lambda"]
LISTEN_S = "10"
"""A Lambda does not learn that the client has left a stream; it is busy until this is over."""
INVOCATION_S = 20.0
"""How long an invocation may take here; that of a client's HTTP+SSE stream takes as long as it may."""
RUNTIMES = 9
"""Of which a few are always busy with streams that their clients have left."""


@dataclass
class World:
    """One gateway."""

    kind: Kind
    doors: tuple[str, str]
    """Two addresses, of two processes. On Lambda both are the front, which gives no two requests in a row to one."""
    admin: Administration
    key: str = ""
    other_key: str = ""
    """Of another caller."""
    pids: tuple[int, ...] = ()
    """The processes behind the doors, where each has one of its own."""
    guarded: Guarded | None = None
    """What stands before the tables where they are DynamoDB's."""

    async def serve(self, slug: str, url: str, **fields: Any) -> None:
        """Put the server at `url` behind the gateway."""
        server = {"slug": slug, "url": url, "workspaces": ["test"], **fields}
        await self.admin.apply(ApplyDraft(config=ConfigDraft.model_validate({"servers": [server]})))


@asynccontextmanager
async def world(kind: Kind, folder: Path) -> AsyncGenerator[World]:
    """A gateway of that kind, with a workspace and a key."""
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            _on_sqlite(folder) if kind == "sqlite" else _on_dynamo(folder) if kind == "dynamo" else _on_lambda(folder)
        )
        await made.admin.apply(ApplyDraft(config=ConfigDraft.model_validate({"workspaces": [{"slug": "test"}]})))
        made.key, made.other_key = [
            (await made.admin.create_key(KeyDraft(workspace="test", kind="service", subject=subject), by="test"))[0]
            for subject in ("ci", "another")
        ]
        yield made


@asynccontextmanager
async def _on_sqlite(folder: Path) -> AsyncGenerator[World]:
    table = SqliteTable(folder / DATABASE, unix_time)
    with contextlib.closing(table), _workers(folder, {"GATEHOUSE_DATA": str(folder)}) as (doors, pids):
        yield World("sqlite", doors, _administration(folder, table), pids=pids)


@asynccontextmanager
async def _on_dynamo(folder: Path) -> AsyncGenerator[World]:
    async with _on_aws() as (environment, table, guarded):
        with _workers(folder, environment) as (doors, pids):
            yield World("dynamo", doors, _administration(folder, table), pids=pids, guarded=guarded)


@asynccontextmanager
async def _on_lambda(folder: Path) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        environment, table, guarded = await stack.enter_async_context(_on_aws())
        runtimes = []
        for _ in range(RUNTIMES):
            made = await stack.enter_async_context(runtime("tests.lambda_.whole.app", 900, **environment))
            made.freezes, made.lasts_s = True, INVOCATION_S
            stack.push_async_callback(_read_on(made))
            runtimes.append(made)
        door = f"http://127.0.0.1:{await stack.enter_async_context(serving(Front(runtimes)))}"
        yield World("lambda", (door, door), _administration(folder, table), guarded=guarded)


@asynccontextmanager
async def _on_aws() -> AsyncGenerator[tuple[dict[str, str], Table, Guarded]]:
    """The environment of a function, the tables as an administrator reaches them, and what a function passes to
    reach them."""
    async with deployment() as environment:
        url = environment["AWS_ENDPOINT_URL"]
        names: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        guarded = Guarded(url, Role.of_template("McpRole"), {name: table for table, name in names.items()})
        async with serving(guarded) as port:
            table = DynamoTable(json_api(url, unix_time), names, unix_time, new_id=new_id)
            yield environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "LISTEN_S": LISTEN_S}, table, guarded


@contextlib.contextmanager
def _workers(folder: Path, environment: Mapping[str, str]) -> Generator[tuple[tuple[str, str], tuple[int, ...]]]:
    with contextlib.ExitStack() as stack:

        def start(name: str) -> tuple[str, int]:
            door = f"http://127.0.0.1:{(port := free_port())}"
            chosen = {**environment, "PORT": str(port), "LISTEN_S": LISTEN_S}
            command, log = [str(own_python()), "-m", "tests.apart.worker"], folder / f"{name}.log"
            program = running(command, ready=f"{door}/healthz", log=log, environment=chosen)
            return door, stack.enter_context(program).pid

        (here, first), (there, second) = start("here"), start("there")
        yield (here, there), (first, second)


def _administration(folder: Path, table: Table) -> Administration:
    secrets = LocalSecrets(table, LocalKeyring(folder / "unused.key", random_bytes=os.urandom))
    return Administration(table, secrets, unix_time, check_url=str)


def _read_on(made: FakeRuntimeApi) -> Callable[[], Awaitable[None]]:
    """Reads what the process says, lest its pipes are full; gives what ends that."""
    assert made.process.stdout
    assert made.process.stderr

    async def heard(pipe: asyncio.StreamReader) -> None:
        while said := await pipe.read(2**16):
            WATCH.hear("log", "a Lambda runtime", said)

    tasks = [asyncio.create_task(heard(pipe)) for pipe in (made.process.stdout, made.process.stderr)]

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return stop


@asynccontextmanager
async def tapped(url: str) -> AsyncGenerator[tuple[Tap, str]]:
    """A tap before the server at `url`, and where it is."""
    origin, _, path = url.removeprefix("http://").partition("/")
    async with httpx2.AsyncClient(trust_env=False, timeout=None) as http:
        tap = Tap(f"http://{origin}", http)
        async with serving(tap) as port:
            yield tap, f"http://127.0.0.1:{port}/{path}"
