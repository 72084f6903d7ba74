"""The registry as it stands, read whole: what a change is planned against."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway_core.ports import Item, Partition, Table
from gateway_core.registry import client_policy, jwt_validation, servers, workspaces
from gateway_core.registry.client_policy import ClientPolicy
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.signin import groups
from gateway_core.signin.groups import GroupMapping
from gateway_core.storage import keys

T = TypeVar("T")
Mapping = tuple[GroupMapping, ...]


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
    groups: "Stored[Mapping]" = field(default_factory=lambda: Stored((), 0))
    """Which groups give which roles; version 0 while nobody has said."""
    jwt_validation: "Stored[JwtValidation] | None" = None
    """Which tokens of other issuers are believed where a server says nothing of its own."""
    clients: "Stored[ClientPolicy]" = field(default_factory=lambda: Stored(ClientPolicy(), 0))
    """Which OAuth clients may ask people; version 0 while nobody has said."""


async def read_state(table: Table) -> State:
    """Read the registry."""
    wanted = [keys.organisation_head(), keys.group_mapping(), keys.jwt_validation(), keys.client_policy()]
    head, mapping, believed, allowed = await table.get_many(wanted)
    found_workspaces = {
        item.data["slug"]: Stored(workspaces.workspace_from_data(item.data), item.version)
        async for item in every(table, keys.ORGANISATION, keys.WORKSPACE_PREFIX)
    }
    found_servers = {
        item.data["slug"]: Stored(servers.from_data(item.data), item.version)
        async for item in every(table, keys.ORGANISATION, keys.SERVER_PREFIX)
    }
    return State(
        organisation=None if head is None else head.data["name"],
        head_version=0 if head is None else head.version,
        workspaces=found_workspaces,
        servers=found_servers,
        groups=Stored((), 0) if mapping is None else Stored(groups.from_data(mapping.data), mapping.version),
        jwt_validation=(
            None if believed is None else Stored(jwt_validation.from_data(believed.data), believed.version)
        ),
        clients=(
            Stored(ClientPolicy(), 0)
            if allowed is None
            else Stored(client_policy.from_data(allowed.data), allowed.version)
        ),
    )


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
