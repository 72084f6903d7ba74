"""Authorizations under way: what the gateway has to remember while somebody is at another authorization server.

Each belongs to one browser and can be taken up once. It holds secrets, so it is sealed for that browser and that
`state`.
"""

import json
import logging
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Final

from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Clock, Item, Keyring, Put, Table, Unchanged
from gateway_core.registry.upstream_auth import TokenAuthMethod
from gateway_core.storage import keys
from gateway_core.upstream.holders import Holder

BEGUN_S: Final = 600
"""How long somebody may take at the authorization server, second factor and forgotten password included."""
MAX_AT_ONCE: Final = 10
"""Authorizations of one browser, one in each tab: far more than anybody has open."""
STATE_BYTES: Final = 32
"""256 bits: nobody finds one by trying."""
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One authorization. Everything that its answer is judged by and used for was settled before the browser left."""

    server_id: str
    workspace_id: str
    """From which the server is looked at."""
    holder: Holder
    member_id: str
    """Who began it, and alone may end it."""
    issuer: str
    """Of the authorization server, byte for byte."""
    issuer_known: bool
    """False where nobody has ever named it: an `iss` has nothing to be compared with."""
    issuer_demanded: bool
    """True where every answer must name it (RFC 9207)."""
    origin: str
    """See Connection."""
    client_id: str
    registered: bool
    """True for a client that the gateway has registered by itself."""
    auth_method: TokenAuthMethod
    token_endpoint: str
    revocation_endpoint: str | None
    resource: str | None
    asked: tuple[str, ...]
    verifier: str = field(repr=False)
    """Of PKCE (RFC 7636)."""
    client_secret: str | None = field(repr=False)
    """Of a client that the gateway has registered by itself."""
    program: str
    """Name of the program that the person came from; empty where that is not known."""
    then: str = ""
    """What waits for the end of it, by the name that whoever began it gave; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The store. `browser` is always the SHA-256 of the browser's cookie."""

    table: Table
    keyring: Keyring
    clock: Clock

    async def begin(self, browser: str, attempt: Attempt) -> str:
        """Remember an authorization; its `state`. Of more than `MAX_AT_ONCE` the oldest are forgotten."""
        state = secrets.token_urlsafe(STATE_BYTES)
        digest, now = _digest(state), self.clock()
        sealed = await self.keyring.seal(json.dumps(asdict(attempt)).encode(), context=_context(browser, digest))
        data = {"sealed": b64encode(sealed).decode(), "begun_at": now}
        await self._make_room(browser)
        await self.table.transact(
            [
                Put(keys.connect_attempt(browser, digest), data, ABSENT, now + BEGUN_S),
                Put(keys.connect_browser(digest), {"browser": browser}, ABSENT, now + BEGUN_S),
            ]
        )
        return state

    async def take(self, browser: str, state: str) -> Attempt | None:
        """The authorization of a `state`, once. None where this browser has begun none of that name, or too long ago,
        or it was taken already. Another browser does not learn it, and spoils it."""
        if not _STATE.fullmatch(state):
            return None
        digest = _digest(state)
        item = await self.table.get(keys.connect_attempt(browser, digest))
        if item is None:
            await self.spoil(state)
            return None
        plain = await self.keyring.open(b64decode(item.data["sealed"]), context=_context(browser, digest))
        try:
            await self.table.delete(item.key, when=Unchanged(item.version))
        except Conflict:
            return None
        return None if plain is None else _read(plain)

    async def spoil(self, state: str) -> None:
        """The answer to an authorization came to a browser that has not begun it: it is of no use to anybody any more.

        Somebody was sent to a log-in that somebody else has begun, and has logged in there. The code is still good, and
        whoever gets to see the address of the answer could bring it back where the log-in was begun
        (RFC 9700, section 4.5).
        """
        digest = _digest(state)
        begun = await self.table.get(keys.connect_browser(digest))
        if begun is not None:
            logger.warning("answer_in_another_browser", extra={"fields": {"attempt": digest[:12]}})
            await self.table.delete(keys.connect_attempt(begun.data["browser"], digest))

    async def _make_room(self, browser: str) -> None:
        page = await self.table.query(keys.connect_attempts(browser), prefix=keys.ATTEMPT_PREFIX)
        oldest_first = sorted(page.items, key=_begun_at)
        for item in oldest_first[: max(0, len(oldest_first) - MAX_AT_ONCE + 1)]:
            await self.table.delete(item.key)


def _begun_at(item: Item) -> int:
    return int(item.data["begun_at"])


def _read(plain: bytes) -> Attempt:
    told = json.loads(plain)
    return Attempt(**{**told, "holder": Holder(*told["holder"]), "asked": tuple(told["asked"])})


def _digest(state: str) -> str:
    return sha256(state.encode()).hexdigest()


def _context(browser: str, digest: str) -> str:
    return f"connect-attempt/{browser}/{digest}"
