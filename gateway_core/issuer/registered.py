"""Clients that an administrator entered, with or without a secret."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.errors import Invalid
from gateway_core.issuer import client_metadata
from gateway_core.issuer.client import AUTH_METHODS, AuthMethod, Client, new_secret, secret_digest
from gateway_core.issuer.client_metadata import Unacceptable
from gateway_core.issuer.grants import Grants
from gateway_core.ports import ABSENT, Clock, Item, Table
from gateway_core.registry.slugs import new_id
from gateway_core.storage import keys

_ID: Final = re.compile(r"c-[a-z0-9]{8}")
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Registered:
    """A client and who entered it. `created_at` is Unix seconds."""

    client: Client
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class RegisteredClients:
    """What an administrator does with clients."""

    table: Table
    clock: Clock

    async def create(
        self, name: str, redirect_uris: Sequence[str], *, auth_method: AuthMethod, by: str
    ) -> tuple[Registered, str | None]:
        """A new client, and its secret, which is shown once and never stored; None for a public client.

        Raises:
            Invalid: Name, redirect URIs or method cannot be used.
        """
        try:
            uris = client_metadata.redirect_uris({"redirect_uris": list(redirect_uris)})
            shown = client_metadata.name({"client_name": name})
        except Unacceptable as problem:
            raise Invalid(problem.why) from None
        if not shown:
            raise Invalid("Give the client a name: people see it when they are asked for consent.")
        if auth_method not in AUTH_METHODS:
            raise Invalid(f"The authentication method must be one of {', '.join(AUTH_METHODS)}.")
        secret = None if auth_method == "none" else new_secret()
        digest = None if secret is None else secret_digest(secret)
        client = Client(new_id("c"), "registered", shown, uris, auth_method, digest)
        made = Registered(client, self.clock(), by)
        await self.table.put(keys.oauth_client(client.id), _to_data(made), when=ABSENT)
        return made, secret

    async def all(self) -> list[Registered]:
        """Every one, oldest first."""
        found: list[Registered] = []
        after: str | None = None
        while True:
            page = await self.table.query(keys.ORGANISATION, prefix=keys.CLIENT_PREFIX, after=after, limit=_PAGE)
            found.extend(_from_data(item) for item in page.items)
            after = page.after
            if after is None:
                return sorted(found, key=lambda each: (each.created_at, each.client.id))

    async def delete(self, client_id: str) -> Registered | None:
        """Remove a client and every grant it has; None when there was none.

        It is removed first: what it is granted while this runs, it can never refresh.
        """
        if not _ID.fullmatch(client_id):
            return None
        item = await self.table.delete(keys.oauth_client(client_id))
        if item is None:
            return None
        await Grants(self.table, self.clock).revoke_of_client(client_id)
        return _from_data(item)


async def find(table: Table, client_id: str) -> Client | None:
    """The client of that id, or None."""
    if not _ID.fullmatch(client_id):
        return None
    item = await table.get(keys.oauth_client(client_id))
    return None if item is None else _from_data(item).client


def _to_data(made: Registered) -> dict[str, Any]:
    client = made.client
    return {
        "id": client.id,
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "auth_method": client.auth_method,
        "secret_hash": client.secret_hash,
        "created_at": made.created_at,
        "created_by": made.created_by,
    }


def _from_data(item: Item) -> Registered:
    data = item.data
    client = Client(
        data["id"], "registered", data["name"], tuple(data["redirect_uris"]), data["auth_method"], data["secret_hash"]
    )
    return Registered(client, data["created_at"], data["created_by"])
