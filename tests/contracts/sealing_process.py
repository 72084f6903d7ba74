"""Seals one text in a vault at the moment its input says so: `… FOLDER [URL REGISTRY GRANTS]`; prints what came of it.

On SQLite in the folder, or on DynamoDB at the URL; the key file is in the folder either way.
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Table
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import Vault
from tests.contracts.aws import json_api, new_id

NOW = 1_800_000_000


def clock() -> int:
    return NOW


def main(folder: Path, *tables: str) -> None:
    table: Table
    if tables:
        url, registry, grants = tables
        table = DynamoTable(json_api(url, clock), {"registry": registry, "grants": grants}, clock, new_id=new_id)
    else:
        table = SqliteTable(folder / "gatehouse.db", clock)
    keyring = LocalKeyring(folder / "sealing.key", random_bytes=os.urandom)
    sealing = Vault(table, LocalDataKeys(keyring, os.urandom), os.urandom, clock)
    sys.stdin.read(1)
    print(asyncio.run(sealing.seal("org", b"token", context="row")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
