"""Reading and writing members. Sign-in and administration both end here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway_core.errors import Conflict, Invalid
from gateway_core.ports import ABSENT, Clock, Delete, Item, Put, Table, Unchanged, Write
from gateway_core.registry import members, owners
from gateway_core.registry.members import Identity, Member, Roles, email_problem, plain_email, plain_name
from gateway_core.registry.revisions import write_in_new_revision
from gateway_core.registry.slugs import new_id
from gateway_core.storage import keys

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """How somebody came in."""

    identity: Identity
    name: str = ""
    """Full name, as the identity provider or the person wrote it; "" keeps the one that is known."""
    mapped: Roles | None = None
    """The roles that their groups give; None where nobody was asked for groups."""
    given: Roles | None = None
    """The roles that they have besides from now on; None leaves them."""


@dataclass(frozen=True, slots=True)
class People:
    """The members of the organisation. At least one owner who can sign in, and whom no group made, always stays.

    Once an owner has signed in, that is noted with them: the set-up key makes no other (`keys.first_owner`).
    """

    table: Table
    clock: Clock

    async def get(self, member_id: str) -> Member | None:
        """One member, or None."""
        item = await self.table.get(keys.member(member_id))
        return None if item is None else members.from_data(item.data)

    async def by_email(self, email: str) -> Member | None:
        """The member with an e-mail address, however it is written, or None."""
        if email_problem(email) is not None:
            return None
        return await self._pointed(await self.table.get(keys.member_email(plain_email(email))))

    async def by_identity(self, identity: Identity) -> Member | None:
        """The member that an identity was linked to, or None."""
        return await self._pointed(await self.table.get(keys.member_identity(identity.digest)))

    async def everyone(self) -> list[Member]:
        """Every member, by e-mail address."""
        found = [members.from_data(item.data) for item in await self._items()]
        return sorted(found, key=lambda member: member.email)

    async def add(self, email: str, *, name: str = "", given: Roles | None = None, by: str) -> Member:
        """A new member, not signed in yet.

        Raises:
            Conflict: Somebody has the address already.
            Invalid: It is no address.
        """
        made = self._new(email, by)
        made = replace(made, name=plain_name(name), given=given or Roles())
        await self.table.transact(_first_writes(made))
        return made

    async def found_or_added(self, email: str, *, given: Roles | None = None, by: str) -> Member:
        """The member with an address; who has none is invited, with the roles `given`.

        Raises:
            Invalid: It is no address.
        """
        known = await self.by_email(email)
        if known is not None:
            return known
        try:
            return await self.add(email, given=given, by=by)
        except Conflict:
            known = await self.by_email(email)
            if known is None:
                raise
            return known

    async def enter(
        self, email: str, entry: Entry, *, by: str, member_id: str | None = None, also: Sequence[Write] = ()
    ) -> Member:
        """A new member, signed in at once.

        Args:
            email: Their address; nobody may have it yet.
            entry: As whom they came in.
            by: What let them in.
            member_id: From `new_member_id`, where `also` needs it.
            also: Written in the same transaction, or nothing is.

        Raises:
            Conflict: Somebody has the address or the identity already, or a condition of `also` does not hold.
            Invalid: It is no address.
        """
        made = _entered(self._new(email, by), entry, self.clock())
        made = replace(made, id=member_id or made.id)
        # No new revision: nobody can have looked for an id that was not there.
        writes = [*_first_writes(made), _link(made, entry.identity), *also]
        await self.table.transact([*writes, *await self._noted(made, also)])
        return made

    async def change(
        self, member_id: str, *, given: Roles, since: Member | None = None, also: Sequence[Write] = ()
    ) -> Member:
        """Give a member other roles, from the next request on.

        Args:
            member_id: Who.
            given: The roles they have from now on.
            since: The member as `given` was made from; from either source they must still have the roles they had.
            also: Written in the same transaction, or nothing is.

        Raises:
            Conflict: They are gone, or somebody else changed them at the same time.
            Invalid: They are the last owner, and would be none.
        """
        item = await self._item(member_id)
        before = members.from_data(item.data)
        _demand_unchanged(before, since)
        after = replace(before, given=given)
        stays = [] if owners.stays(after) else await self.another_owner(before)
        noted = await self._noted(after, also)
        await write_in_new_revision(self.table, [_put(after, item), *stays, *noted, *also])
        return after

    async def sign_in(self, member_id: str, entry: Entry, *, also: Sequence[Write] = ()) -> Member:
        """Note that a member signed in: link the identity at the first time, and take over what their groups give.

        Args:
            member_id: Who.
            entry: As whom they came in.
            also: Written in the same transaction, or nothing is.

        Raises:
            Conflict: They are gone, are linked to another identity, or were changed at the same time.
        """
        item = await self._item(member_id)
        before = members.from_data(item.data)
        if before.identity not in (None, entry.identity):
            raise Conflict("This member signs in as somebody else.")
        after = _entered(before, entry, self.clock())
        writes: list[Write] = [_put(after, item), *also, *await self._noted(after, also)]
        if before.invited:
            writes.append(_link(after, entry.identity))
        if before.invited or after.roles != before.roles:
            await write_in_new_revision(self.table, writes)
        else:
            await self.table.transact(writes)
        return after

    async def remove(self, member_id: str, *, since: Member | None = None) -> Member:
        """Remove a member: every session, grant and key of theirs ends with the next request.

        Args:
            member_id: Who.
            since: The member as somebody judged that they may go; they must still have the roles they had.

        Raises:
            Conflict: They are gone, or were changed at the same time.
            Invalid: They are the last owner.
        """
        item = await self._item(member_id)
        member = members.from_data(item.data)
        _demand_unchanged(member, since)
        writes: list[Write] = [
            Delete(item.key, Unchanged(item.version)),
            Delete(keys.member_email(member.email)),
            Delete(keys.password(member.id)),
            Delete(keys.member_invitation(member.id)),
            *await self.another_owner(member),
        ]
        if member.identity is not None:
            writes.append(Delete(keys.member_identity(member.identity.digest)))
        await write_in_new_revision(self.table, writes)
        return member

    async def unlink(self, member_id: str, *, since: Member | None = None, also: Sequence[Write] = ()) -> Member:
        """Forget which account a member signs in with: they keep what is theirs, and come in anew like who is invited.

        Browsers they are signed in at are signed out; roles that groups gave go until the next sign-in. The last owner
        is not held back: whoever has the administrator's key can always let them in again.

        Args:
            member_id: Who.
            since: The member as the caller knows them; they must still have the roles they had.
            also: Written in the same transaction, or nothing is: `another_owner`, where one has to stay.

        Raises:
            Conflict: They are gone, have not signed in, or were changed at the same time.
        """
        item = await self._item(member_id)
        before = members.from_data(item.data)
        _demand_unchanged(before, since)
        if before.identity is None:
            raise Conflict(f"{before.email} has not signed in yet: there is nothing to unlink.")
        after = replace(before, identity=None, mapped=Roles())
        gone = [Delete(keys.member_identity(before.identity.digest)), Delete(keys.password(member_id))]
        await write_in_new_revision(self.table, [_put(after, item), *gone, *also])
        return after

    async def another_owner(self, member: Member) -> list[Write]:
        """What must hold in the moment when an owner goes. See `owners.another`.

        Raises:
            Invalid: They are the last owner.
        """
        return owners.another(member, await self._items()) if owners.stays(member) else []

    async def _noted(self, member: Member, also: Sequence[Write]) -> list[Write]:
        """What notes, once, that there is an owner who has signed in; nothing where `also` does it."""
        key = keys.first_owner()
        if member.invited or member.roles.organisation != "owner" or any(write.key == key for write in also):
            return []
        # Without a condition: of two owners at the same moment both come in, and either note says the same.
        return [Put(key, {"at": self.clock()})] if await self.table.get(key) is None else []

    def _new(self, email: str, by: str) -> Member:
        problem = email_problem(email)
        if problem is not None:
            raise Invalid(problem, problems=((("email",), problem),))
        return Member(new_member_id(), plain_email(email), "", Roles(), Roles(), None, self.clock(), by)

    async def _items(self) -> list[Item]:
        found: list[Item] = []
        after: str | None = None
        while True:
            page = await self.table.query(keys.PEOPLE, prefix=keys.MEMBER_PREFIX, after=after, limit=_PAGE)
            found.extend(page.items)
            after = page.after
            if after is None:
                return found

    async def _item(self, member_id: str) -> Item:
        item = await self.table.get(keys.member(member_id))
        if item is None:
            raise Conflict("This member is gone.")
        return item

    async def _pointed(self, pointer: Item | None) -> Member | None:
        return None if pointer is None else await self.get(pointer.data["id"])


def new_member_id() -> str:
    """An id for a member."""
    return new_id("p")


def _demand_unchanged(now: Member, since: Member | None) -> None:
    if since is not None and (now.given, now.mapped) != (since.given, since.mapped):
        raise Conflict("Somebody else changed this member's roles at the same time. Look at them again.")


def _entered(member: Member, entry: Entry, now: int) -> Member:
    return replace(
        member,
        identity=entry.identity,
        name=plain_name(entry.name) or member.name,
        mapped=member.mapped if entry.mapped is None else entry.mapped,
        given=member.given if entry.given is None else entry.given,
        signed_in_at=now,
    )


def _first_writes(member: Member) -> list[Write]:
    return [
        Put(keys.member(member.id), members.to_data(member), ABSENT),
        Put(keys.member_email(member.email), {"id": member.id}, ABSENT),
    ]


def _link(member: Member, identity: Identity) -> Put:
    return Put(keys.member_identity(identity.digest), {"id": member.id}, ABSENT)


def _put(member: Member, item: Item) -> Put:
    return Put(item.key, members.to_data(member), Unchanged(item.version))
