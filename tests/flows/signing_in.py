"""Signing in, on a data folder of its own, with or without an identity provider."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_core.compose_lean import StandardOutput, World, policy
from gateway_core.compose_oauth import sign_in
from gateway_core.local.data_folder import DATABASE, KEY_FILE
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.registry.members import Member
from gateway_core.registry.people import People
from gateway_core.settings import Settings
from gateway_core.signin.cookies import new_value
from gateway_core.signin.provider import Provider
from gateway_core.signin.sign_in import SignIn
from gateway_core.storage.sqlite import SqliteTable
from tests.oidc import CLIENT_ID, CLIENT_SECRET, FakeProvider, provider, signed_in_at

NOW = 1_795_000_000


@dataclass
class Signing:
    """The parts under test, and what tests move."""

    parts: SignIn
    people: People
    table: SqliteTable
    clock: list[int]

    @property
    def provider(self) -> Provider:
        assert self.parts.provider is not None
        return self.parts.provider

    async def back(self, browser: str, next_path: str = "/oauth/account") -> str:
        """What a browser brings back after it went to the provider."""
        return await signed_in_at(await self.provider.begin(next_path=next_path, browser=browser))

    async def through(self, next_path: str = "/oauth/account", **how: Any) -> Member:
        """All the way in."""
        browser = new_value()
        arrived = await self.provider.finish(await self.back(browser, next_path), browser=browser)
        return await self.parts.entrance.arrived(arrived, **how)


@asynccontextmanager
async def built_in(folder: Path, clock: list[int] | None = None, **settings: Any) -> AsyncIterator[Signing]:
    """People have passwords, unless the settings name a provider."""
    now = clock or [NOW]
    table = SqliteTable(folder / DATABASE, lambda: now[0])
    chosen = Settings(public_url="http://127.0.0.1:8787", gatehouse_data=folder, **settings)
    keyring = LocalKeyring(folder / KEY_FILE, random_bytes=os.urandom)
    secrets, data_keys = LocalSecrets(table, keyring), LocalDataKeys(keyring, os.urandom)
    world = World(table, keyring, data_keys, secrets, StandardOutput(), lambda: now[0], policy(chosen))
    parts = sign_in(chosen, world)
    try:
        yield Signing(parts, People(table, world.clock), table, now)
    finally:
        await parts.close()
        table.close()


@asynccontextmanager
async def with_provider(folder: Path, **settings: Any) -> AsyncIterator[tuple[Signing, FakeProvider]]:
    """People sign in at a provider."""
    clock = [NOW]
    async with provider(lambda: clock[0]) as idp:
        known = {"oidc_issuer": idp.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        async with built_in(folder, clock, **{**known, **settings}) as made:
            yield made, idp
