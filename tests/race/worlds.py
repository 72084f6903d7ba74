"""What the processes of a race share: one store, of either kind, and one time that can be moved for all of them."""

import mmap
import os
import secrets
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from gateway_core.compose_lean import StandardOutput, World, aws_world, json_api, policy
from gateway_core.egress import Policy
from gateway_core.local.data_folder import DATABASE, KEY_FILE
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.ports import Clock
from gateway_core.settings import Settings
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.storage.sqlite import SqliteTable

Store = Literal["sqlite", "dynamo"]


class SharedTime:
    """The time of a race: that of the machine and how far it was moved, in a file that every process maps."""

    def __init__(self, folder: Path) -> None:
        descriptor = os.open(folder / "time", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, 8)
            self._moved = mmap.mmap(descriptor, 8)
        finally:
            os.close(descriptor)

    def now(self) -> float:
        """Unix time."""
        return time.time() + float(struct.unpack("=d", self._moved[:])[0])

    def move(self, by_s: float) -> None:
        """Let time pass, everywhere at once. For the one who conducts."""
        (before,) = struct.unpack("=d", self._moved[:])
        self._moved[:] = struct.pack("=d", before + by_s)

    def clock(self, skew_s: float = 0.0) -> Clock:
        """The clock of a process, which is wrong by `skew_s`."""
        return lambda: int(self.now() + skew_s)


def world_of(settings: Settings, clock: Clock, environment: Mapping[str, str]) -> World:
    """The ports of one process, as it would be deployed, but for its clock and servers on this machine."""
    if settings.local:
        # As local.server makes it, which takes a second to load.
        table = SqliteTable(settings.gatehouse_data / DATABASE, clock)
        ring = LocalKeyring(settings.gatehouse_data / KEY_FILE, random_bytes=os.urandom)
        data_keys, kept = LocalDataKeys(ring, os.urandom), LocalSecrets(table, ring)
        return World(table, ring, data_keys, kept, StandardOutput(), clock, policy(settings))
    names: dict[Literal["registry", "grants"], str] = {
        "registry": settings.registry_table,
        "grants": settings.grants_table,
    }
    tables = DynamoTable(json_api(settings, environment), names, clock, new_id=lambda: secrets.token_hex(16))
    return replace(aws_world(settings, environment), table=tables, clock=clock, policy=Policy(loopback=True))
