"""What somebody has allowed a client, kept while they connect an account first. Taken up once, in the same browser."""

import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Clock, Table, Unchanged
from gateway_core.storage import keys

KEPT_S: Final = 600
"""As long as somebody may take at an authorization server (`attempts.BEGUN_S`)."""
NAME_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PendingConsent:
    """One decision. Whether it may still be carried out is asked again then."""

    query: str
    """The authorization request that was allowed, byte for byte."""
    client: str
    """Name of the client, as it was shown."""
    redirect_uri: str
    """Where the client is answered."""
    workspace_id: str
    """The workspace that was chosen."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A client that was allowed, and is answered once its server's account is connected, or not."""

    name: str
    """Of the decision."""
    client: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class PendingConsents:
    """The store. `browser` is the SHA-256 of the cookie of the session in which it was allowed."""

    table: Table
    clock: Clock

    async def keep(self, browser: str, consent: PendingConsent) -> str:
        """Keep a decision; by what it is found again."""
        name = secrets.token_urlsafe(NAME_BYTES)
        until = self.clock() + KEPT_S
        key = keys.pending_consent(browser, _digest(name))
        await self.table.put(key, asdict(consent), when=ABSENT, expires_at=until)
        return name

    async def look(self, browser: str, name: str | None) -> Waiting | None:
        """Who waits for a decision to be carried out; None where this browser has none of that name, or not any
        more."""
        item = await self.table.get(keys.pending_consent(browser, _digest(name))) if name else None
        return None if item is None or not name else Waiting(name, item.data["client"], item.data["redirect_uri"])

    async def take(self, browser: str, name: str) -> PendingConsent | None:
        """The decision, once."""
        item = await self.table.get(keys.pending_consent(browser, _digest(name))) if name else None
        if item is None:
            return None
        try:
            await self.table.delete(item.key, when=Unchanged(item.version))
        except Conflict:
            return None
        return PendingConsent(**item.data)


def _digest(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
