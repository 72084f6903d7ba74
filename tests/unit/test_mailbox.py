"""What is put aside in a box by several at the same time."""

import os
from typing import Any

from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Item
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.storage.sqlite import SqliteTable


class Overtaken(SqliteTable):
    """Somebody else, `faster`, writes between the first time that it is read and the write after that."""

    faster: Any = None

    async def put(self, *given: Any, **named: Any) -> Item:
        faster, self.faster = self.faster, None
        if faster is not None:
            await faster()
        return await super().put(*given, **named)


async def test_of_two_that_swap_at_the_same_time_the_slower_one_gets_what_the_other_put_there(tmp_path):
    table = Overtaken(tmp_path / "gatehouse.db", lambda: 0)
    box = Mailbox(table, LocalKeyring(tmp_path / "key", random_bytes=os.urandom), lambda: 0)

    async def swap(value: str) -> Any:
        return await box.swap("b", "N", value, unless="closed", for_s=60)

    async def close() -> None:
        assert await swap("closed") == "first"

    try:
        assert await swap("first") is None
        table.faster = close
        # What was put there in between stays, because nothing replaces it.
        assert await swap("late") == "closed"
        assert await box.kept("b", "N") == "closed"
        table.faster = None
        assert await swap("later still") == "closed"
    finally:
        table.close()
