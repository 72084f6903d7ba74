"""The registry as it stands, read whole: what a change is planned against."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway_core.ports import Item, Partition, Table
from gateway_core.registry import servers, workspaces
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A record and the version it was read at."""

    record: T
    version: int


@dataclass(frozen=True, slots=True)
class State:
    """Everything an administrator decided, by slug. `organisation` is None before the first change."""

    organisation: str | None
    head_version: int
    workspaces: dict[str, "Stored[Workspace]"]
    servers: dict[str, "Stored[Server]"]


async def read_state(table: Table) -> State:
    """Read the registry."""
    head = await table.get(keys.organisation_head())
    found_workspaces = {
        item.data["slug"]: Stored(workspaces.workspace_from_data(item.data), item.version)
        async for item in every(table, keys.ORGANISATION, keys.WORKSPACE_PREFIX)
    }
    found_servers = {
        item.data["slug"]: Stored(servers.from_data(item.data), item.version)
        async for item in every(table, keys.ORGANISATION, keys.SERVER_PREFIX)
    }
    if head is None:
        return State(None, 0, found_workspaces, found_servers)
    return State(head.data["name"], head.version, found_workspaces, found_servers)


async def every(table: Table, partition: Partition, prefix: str) -> AsyncGenerator[Item]:
    """All items of a partition whose sort key starts with `prefix`."""
    after: str | None = None
    while True:
        page = await table.query(partition, prefix=prefix, after=after, limit=500)
        for item in page.items:
            yield item
        after = page.after
        if after is None:
            return
