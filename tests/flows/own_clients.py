"""A gateway that registers itself at authorization servers, without its web."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway_core.connect.asking import EgressAsker
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.discovery import Found
from gateway_core.connect.kept_clients import KeptClients
from gateway_core.connect.registration import Registration, Registrations
from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.egress import Egress, Policy
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth, UpstreamAuth
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import Vault
from tests.canary.marks import marked
from tests.flows.sites import Said, Site

PUBLIC = "https://gateway.example"
NOW = 1_800_000_000


@dataclass
class Gateway:
    """One process of a gateway."""

    registrations: Registrations
    egress: Egress
    table: SqliteTable

    async def at(self, found: Found, auth: UpstreamAuth | None = None, *, server_id: str = "s1") -> Registration:
        server = Server(server_id, "linear", "Linear", "https://mcp.example.com/mcp", "auto", auth or OAuth(), "all")
        return await self.registrations.at(server, found, EgressAsker(self.egress), organisation="Acme GmbH")

    async def refused(self, found: Found, auth: UpstreamAuth | None = None) -> str:
        with pytest.raises(DiscoveryFailed) as problem:
            await self.at(found, auth)
        assert problem.value.steps[-1].told == problem.value.message
        return problem.value.message


@asynccontextmanager
async def gateway(
    folder: Path, clock: list[int], public_url: str = PUBLIC, document: str = "none"
) -> AsyncIterator[Gateway]:
    table, egress = SqliteTable(folder / "gatehouse.db", lambda: clock[0]), Egress(Policy(loopback=True))
    data_keys = LocalDataKeys(LocalKeyring(folder / "sealing.key", random_bytes=os.urandom), os.urandom)
    vault = Vault(table, data_keys, os.urandom, lambda: clock[0])
    own = OwnClient.at(public_url, document)
    yield Gateway(Registrations(KeptClients(table, vault), lambda: clock[0], own), egress, table)
    await egress.close()
    table.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def registers(auth: Site, **members: Any) -> None:
    made: list[str] = []

    async def register(body: bytes) -> Said:
        made.append(f"c{len(made) + 1}")
        client = {"client_id": made[-1], "client_secret": marked(made[-1]), **json.loads(body), **members}
        return Said({name: value for name, value in client.items() if value is not None}, 201)

    auth.pages["POST /register"] = register


def found_at(auth: Site, **parts: Any) -> Found:
    issuer = auth.url
    return Found(**{
        "resource": "https://mcp.example.com/mcp", "scopes": ("mcp:read",), "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register", "revocation_endpoint": None,
        "auth_methods": ("none", "client_secret_post", "client_secret_basic"), "iss_supported": True,
        "documents_supported": False, "steps": (), **parts,
    })  # fmt: skip
