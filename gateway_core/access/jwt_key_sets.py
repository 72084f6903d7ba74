"""Key sets of other issuers: fetched when a token needs them, and kept a while.

Anybody can send a token that names any key, so what they cause is bounded: an unknown key makes us ask again once a
minute; there is one fetch at a time for an issuer, and none while the last failure is fresh.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway_core.access.jwt_form import read_object
from gateway_core.access.jwt_keys import Jwk, fitting, read_keys
from gateway_core.ports import Clock
from gateway_core.registry.jwt_validation import InlineKeys, KeySetUrl

KEPT_S: Final = 900
"""A key that the issuer withdraws is believed so much longer at most."""
FORCED_EVERY_S: Final = 60
"""An unknown key makes us ask again this often at most."""
FAILED_S: Final = 10
"""After a failure the issuer is left alone for so long."""
MAX_SETS: Final = 200
"""Sets in memory, 100 KB each at most."""

Ask = Callable[[str, str, Sequence[tuple[str, str]], bytes], Awaitable[tuple[int, bytes]]]
"""Method, URL, headers and body of a request; status and body of its answer, in time and within bounds. Raises
ConnectionError when there is none."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """A set as it was when it was fetched; no keys after a failure. Times are Unix seconds."""

    keys: list[Jwk]
    until: int
    failed: bool = False
    forced_at: int | None = None


class KeySets:
    """One per process, on one event loop."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def find(self, where: KeySetUrl | InlineKeys, *, alg: str, kid: str | None) -> Jwk | None:
        """The key that made a signature, as the token names it; None where there is none, or several could have."""
        if isinstance(where, InlineKeys):
            return _only(fitting(self._inline(where), alg=alg, kid=kid))
        fresh = await self._fetch_unless_kept(where.url)
        found = fitting(self._keys(where.url), alg=alg, kid=kid)
        if not found and not fresh and self._may_force(where.url):
            await self._fetch(where.url)
            found = fitting(self._keys(where.url), alg=alg, kid=kid)
        return _only(found)

    def _keys(self, url: str) -> list[Jwk]:
        kept = self._kept.get(url)
        return [] if kept is None else kept.keys

    def _inline(self, where: InlineKeys) -> list[Jwk]:
        if where.jwks not in self._kept:
            self._keep(where.jwks, _Kept(_keys_in(where.jwks.encode()) or [], 0))
        return self._kept[where.jwks].keys

    async def _fetch_unless_kept(self, url: str) -> bool:
        """True when it had to be fetched just now."""
        kept = self._kept.get(url)
        if kept is not None and self._clock() < kept.until:
            return False
        await self._fetch(url)
        return True

    def _may_force(self, url: str) -> bool:
        kept, now = self._kept.get(url), self._clock()
        if kept is None or kept.failed or (kept.forced_at is not None and now < kept.forced_at + FORCED_EVERY_S):
            return False
        kept.forced_at = now
        return True

    async def _fetch(self, url: str) -> None:
        """Have the set of `url` in `_kept`, or that it cannot be had. One fetch serves all who wait."""
        task = self._fetching.get(url)
        if task is None:
            task = self._fetching[url] = asyncio.create_task(self._fetched(url))
            task.add_done_callback(lambda _: self._fetching.pop(url, None))
        # Who stops waiting does not stop it for the others.
        await asyncio.shield(task)

    async def _fetched(self, url: str) -> None:
        before = self._kept.get(url)
        forced_at = None if before is None else before.forced_at
        keys = await self._asked(url)
        now = self._clock()
        if keys is not None:
            self._keep(url, _Kept(keys, now + KEPT_S, forced_at=forced_at))
        elif before is None or before.failed or now >= before.until:
            self._keep(url, _Kept([], now + FAILED_S, failed=True, forced_at=forced_at))
        # Else a forced fetch has failed: the set that is kept is still good for as long as it would have been.

    async def _asked(self, url: str) -> list[Jwk] | None:
        try:
            status, body = await self._ask("GET", url, [("accept", "application/json")], b"")
        except ConnectionError as error:
            logger.warning("jwks_unreachable", extra={"fields": {"url": url, "why": str(error)}})
            return None
        keys = _keys_in(body) if status == 200 else None
        if keys is None:
            logger.warning("jwks_unusable", extra={"fields": {"url": url, "status": status}})
        return keys

    def _keep(self, name: str, kept: _Kept) -> None:
        if len(self._kept) >= MAX_SETS and name not in self._kept:
            # The oldest; a dictionary keeps the order in which names came.
            del self._kept[next(iter(self._kept))]
        self._kept[name] = kept


def _keys_in(body: bytes) -> list[Jwk] | None:
    document = read_object(body)
    entries = None if document is None else document.get("keys")
    return read_keys(entries) if isinstance(entries, list) else None


def _only(found: list[Jwk]) -> Jwk | None:
    return found[0] if len(found) == 1 else None
