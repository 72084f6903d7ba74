"""Which accounts are connected: a member's own, and those at a server. Their tokens stay sealed."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from gateway_core.ports import Item, Partition, Table
from gateway_core.storage import keys
from gateway_core.upstream.connections import Connection, from_data

PAGE = 100
"""Items of one look: as many as `Table.get_many` takes."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Reads."""

    table: Table

    async def of_member(self, member_id: str) -> list[Connection]:
        """A member's own accounts, by server id."""
        pointers = [item async for item in self._all(keys.member_grants(member_id), keys.CONNECTION_PREFIX)]
        places = [keys.connection(item.data["server_id"], member_id) for item in pointers]
        found: list[Connection] = []
        for start in range(0, len(places), PAGE):
            items = await self.table.get_many(places[start : start + PAGE])
            found.extend(from_data(item.data, item.version) for item in items if item is not None)
        return found

    async def of_server(self, server_id: str) -> list[Connection]:
        """Every account at a server, by holder id."""
        partition = keys.server_connections(server_id)
        return [from_data(item.data, item.version) async for item in self._all(partition, keys.HOLDER_PREFIX)]

    async def _all(self, partition: Partition, prefix: str) -> AsyncGenerator[Item]:
        after: str | None = None
        while True:
            page = await self.table.query(partition, prefix=prefix, after=after, limit=PAGE)
            for item in page.items:
                yield item
            after = page.after
            if after is None:
                return
