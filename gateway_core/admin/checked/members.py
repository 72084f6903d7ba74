"""Members, as one actor may see, invite, change and remove them."""

import logging
from dataclasses import dataclass

from gateway_core.access.roles import Action, Actor, may, may_stand_in
from gateway_core.access.throttle import Throttle
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import Authority, demand, refusal
from gateway_core.admin.checked import giving
from gateway_core.admin.drafts import InvitationDraft, RolesDraft
from gateway_core.admin.leaving import tidy
from gateway_core.admin.links import Given, Link, ended, give
from gateway_core.errors import Conflict, Invalid, NotAllowed, NotFound, StoreUnavailable
from gateway_core.registry.members import Member, Roles, roles_to_data

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invited:
    """Who was invited, and how they join."""

    member: Member
    link: Link | None
    """With which they join: None where they sign in without one, or where somebody with that link could do more
    than the actor may."""
    link_ended: bool
    """True where a link that they were sent before ended, since they may more now, and there is no new one."""


@dataclass(frozen=True, slots=True)
class Members:
    """See the module."""

    admin: Administration
    actor: Actor

    async def listed(self, *, workspace: str | None = None, email: str | None = None) -> list[Member]:
        """The members whom the actor may see, by e-mail address.

        Raises:
            Invalid: Unknown workspace.
            NotAllowed: Not in this workspace.
        """
        authority = await self._authority()
        wanted = None if workspace is None else authority.workspace(workspace, "members.read").id
        found = [await self.admin.people.by_email(email)] if email is not None else await self.admin.people.everyone()
        return [
            member
            for member in found
            if member is not None
            and self._sees(authority.judged(member))
            and (wanted is None or wanted in member.roles.workspaces)
        ]  # fmt: skip

    async def get(self, member_id: str) -> Member:
        """One member, by id or, as everywhere here, by e-mail address.

        Raises:
            NotFound: There is none whom the actor may see.
        """
        return (await self._found(member_id))[0]

    async def invite(self, draft: InvitationDraft) -> Invited:
        """Make somebody a member, or give a member further roles.

        Raises:
            Invalid: Unknown workspace.
            NotAllowed: The roles are not the actor's to give.
            TooManyRequests: The actor has invited very many people in this hour.
        """
        given = giving.asked(await self._authority(), draft)
        await self._count()
        people = self.admin.people
        known = await people.by_email(draft.email)
        if known is None:
            now = Given(await people.add(draft.email, name=draft.name or "", given=given, by=self.actor.name))
            self._log("member_invited", now.member)
        else:
            now = await self._given(known, known.given.joined(given))
        member = now.member
        if self.admin.passwords and member.invited and await self._stands_in(member):
            return Invited(member, await self._link(member), link_ended=False)
        return Invited(member, None, now.link_ended)

    async def link(self, member_id: str) -> Link:
        """A new link with which somebody joins who has not yet; where an identity provider signs people in that vouches
        for no addresses, as whomever it says they are.

        Raises:
            NotFound: There is no such member whom the actor may see.
            Conflict: They have joined already.
            NotAllowed: Whoever has the link could do more than the actor may.
        """
        member, authority = await self._found(member_id)
        self._demand_standing_in(authority.judged(member), "members.invite")
        if not member.invited:
            raise Conflict(f"{member.email} has joined already, and signs in without a link.")
        await self._count()
        return await self._link(member)

    async def change(self, member_id: str, draft: RolesDraft) -> Given:
        """Give a member other roles, from the next request on.

        Raises:
            NotFound: There is no such member whom the actor may see.
            Invalid: Unknown workspace, or nobody would own the organisation any more.
            NotAllowed: The roles are not the actor's to give or take.
            Conflict: Somebody else changed them at the same time.
        """
        member, authority = await self._found(member_id)
        return await self._given(member, giving.changed(authority, member, draft))

    async def remove(self, member_id: str) -> Member:
        """Remove a member: their sessions, grants and keys are refused from the next request on.

        Raises:
            NotFound: There is no such member whom the actor may see.
            NotAllowed: The actor may not, or the member is an owner and they are not.
            Invalid: Nobody would own the organisation any more.
            Conflict: Somebody else changed them at the same time.
        """
        member = await self.get(member_id)
        giving.demand_rank(self.actor, member.roles.organisation)
        demand(self.actor, "members.remove")
        await self.admin.people.remove(member.id, since=member)
        self._log("member_removed", member)
        try:
            await tidy(self.admin, member, by=self.actor.name)
        except (Conflict, StoreUnavailable) as problem:
            # They are gone all the same: what is left opens nothing, and only stands in lists.
            self._log("member_not_tidied", member, reason=problem.reason)
        return member

    async def unlink(self, member_id: str) -> Member:
        """Let a member sign in with another account from now on. See `People.unlink`.

        Raises:
            NotFound: There is no such member whom the actor may see.
            NotAllowed: Whoever signs in as them could do more than the actor may.
            Invalid: They are the last owner, and it is not the administrator's key that asks.
            Conflict: They have not signed in, or somebody else changed them at the same time.
        """
        member, authority = await self._found(member_id)
        self._demand_standing_in(authority.judged(member), "members.change")
        people = self.admin.people
        stays = [] if self.actor.member is None else await people.another_owner(member)
        unlinked = await people.unlink(member.id, since=member, also=stays)
        self._log("member_unlinked", unlinked)
        return unlinked

    async def slugs(self) -> dict[str, str]:
        """Slugs of the workspaces whose members the actor may see, by id."""
        return {each.id: slug for slug, each in (await self._authority()).places("members.read").items()}

    async def _count(self) -> None:
        """Hold back who invites without end: each invitation is a person in the organisation, and perhaps a mail."""
        await Throttle(self.admin.table, self.admin.clock).check("invite_account", self.actor.id)

    async def _given(self, member: Member, given: Roles) -> Given:
        now = await give(self.admin.people, member, given)
        if given != member.given:
            self._log("roles_changed", member, was=roles_to_data(member.given), now=roles_to_data(given))
        return now

    async def _found(self, member_id: str) -> tuple[Member, Authority]:
        """A member whom the actor sees, and the registry as it stood no earlier: it has every workspace of theirs."""
        people = self.admin.people
        # No id has an @ in it.
        member = await (people.by_email(member_id) if "@" in member_id else people.get(member_id))
        authority = await self._authority()
        if member is None or not self._sees(authority.judged(member)):
            raise _missing(member_id)
        return member, authority

    async def _stands_in(self, member: Member) -> bool:
        return may_stand_in(self.actor, (await self._authority()).judged(member))

    async def _link(self, member: Member) -> Link:
        if self.admin.make_link is None:
            raise Invalid("This gateway has no PUBLIC_URL, so that there is no page to send people to.")
        link = await self.admin.make_link(member.id, self.actor.name)
        self._log("invitation_made", member)
        now = await self.admin.people.get(member.id)
        if now is None or not await self._stands_in(now):
            # Their roles were raised before the link was there to be ended by that.
            if now is not None:
                await self.admin.table.transact(await ended(self.admin.table, now))
            raise Conflict(f"Somebody else changed {member.email} at the same time. Look at them again.")
        return link

    def _log(self, event: str, member: Member, **fields: object) -> None:
        """A security event: who did it, to whom."""
        logger.info(event, extra={"fields": {"actor": self.actor.id, "member": member.id, **fields}})

    def _demand_standing_in(self, member: Member, action: Action) -> None:
        if may_stand_in(self.actor, member):
            return
        places = (None, *member.roles.workspaces)
        if not any(may(self.actor, action, place) for place in places):
            raise refusal(self.actor, action)
        raise NotAllowed(
            f"{member.email} may do more than you, so that this must come from somebody who may do as much."
        )

    async def _authority(self) -> Authority:
        return Authority.over(self.actor, await self.admin.state())

    def _sees(self, member: Member) -> bool:
        return any(may(self.actor, "members.read", place) for place in (None, *member.roles.workspaces))


def _missing(member_id: str) -> NotFound:
    return NotFound(f"There is no member {member_id!r}. 'gatehouse members list' shows them.", reason="unknown_member")
