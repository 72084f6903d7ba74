"""Signed-in browsers. The session is in the store; the browser has a random value that names it."""

import logging
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway_core.errors import Conflict, StoreFull
from gateway_core.ports import ABSENT, Clock, Delete, Item, Keyring, Put, Table, Unchanged, Write
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
identity provider (four answers of `asking.ANSWER_S`), so that of two tabs in the middle of it only one does. And for
so long an answer that got lost is given once more."""

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
    keyring: Keyring
    clock: Clock

    async def start(self, member_id: str, *, instead_of: str | None = None) -> str:
        """Sign a browser in.

        Args:
            member_id: As whom.
            instead_of: The cookie's value until now; a session of that ends, so that nobody who knew it comes in.

        Returns:
            The new value for the cookie. It is the same once more where the same member was signed in instead of
            `instead_of` a moment ago: a browser drops the answer to the first of two clicks.

        Raises:
            Conflict: Somebody else was signed in instead of it a moment ago: another tab of the browser was quicker.
        """
        before = digest(instead_of) if instead_of is not None and is_value(instead_of) else None
        value = new_value()
        try:
            await self.table.transact(await self._writes(value, member_id, before))
        except Conflict:
            given = None if before is None else await self._given(member_id, before)
            if given is None:
                raise
            return given
        logger.info("signed_in", extra={"fields": {"member": member_id}})
        return value

    async def renamed(self, cookie: str | None) -> bool:
        """True for a value that was replaced a moment ago. A browser that still has it did not get the new one yet."""
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

    async def _writes(self, value: str, member_id: str, before: str | None) -> list[Write]:
        now, whom = self.clock(), _as_whom(await self.people.get(member_id))
        data = {"member_id": member_id, "identity": whom, "started_at": now, "before": before}
        writes: list[Write] = [Put(keys.browser(digest(value)), data, ABSENT, now + IDLE_S)]
        if before is not None:
            sealed = await self.keyring.seal(value.encode(), context=_renaming(before, member_id))
            noted = {"sealed": b64encode(sealed).decode()}
            renamed = Put(keys.browser_renamed(before), noted, ABSENT, now + RENAMED_S)
            writes += [Delete(keys.browser(before)), renamed]
        return writes

    async def _given(self, member_id: str, before: str) -> str | None:
        """The value that replaced the one of before, where it was for the same member and is a session of theirs."""
        item = await self.table.get(keys.browser_renamed(before))
        if item is None:
            return None
        sealed = b64decode(item.data["sealed"])
        plain = await self.keyring.open(sealed, context=_renaming(before, member_id))
        value = None if plain is None else plain.decode()
        return value if await self.find(value) is not None else None

    async def _prolong(self, item: Item) -> None:
        until = min(self.clock() + IDLE_S, item.data["started_at"] + ABSOLUTE_S)
        if item.expires_at is not None and until - item.expires_at < PROLONG_EVERY_S:
            return
        # Signed out in another tab, or prolonged there: either way this write is not needed. Nor is it worth an error.
        with suppress(Conflict, StoreFull):
            await self.table.put(item.key, item.data, when=Unchanged(item.version), expires_at=until)


def _renaming(before: str, member_id: str) -> str:
    """Whoever proves to be somebody else opens nothing, even with the value of before, which may have been planted."""
    return f"renamed/{before}/{member_id}"


def _as_whom(member: Member | None) -> str:
    return member.identity.digest if member is not None and member.identity is not None else ""
