"""`ports.Secrets` in the table, each value sealed."""

from base64 import b64decode, b64encode

from gateway_core.errors import StoreUnavailable
from gateway_core.ports import Keyring, Table
from gateway_core.storage import keys
from gateway_core.storage.secret_names import check_secret, named


class LocalSecrets:
    """See ports.Secrets. What is stored opens only with the key ring that sealed it, and only under its own name."""

    def __init__(self, table: Table, keyring: Keyring) -> None:
        self._table = table
        self._keyring = keyring

    async def get(self, name: str) -> str | None:
        """See ports.Secrets.get. Raises `StoreUnavailable` for a value that the key ring cannot open."""
        item = await self._table.get(keys.secret(name)) if named(name) else None
        if item is None:
            return None
        plain = await self._keyring.open(b64decode(item.data["sealed"]), context=_context(name))
        if plain is None:
            raise StoreUnavailable(
                f"The secret {name} was sealed with other keys. Restore the key file that belongs to the database, "
                "or set the secret again."
            )
        return plain.decode()

    async def put(self, name: str, value: str) -> None:
        """See ports.Secrets.put."""
        check_secret(name, value)
        sealed = await self._keyring.seal(value.encode(), context=_context(name))
        await self._table.put(keys.secret(name), {"sealed": b64encode(sealed).decode()})

    async def delete(self, name: str) -> bool:
        """See ports.Secrets.delete."""
        return named(name) and await self._table.delete(keys.secret(name)) is not None

    async def names(self) -> list[str]:
        """See ports.Secrets.names."""
        names: list[str] = []
        page = await self._table.query(keys.SECRETS)
        names += [item.key.sk for item in page.items]
        while page.after is not None:
            page = await self._table.query(keys.SECRETS, after=page.after)
            names += [item.key.sk for item in page.items]
        return names


def _context(name: str) -> str:
    return f"secret/{name}"
