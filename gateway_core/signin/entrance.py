"""Who may come in: whom an identity is linked to, who was invited, and whom a group lets in. Nobody else."""

from dataclasses import dataclass
from typing import Final

from gateway_core.errors import Conflict, SignInFailed
from gateway_core.ports import Table
from gateway_core.registry.members import Member
from gateway_core.registry.people import Entry, People
from gateway_core.signin import failures
from gateway_core.signin.arriving import Arrived
from gateway_core.signin.groups import Groups, mapped, roles_of
from gateway_core.signin.invitations import BUILT_IN, Invitations, no_passwords
from gateway_core.signin.passwords import Passwords
from gateway_core.signin.setup import Setup
from gateway_core.storage import keys

BY_GROUP: Final = "a group of the identity provider"
"""What stands beside a member as who made them one."""
_TRIES: Final = 3
"""Against others who change the same member at the same moment, above all the same person in two tabs."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Turns a proof of who somebody is into the member they are."""

    table: Table
    people: People
    groups: Groups
    invitations: Invitations
    setup: Setup
    passwords: Passwords | None
    """None where people sign in elsewhere."""

    async def arrived(self, arrived: Arrived, *, setup: str | None = None, invitation: str | None = None) -> Member:
        """Let in who came back from the identity provider.

        Args:
            arrived: Who.
            setup: The set-up key that they brought along: it makes them the first owner.
            invitation: The invitation that they brought along. It is theirs unless the provider vouches for another
                address than the invited one.

        Raises:
            SignInFailed: They may not come in; the message says whom to ask.
        """
        entry = await self._entry(arrived)
        with failures.logged() as about:
            about["subject"] = arrived.identity.subject
            for _ in range(_TRIES):
                try:
                    if setup is not None:
                        return await self.setup.first_owner_as(
                            setup, email=arrived.email, verified=arrived.email_verified, entry=entry
                        )
                    return await self._let_in(arrived, entry, invitation)
                except Conflict:
                    continue
            raise _raced()

    async def by_password(self, email: str, password: str) -> Member:
        """Let in who knows a password. Unknown, wrong and not set yet have the same words and take the same time.
        Whoever calls this counts the tries first (`throttle`: `signin_address`, `signin_account`).

        Raises:
            SignInFailed: Not this time.
        """
        if self.passwords is None:
            raise no_passwords()
        with failures.logged() as about:
            member = await self.people.by_email(email)
            if member is not None:
                about["member"] = member.id
            stored = None if member is None else await self.table.get(keys.password(member.id))
            matches = await self.passwords.matches(password, None if stored is None else stored.data)
            identity = None if member is None else member.identity
            if not matches or member is None or identity is None or identity.issuer != BUILT_IN:
                raise SignInFailed(
                    "This e-mail address and this password do not belong together.", reason="wrong_password"
                )
            return await self._again(member, Entry(identity))

    async def _again(self, member: Member, entry: Entry) -> Member:
        for _ in range(_TRIES):
            try:
                return await self.people.sign_in(member.id, entry)
            except Conflict:
                if await self.people.get(member.id) is None:
                    break
        raise _raced()

    async def _entry(self, arrived: Arrived) -> Entry:
        if arrived.groups is None:
            return Entry(arrived.identity, arrived.name)
        mapping, _ = await self.groups.read()
        return Entry(arrived.identity, arrived.name, roles_of(arrived.groups, mapping))

    async def _let_in(self, arrived: Arrived, entry: Entry, invitation: str | None) -> Member:
        known = await self.people.by_identity(entry.identity)
        if known is not None:
            return await self.people.sign_in(known.id, entry)
        if invitation is not None:
            vouched = arrived.email if arrived.email_verified else None
            return await self.invitations.accept_as(invitation, entry, vouched=vouched)
        if arrived.email is None or not arrived.email_verified:
            raise _unverified(arrived)
        invited = await self.people.by_email(arrived.email)
        if invited is not None:
            if not invited.invited:
                raise failures.of(invited.id, _linked(arrived.email))
            return await self.people.sign_in(invited.id, entry)
        mapping, _ = await self.groups.read()
        if mapped(arrived.groups or (), mapping):
            return await self.people.enter(arrived.email, entry, by=BY_GROUP)
        raise SignInFailed(
            f"You are signed in as {arrived.email}, which is no member here. Ask an administrator of this gateway "
            "to invite this address.",
            reason="not_invited",
        )


def _raced() -> SignInFailed:
    return SignInFailed("This account is being changed at this moment. Start again.", reason="sign_in_raced")


def _unverified(arrived: Arrived) -> SignInFailed:
    who = "no e-mail address" if arrived.email is None else f"{arrived.email}, but not that this address is yours"
    return SignInFailed(
        f"You are not a member here yet, and the identity provider says {who}. Ask an administrator of this gateway "
        "for an invitation link, and open it before you sign in.",
        reason="email_not_verified",
    )


def _linked(email: str) -> SignInFailed:
    return SignInFailed(
        f"{email} belongs to a member who signs in with another account. Use that account, or ask an administrator of "
        f"this gateway to let you sign in with this one: gatehouse members unlink {email}",
        reason="linked_elsewhere",
    )
