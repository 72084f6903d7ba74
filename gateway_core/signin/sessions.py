"""Signed-in browsers. The session is in the store; the browser has a random value that names it."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway_core.errors import Conflict, StoreFull
from gateway_core.ports import ABSENT, Clock, Delete, Item, Put, Table, Unchanged, Write
from gateway_core.registry.members import Member
from gateway_core.registry.people import People
from gateway_core.signin.cookies import csrf_token, digest, is_value, new_value
from gateway_core.storage import keys

IDLE_S: Final = 12 * 3_600
"""A browser that asks for nothing for so long is signed out."""
ABSOLUTE_S: Final = 7 * 86_400
"""After so long anybody signs in again, so that the provider can say no and groups are read anew."""
PROLONG_EVERY_S: Final = 300
"""The idle time is written again at most this often: pages come in bursts, writes cost."""
RENAMED_S: Final = 60
"""For so long a value that was replaced is known as such: longer than a tab needs to sign in once it is back from the
identity provider (four answers of `asking.ANSWER_S`), so that of two tabs in the middle of it only one does."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser."""

    digest: str
    """What the store knows it by."""
    member: Member
    csrf: str
    """What its forms carry."""
    before: str | None
    """The digest of the cookie that it had until it was signed in: a sign-in that was begun with that is one of this
    very browser, in another tab."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Every signed-in browser."""

    table: Table
    people: People
    clock: Clock

    async def start(self, member_id: str, *, instead_of: str | None = None) -> str:
        """Sign a browser in.

        Args:
            member_id: As whom.
            instead_of: The cookie's value until now; a session of that ends, so that nobody who knew it comes in.

        Returns:
            The new value for the cookie.

        Raises:
            Conflict: `instead_of` was replaced a moment ago: another tab of the browser was quicker.
        """
        value, now = new_value(), self.clock()
        before = digest(instead_of) if instead_of is not None and is_value(instead_of) else None
        whom = _as_whom(await self.people.get(member_id))
        data = {"member_id": member_id, "identity": whom, "started_at": now, "before": before}
        writes: list[Write] = [Put(keys.browser(digest(value)), data, ABSENT, now + IDLE_S)]
        if before is not None:
            renamed = Put(keys.browser_renamed(before), {"at": now}, ABSENT, now + RENAMED_S)
            writes += [Delete(keys.browser(before)), renamed]
        await self.table.transact(writes)
        logger.info("signed_in", extra={"fields": {"member": member_id}})
        return value

    async def renamed(self, cookie: str | None) -> bool:
        """True for a value that was replaced a moment ago. A browser that still has it never got the new one."""
        return cookie is not None and await self.table.get(keys.browser_renamed(digest(cookie))) is not None

    async def find(self, cookie: str | None) -> Session | None:
        """The session of a browser, or None: never began, ended, expired, or the member is gone, or signs in with
        another account since."""
        if cookie is None or not is_value(cookie):
            return None
        item = await self.table.get(keys.browser(digest(cookie)))
        if item is None:
            return None
        member = await self.people.get(item.data["member_id"])
        if member is None or _as_whom(member) != item.data.get("identity"):
            return None
        await self._prolong(item)
        return Session(digest(cookie), member, csrf_token(cookie), item.data.get("before"))

    async def end(self, cookie: str | None) -> None:
        """Sign a browser out; nothing happens where nobody is signed in."""
        if cookie is not None and is_value(cookie):
            await self.table.delete(keys.browser(digest(cookie)))

    async def _prolong(self, item: Item) -> None:
        until = min(self.clock() + IDLE_S, item.data["started_at"] + ABSOLUTE_S)
        if item.expires_at is not None and until - item.expires_at < PROLONG_EVERY_S:
            return
        # Signed out in another tab, or prolonged there: either way this write is not needed. Nor is it worth an error.
        with suppress(Conflict, StoreFull):
            await self.table.put(item.key, item.data, when=Unchanged(item.version), expires_at=until)


def _as_whom(member: Member | None) -> str:
    return member.identity.digest if member is not None and member.identity is not None else ""
