"""How often something may be tried, counted in the store so that every process sees the same count.

Windows are fixed: around their end up to twice the limit goes through. That is enough against guessing and floods, and
costs one write.
"""

import hashlib
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway_core.errors import Conflict, StoreFull, StoreUnavailable, TooManyRequests
from gateway_core.ports import Clock, Table
from gateway_core.storage import keys

What = Literal[
    "authorize",
    "authorize_account",
    "token",
    "token_grant",
    "register",
    "signin_address",
    "signin_account",
    "setup",
    "invitation",
    "invite_account",
    "connect_account",
]

MAX_HERE: Final = 10_000
"""Subjects that one process counts itself while the store does not."""
_SHARE: Final = 4
"""While the store does not count, each process lets through this part of the limit: several may be running."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries in so many seconds."""

    times: int
    window_s: int
    closed: bool = False
    """True where a guess must never go uncounted: while the store cannot count, nothing is tried. Elsewhere each
    process then counts for itself: a store in trouble does not lock everybody out, and a flood is still held back."""


AUTHORIZE: Final = Limit(300, 300)
"""An office behind one address opens a few pages a second; each may cost a fetch of a client's document."""
AUTHORIZE_ACCOUNT: Final = Limit(60, 300)
"""Approvals of one member. A person clicks one in ten seconds at most; more is a client gone wild."""
TOKEN: Final = Limit(3_000, 60)
"""Hosted clients refresh for all their people from a handful of addresses."""
TOKEN_GRANT: Final = Limit(60, 300)
"""One grant is refreshed once an hour, or at each start of a command line."""
REGISTER: Final = Limit(600, 3_600)
"""Some clients register at every health check, and an office may be one address; a registration stores nothing."""
SIGNIN_ADDRESS: Final = Limit(100, 900)
"""Sign-ins from one address: an office in the morning, and far from a list of stolen passwords."""
SIGNIN_ACCOUNT: Final = Limit(10, 900, closed=True)
"""Passwords tried for one account, known or not: under a thousand a day, against twelve characters."""
SETUP: Final = Limit(20, 900, closed=True)
"""Tries of the set-up key from one address. It has 256 bits; this keeps the noise down."""
INVITATION: Final = Limit(60, 900)
"""Invitation links opened or accepted from one address. They hold 256 bits; an office may open many."""
INVITE_ACCOUNT: Final = Limit(200, 3_600)
"""Invitations made by one administrator: a whole department in an hour."""
CONNECT_ACCOUNT: Final = Limit(60, 300)
"""Pages of one member on which an account is connected. Each asks servers of others up to ten questions."""

LIMITS: Final[Mapping[What, Limit]] = {
    "authorize": AUTHORIZE,
    "authorize_account": AUTHORIZE_ACCOUNT,
    "token": TOKEN,
    "token_grant": TOKEN_GRANT,
    "register": REGISTER,
    "signin_address": SIGNIN_ADDRESS,
    "signin_account": SIGNIN_ACCOUNT,
    "setup": SETUP,
    "invitation": INVITATION,
    "invite_account": INVITE_ACCOUNT,
    "connect_account": CONNECT_ACCOUNT,
}


@dataclass(frozen=True, slots=True)
class Throttle:
    """Counts tries by what is tried and by whom."""

    table: Table
    clock: Clock
    _here: dict[tuple[str, str, int], int] = field(default_factory=dict, repr=False)

    async def check(self, what: What, subject: str) -> None:
        """Count one try of `what` by `subject`: an address, an account, whatever `what` is counted by.

        Raises:
            TooManyRequests: It was one too many; the message says when to come back.
            StoreUnavailable, StoreFull: It could not be counted, and `what` is not tried uncounted.
        """
        limit, now = LIMITS[what], self.clock()
        window = now // limit.window_s
        end = (window + 1) * limit.window_s
        digest = hashlib.sha256(counted_as(subject).encode("utf-8", "surrogatepass")).hexdigest()
        try:
            count = await self.table.add(keys.throttle(what, digest, window), 1, expires_at=end)
        except (StoreUnavailable, StoreFull, Conflict) as error:
            if limit.closed:
                # A counter that a hundred others write at the same moment is as good as full.
                raise (_too_many(end - now) if isinstance(error, Conflict) else error) from None
            logger.warning("throttle_not_counted", extra={"fields": {"what": what, "why": error.reason}})
            count = self._count_here(what, digest, window) * _SHARE
        if count > limit.times:
            logger.warning("throttled", extra={"fields": {"what": what}})
            raise _too_many(end - now)

    def _count_here(self, what: What, digest: str, window: int) -> int:
        if len(self._here) >= MAX_HERE:
            self._here.clear()
        count = self._here.get((what, digest, window), 0) + 1
        self._here[what, digest, window] = count
        return count


def counted_as(subject: str) -> str:
    """What a subject is counted as: an IPv6 address with its neighbours, since one customer has a whole /64."""
    try:
        address = ipaddress.ip_address(subject)
    except ValueError:
        return subject
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))


def _too_many(wait_s: int) -> TooManyRequests:
    minutes = -(-wait_s // 60)
    when = "in a minute" if minutes == 1 else f"in {minutes} minutes"
    return TooManyRequests(f"This was tried too often. Try again {when}.", retry_after_s=wait_s)
