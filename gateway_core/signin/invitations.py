"""Invitations: a link that lets one person in, once."""

import hashlib
import logging
import re
import secrets
import string
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway_core.errors import Conflict, Invalid, SignInFailed
from gateway_core.ports import ABSENT, Clock, Delete, Item, Put, Table, Unchanged, Write
from gateway_core.registry.members import Identity, Member
from gateway_core.registry.people import Entry, People
from gateway_core.signin import failures
from gateway_core.signin.passwords import Passwords, password_problem
from gateway_core.storage import keys

PREFIX: Final = "ghi_"
GOOD_FOR_S: Final = 7 * 86_400
"""A week: over a holiday, and no longer than a link in a mailbox should open anything."""
BUILT_IN: Final = "built-in"
"""The issuer of identities that have a password here. No URL, so that no provider's can be the same."""
_FORM: Final = re.compile(r"ghi_[A-Za-z0-9]{43}")
_ALPHABET: Final = string.ascii_letters + string.digits

logger = logging.getLogger(__name__)


class Invitation(NamedTuple):
    """One that works."""

    member: Member
    """Whom it is for."""
    until: int
    """Unix seconds."""
    by: str
    """Who made it (`roles.Actor.name`)."""


@dataclass(frozen=True, slots=True)
class Invitations:
    """What lets people in who were never here. Each member has one at most: a newer one replaces the older."""

    table: Table
    people: People
    clock: Clock
    passwords: Passwords | None
    """None where people sign in elsewhere."""

    async def make(self, member_id: str, *, by: str) -> str:
        """A new invitation for a member who has not signed in yet.

        Returns:
            What the link holds: `ghi_` and 43 characters. Shown once, never stored.

        Raises:
            Invalid: They have signed in already.
            Conflict: They are gone, or somebody else invites them at this moment.
        """
        member = await self.people.get(member_id)
        if member is None:
            raise Conflict("This member is gone.")
        if not member.invited:
            raise Invalid(f"{member.email} has signed in already and needs no invitation.")
        token = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(43))
        newest, until = keys.member_invitation(member_id), self.clock() + GOOD_FOR_S
        older = await self.table.get(newest)
        writes: list[Write] = [
            Put(keys.invitation(_digest(token)), {"member_id": member_id, "by": by}, ABSENT, until),
            Put(newest, {"digest": _digest(token)}, Unchanged(older.version) if older else ABSENT, until),
        ]
        if older is not None:
            writes.append(Delete(keys.invitation(older.data["digest"])))
        await self.table.transact(writes)
        return token

    async def find(self, token: str) -> Invitation | None:
        """An invitation, or None: unknown, expired, used, replaced, or not needed any more."""
        found = await self._found(token)
        if found is None:
            return None
        item, member = found
        return Invitation(member, item.expires_at or 0, item.data["by"])

    async def accept(self, token: str, *, name: str, password: str) -> Member:
        """Sign an invited member in with a password of their own: password, identity and invitation change together.

        Raises:
            Invalid: The password cannot be used; the invitation still can.
            SignInFailed: The invitation cannot be used, or there are no passwords here.
        """
        if self.passwords is None:
            raise no_passwords()
        with failures.logged() as about:
            item, member = await self._usable(token)
            about["member"] = member.id
            problem = password_problem(password, member.email)
            if problem is not None:
                raise Invalid(problem, problems=((("password",), problem),))
            record = await self.passwords.record(password)
            also = [*_using(item, member), Put(keys.password(member.id), record, ABSENT)]
            return await self._entered(member, Entry(built_in_identity(), name), also)

    async def accept_as(self, token: str, entry: Entry, *, vouched: str | None) -> Member:
        """Sign an invited member in as whom the identity provider says.

        Args:
            token: What the link holds.
            entry: As whom they came in.
            vouched: The address that the provider says is theirs; it must be the invited one. None where it vouches
                for none: then whoever holds the link links their identity.

        Raises:
            SignInFailed: The invitation cannot be used, or not by them.
        """
        item, member = await self._usable(token)
        if vouched not in (None, member.email):
            refused = SignInFailed(
                f"You are signed in as {vouched}, and this invitation is for {member.email}. Sign in with that "
                f"account, or ask whoever invited you to invite {vouched}.",
                reason="invitation_of_another",
            )
            raise failures.of(member.id, refused)
        return await self._entered(member, entry, _using(item, member))

    async def _entered(self, member: Member, entry: Entry, also: list[Write]) -> Member:
        try:
            entered = await self.people.sign_in(member.id, entry, also=also)
        except Conflict:
            # Somebody else was faster with the same link; or the identity belongs to another member.
            raise spent() from None
        logger.info("invitation_accepted", extra={"fields": {"member": member.id}})
        return entered

    async def _usable(self, token: str) -> tuple[Item, Member]:
        found = await self._found(token)
        if found is None:
            raise spent()
        return found

    async def _found(self, token: str) -> tuple[Item, Member] | None:
        item = await self.table.get(keys.invitation(_digest(token))) if _FORM.fullmatch(token) else None
        if item is None:
            return None
        member = await self.people.get(item.data["member_id"])
        return (item, member) if member is not None and member.invited else None


def built_in_identity() -> Identity:
    """A new identity for somebody with a password here."""
    return Identity(BUILT_IN, secrets.token_hex(16))


def spent() -> SignInFailed:
    """The link opens nothing, whatever the cause: who guesses learns nothing."""
    return SignInFailed(
        "This invitation has expired, was used, or was replaced by a newer one. Ask whoever invited you for another.",
        reason="invitation_unknown",
    )


def no_passwords() -> SignInFailed:
    """Nobody has a password here."""
    return SignInFailed(
        "There are no passwords here: people sign in with an identity provider. Whoever runs this gateway names one "
        "with OIDC_ISSUER.",
        reason="no_passwords",
    )


def _using(item: Item, member: Member) -> list[Write]:
    return [Delete(item.key, Unchanged(item.version)), Delete(keys.member_invitation(member.id))]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
