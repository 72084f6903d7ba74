"""Owners: at least one always stays who can sign in, and whom no group made. Pure."""

from collections.abc import Sequence

from gateway_core.errors import Invalid
from gateway_core.ports import Check, Item, Unchanged, Write
from gateway_core.registry import members
from gateway_core.registry.members import Member


def stays(member: Member) -> bool:
    """True for an owner who stays one whatever the groups of the next sign-in say, and who can sign in."""
    return member.given.organisation == "owner" and not member.invited


def another(member: Member, everyone: Sequence[Item]) -> list[Write]:
    """What holds in the moment when an owner goes: that another one, of `everyone` as the store has them, stays.

    Two owners who remove each other at the same time would both succeed without it.

    Raises:
        Invalid: They are the last owner.
    """
    for item in everyone:
        other = members.from_data(item.data)
        if other.id != member.id and stays(other):
            return [Check(item.key, Unchanged(item.version))]
    raise Invalid(
        f"{member.email} is the last owner. Make somebody else an owner first, who has signed in at least once."
    )
