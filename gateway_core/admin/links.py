"""Giving roles, and the invitation links that must end with it: they were made for what somebody could do before."""

from dataclasses import dataclass

from gateway_core.ports import ABSENT, Check, Delete, Table, Unchanged, Write
from gateway_core.registry.members import Member, Roles
from gateway_core.registry.people import People
from gateway_core.storage import keys


@dataclass(frozen=True, slots=True)
class Link:
    """The URL at which somebody joins."""

    url: str
    until: int
    """It works until then at least, in Unix seconds, unless something else ends it before."""


@dataclass(frozen=True, slots=True)
class Given:
    """A member with the roles they have now, and whether the link that they were sent ended."""

    member: Member
    link_ended: bool = False


async def give(people: People, member: Member, given: Roles) -> Given:
    """Give a member other roles. Where they may more than before, the link that they were sent ends.

    Args:
        people: The members.
        member: As `given` was made from.
        given: The roles they have from now on; the same as before change nothing.

    Raises:
        Conflict: They are gone, or somebody else changed them at the same time.
        Invalid: They are the last owner, and would be none.
    """
    if given == member.given:
        return Given(member)
    also = await ended(people.table, member) if _raised(member, given) else []
    after = await people.change(member.id, given=given, since=member, also=also)
    return Given(after, link_ended=any(isinstance(write, Delete) for write in also))


async def ended(table: Table, member: Member) -> list[Write]:
    """What ends the link of a member who has not joined yet.

    Whoever made it could do all that the member could; once the member may more, that link would be a way up.
    """
    if not member.invited:
        return []
    key = keys.member_invitation(member.id)
    newest = await table.get(key)
    if newest is None:
        # Nor may one be made before the member's roles are written.
        return [Check(key, ABSENT)]
    return [Delete(key, Unchanged(newest.version)), Delete(keys.invitation(newest.data["digest"]))]


def _raised(member: Member, given: Roles) -> bool:
    return member.roles.joined(given.joined(member.mapped)) != member.roles
