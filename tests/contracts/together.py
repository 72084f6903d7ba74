"""Tables by which processes meet at the same step, or are counted."""

import asyncio
from typing import Any

from gateway_core.ports import Table
from gateway_core.storage import keys


class Together:
    """A store that answers its first question for the keys when every process has asked it."""

    def __init__(self, table: Table, all_here: asyncio.Barrier) -> None:
        self._table, self._all_here, self._first = table, all_here, True

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._table, verb)

    async def get(self, key: Any) -> Any:
        found = await self._table.get(key)
        if key == keys.identity_keys() and self._first:
            self._first = False
            await self._all_here.wait()
        return found


class Counted:
    """A store that counts who asks for the keys."""

    def __init__(self, table: Table) -> None:
        self._table, self.gets = table, 0
        self.refusal: Exception | None = None
        """What becomes of every write."""

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._table, verb)

    async def get(self, key: Any) -> Any:
        self.gets += key == keys.identity_keys()
        return await self._table.get(key)

    async def put(self, key: Any, data: Any, **named: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return await self._table.put(key, data, **named)
