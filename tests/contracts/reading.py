"""What tests look at: items without their keys, and files."""

import stat
from pathlib import Path
from typing import Any

from gateway_core.ports import Item, Key, Table

Seen = tuple[dict[str, Any], int, int | None]
"""Data, version, expiry."""


def seen(item: Item | None) -> Seen | None:
    return None if item is None else (dict(item.data), item.version, item.expires_at)


async def data_of(table: Table, key: Key) -> dict[str, Any] | None:
    item = await table.get(key)
    return None if item is None else dict(item.data)


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def damage(path: Path, start: int, end: int) -> None:
    content = bytearray(path.read_bytes())
    content[start:end] = b"\xff" * (end - start)
    path.write_bytes(content)
