"""The first owner: whoever has the set-up key of the deployment, once."""

import hmac
import logging
import secrets
import string
from dataclasses import dataclass
from typing import Final

from gateway_core.errors import Conflict, Invalid, SignInFailed
from gateway_core.ports import ABSENT, Clock, Put, Secrets, Table, Write
from gateway_core.registry.members import Member, Roles, email_problem
from gateway_core.registry.people import Entry, People, new_member_id
from gateway_core.signin import failures
from gateway_core.signin.invitations import BUILT_IN, built_in_identity, no_passwords
from gateway_core.signin.passwords import Passwords, password_problem
from gateway_core.storage import keys

PREFIX: Final = "ghs_"
SETUP_KEY: Final = "setup-key"
"""The name of the secret. On AWS the template makes it, on one machine this module does."""
BY: Final = "the set-up link"
"""What stands beside a first owner as who made them a member."""
_ALPHABET: Final = string.ascii_letters + string.digits
_TRIES: Final = 3
_OWNER: Final = Roles("owner")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setup:
    """Makes one member the first owner of the organisation. Open until an owner has signed in, whichever way they came
    (`registry/people.py` notes it), and never again."""

    table: Table
    people: People
    secrets: Secrets
    clock: Clock
    passwords: Passwords | None
    """None where people sign in elsewhere."""
    local: bool
    """True where this deployment makes its own set-up key."""

    async def is_open(self) -> bool:
        """True until an owner has signed in."""
        return await self.table.get_many([keys.first_owner(), keys.first_owner_of_old()]) == [None, None]

    async def token(self) -> str | None:
        """The set-up key while it is of use, made at the first time where the deployment is its own; else None."""
        if not await self.is_open():
            return None
        known = await self.secrets.get(SETUP_KEY)
        if known is None and self.local:
            known = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(43))
            await self.secrets.put(SETUP_KEY, known)
        return known

    async def fits(self, token: str) -> bool:
        """True while `token` can still make a first owner."""
        known = await self.token()
        return known is not None and hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogatepass"))

    async def refusal(self) -> SignInFailed:
        """Why a key does not fit. While there is no owner, it says where the link is: whoever asks hears on the sign-in
        page too that there is none."""
        if not await self.is_open():
            return closed()
        where = (
            "Start the gateway again: it prints the link."
            if self.local
            else "The output SetupLink of the gateway's stack is a command that prints the link."
        )
        return SignInFailed(
            "This set-up link is not whole, or not of this gateway, and there is no owner yet who could invite you. "
            + where,
            reason="setup_unknown",
        )

    async def first_owner(self, token: str, *, email: str, name: str, password: str) -> Member:
        """Make the first owner, with a password of their own.

        Raises:
            Invalid: Address or password cannot be used; the set-up key still can.
            SignInFailed: The key is wrong or was used, or there are no passwords here.
        """
        if self.passwords is None:
            raise no_passwords()
        for field, problem in (("email", email_problem(email)), ("password", password_problem(password, email))):
            if problem is not None:
                raise Invalid(problem, problems=(((field,), problem),))
        with failures.logged():
            if not await self.fits(token):
                raise await self.refusal()
            record = await self.passwords.record(password)
            return await self._made(email, Entry(built_in_identity(), name, given=_OWNER), record)

    async def first_owner_as(self, token: str, *, email: str | None, verified: bool, entry: Entry) -> Member:
        """Make the first owner of whom the identity provider let in.

        Args:
            token: The set-up key.
            email: Their address, as the provider has it.
            verified: Whether the provider says that it is theirs. Else it is taken only while nobody has it.
            entry: As whom they signed in.

        Raises:
            SignInFailed: The key is wrong or was used, or there is no address to know them by.
        """
        if not await self.fits(token):
            raise await self.refusal()
        owner = Entry(entry.identity, entry.name, entry.mapped, _OWNER)
        known = await self.people.by_identity(entry.identity)
        if known is not None:
            return await self._crowned(known, owner, [])
        if email is None:
            raise SignInFailed(
                "The identity provider gave no e-mail address that can be used. Whoever runs it adds the claim email.",
                reason="no_email",
            )
        if not verified and await self.people.by_email(email) is not None:
            raise SignInFailed(
                f"{email} was invited already, and the identity provider does not say that it is yours. "
                "Remove that member first, or use another address.",
                reason="email_not_verified",
            )
        return await self._made(email, owner, None)

    async def _made(self, email: str, owner: Entry, password: dict[str, object] | None) -> Member:
        """The first owner, whether their address was invited before or is new."""
        for _ in range(_TRIES):
            known = await self.people.by_email(email)
            if known is not None and not known.invited:
                # Whoever was faster with the same key may have the same address.
                raise _taken(known) if await self.is_open() else closed()
            try:
                if known is None:
                    return await self._new(email, owner, password)
                also: list[Write] = [] if password is None else [Put(keys.password(known.id), password, ABSENT)]
                return await self._crowned(known, owner, also)
            except Conflict:
                if not await self.is_open():
                    raise closed() from None
        raise Conflict("Somebody else changes this member at the same time. Try again.")

    async def _new(self, email: str, owner: Entry, password: dict[str, object] | None) -> Member:
        member_id, also = new_member_id(), [self._once()]
        if password is not None:
            also.append(Put(keys.password(member_id), password, ABSENT))
        return _logged(await self.people.enter(email, owner, by=BY, member_id=member_id, also=also))

    async def _crowned(self, member: Member, owner: Entry, also: list[Write]) -> Member:
        return _logged(await self.people.sign_in(member.id, owner, also=[self._once(), *also]))

    def _once(self) -> Put:
        return Put(keys.first_owner(), {"at": self.clock()}, ABSENT)


def closed() -> SignInFailed:
    """The key opens nothing, right or wrong: there is an owner already."""
    return SignInFailed(
        "This gateway has its first owner already, and the set-up link works once. Sign in instead, or ask an owner to "
        "invite you.",
        reason="setup_closed",
    )


def _logged(owner: Member) -> Member:
    logger.info("first_owner", extra={"fields": {"member": owner.id}})
    return owner


def _taken(member: Member) -> Invalid:
    how = "has a password here" if member.identity and member.identity.issuer == BUILT_IN else "signs in"
    problem = f"{member.email} {how} already. Use another address."
    return Invalid(problem, problems=((("email",), problem),))
