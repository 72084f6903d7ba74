"""Grants in the store: found, listed and revoked. An access token is good while its grant is there."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway_core.access import grants
from gateway_core.access.grants import ORGANISATION_PLACE, Grant
from gateway_core.errors import Conflict, StoreUnavailable
from gateway_core.issuer import rotation
from gateway_core.ports import ABSENT, PRESENT, Clock, Condition, Delete, Item, Partition, Put, Table, Unchanged, Write
from gateway_core.storage import keys

MAX_TRIES: Final = 10
"""Of one removal, where others keep writing to the grant."""
MAX_OF_MEMBER: Final = 200
"""Grants of one member. Some clients sign in anew at each start; nobody has two hundred that they use."""
_PAGE: Final = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A grant and the version it was read at."""

    grant: Grant
    version: int


@dataclass(frozen=True, slots=True)
class Grants:
    """What people let clients do, in one deployment."""

    table: Table
    clock: Clock

    async def find(self, place: str, grant_id: str) -> Held | None:
        """One grant, or None when it was revoked, has ended, or never was."""
        return _held(await self.table.get(keys.grant(place, grant_id)))

    async def of_member(self, member_id: str) -> list[Grant]:
        """Every grant of one member, newest first."""
        pointers = await self._all(keys.member_grants(member_id))
        places = [keys.grant(item.data["place"], item.data["grant_id"]) for item in pointers]
        found: list[Grant] = []
        for start in range(0, len(places), _PAGE):
            items = await self.table.get_many(places[start : start + _PAGE])
            found.extend(grants.from_data(item.data) for item in items if item is not None)
        return _newest_first(found)

    async def make_room(self, member_id: str) -> None:
        """End those grants of a member that were unused for the longest, until one more is within `MAX_OF_MEMBER`."""
        if len(await self._all(keys.member_grants(member_id))) < MAX_OF_MEMBER:
            return
        held = sorted(await self.of_member(member_id), key=lambda grant: grant.refreshed_at)
        for grant in held[: max(0, len(held) - MAX_OF_MEMBER + 1)]:
            await self.revoke(grant.place, grant.id)

    async def of_place(self, place: str) -> list[Grant]:
        """Every grant of one workspace (by its id), or of `org`, newest first."""
        items = await self._all(keys.workspace_grants(place))
        found = [grants.from_data(item.data) for item in items]
        return _newest_first([grant for grant in found if not grant.removed])

    async def revoke(self, place: str, grant_id: str) -> bool:
        """End a grant: its tokens are refused from the next request on. False when there was none."""
        return await self._end(place, grant_id, lambda held: removal(held.grant))

    async def leave_word(self, place: str, grant_id: str, *, email: str) -> bool:
        """End a grant of a member who was removed, so that whoever shows its tokens hears of that; False when there was
        none. What refuses them is that there is no such member."""
        return await self._end(place, grant_id, lambda held: _word_left(held, email))

    async def _end(self, place: str, grant_id: str, writes: Callable[[Held], list[Write]]) -> bool:
        for _ in range(MAX_TRIES):
            held = await self.find(place, grant_id)
            if held is None:
                return False
            try:
                await self.table.transact(writes(held))
            except Conflict:
                # Somebody else revoked it at the same moment, or is in the way: what is stolen must end all the same.
                continue
            logger.info("grant_revoked", extra={"fields": {"grant": grant_id, "place": place}})
            return True
        raise StoreUnavailable("The grant could not be revoked. Try again in a moment.")

    async def revoke_of_client(self, client_id: str) -> int:
        """End every grant of one client; how many there were."""
        return await self._revoke_all(lambda grant: grant.client_id == client_id)

    async def _revoke_all(self, chosen: Callable[[Grant], bool]) -> int:
        count = 0
        for place in await self._places():
            for grant in await self.of_place(place):
                if chosen(grant):
                    count += await self.revoke(place, grant.id)
        return count

    async def _places(self) -> list[str]:
        workspaces = await self._all(keys.ORGANISATION, prefix=keys.WORKSPACE_PREFIX)
        return [ORGANISATION_PLACE, *(str(item.data["id"]) for item in workspaces)]

    async def _all(self, partition: Partition, *, prefix: str = keys.GRANT_PREFIX) -> list[Item]:
        found: list[Item] = []
        after: str | None = None
        while True:
            page = await self.table.query(partition, prefix=prefix, after=after, limit=_PAGE)
            found.extend(page.items)
            after = page.after
            if after is None:
                return found


def put(grant: Grant, when: Condition = ABSENT) -> Put:
    """Write a grant; it is gone for everybody once it has ended."""
    return Put(keys.grant(grant.place, grant.id), grants.to_data(grant), when, rotation.ends_at(grant))


def pointer(grant: Grant) -> Put:
    """Note under its member that there is a grant."""
    key = keys.member_grant(grant.member_id, grant.place, grant.id)
    return Put(key, {"place": grant.place, "grant_id": grant.id}, expires_at=grant.expires_at)


def access_token(grant: Grant, digest: str, *, expires_at: int) -> Put:
    """Write an access token of a grant."""
    return Put(keys.access_token(grant.place, digest), {"grant_id": grant.id}, expires_at=expires_at)


def removal(grant: Grant) -> list[Write]:
    """What ends a grant."""
    return [
        Delete(keys.grant(grant.place, grant.id), PRESENT),
        Delete(keys.member_grant(grant.member_id, grant.place, grant.id)),
    ]


def _word_left(held: Held, email: str) -> list[Write]:
    grant = replace(held.grant, removed=email, previous=None, spent=())
    return [
        put(grant, Unchanged(held.version)),
        Delete(keys.member_grant(grant.member_id, grant.place, grant.id)),
    ]


def _held(item: Item | None) -> Held | None:
    grant = None if item is None else grants.from_data(item.data)
    return None if item is None or grant is None or grant.removed else Held(grant, item.version)


def _newest_first(found: list[Grant]) -> list[Grant]:
    return sorted(found, key=lambda grant: (-grant.created_at, grant.id))
