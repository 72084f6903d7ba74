"""Writes to a SqliteTable until it is done or killed: `… FILE pairs|counts`; says what is acknowledged."""

import asyncio
import sys
from pathlib import Path

from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Key, Put, Table, Unchanged
from gateway_core.storage.sqlite import SqliteTable

PAIRS = 1_000
COUNTS = 50
SHARED = Key("registry", "ORG", "SHARED")


def half(n: int, side: str) -> Key:
    return Key("registry", "PAIRS", f"{n:04}{side}")


async def write_pairs(table: Table) -> None:
    """Two items at a time, so that half a write would show."""
    for n in range(PAIRS):
        await table.transact([Put(half(n, "a"), {"n": n}), Put(half(n, "b"), {"n": n, "text": "x" * 3_000})])
        print(n, flush=True)


async def count_up(table: Table) -> None:
    """Read, add one, write if nobody else did; over again if somebody did."""
    done = 0
    while done < COUNTS:
        item = await table.get(SHARED)
        try:
            if item is None:
                await table.put(SHARED, {"n": 1}, when=ABSENT)
            else:
                await table.put(SHARED, {"n": item.data["n"] + 1}, when=Unchanged(item.version))
        except Conflict:
            continue
        done += 1


if __name__ == "__main__":
    work = {"pairs": write_pairs, "counts": count_up}[sys.argv[2]]
    asyncio.run(work(SqliteTable(Path(sys.argv[1]), lambda: 1_800_000_000)))
