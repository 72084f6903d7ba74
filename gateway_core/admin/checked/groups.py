"""The mapping from groups of the identity provider to roles, as one actor may see and replace it."""

from dataclasses import dataclass

from gateway_core.access.roles import Actor, may_give
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import demand
from gateway_core.admin.drafts import GroupsDraft
from gateway_core.admin.groups import group_problems, mapping, owners
from gateway_core.admin.state import Mapping, State
from gateway_core.errors import Invalid, NotAllowed
from gateway_core.signin.groups import Groups as Kept


@dataclass(frozen=True, slots=True)
class Groups:
    """See the module."""

    admin: Administration
    actor: Actor

    async def seen(self) -> State:
        """The registry, with the mapping.

        Raises:
            NotAllowed: The actor may not see it.
        """
        demand(self.actor, "groups.read")
        return await self.admin.state()

    async def replace(self, draft: GroupsDraft) -> State:
        """Put another mapping in the place of the one there is. It counts from each person's next sign-in on.

        Raises:
            Invalid: Unknown workspace; nothing was changed.
            NotAllowed: The actor may not change it, or not this in it.
            Conflict: Somebody else changed it meanwhile.
        """
        demand(self.actor, "groups.write")
        state = await self.admin.state()
        problems = tuple(group_problems(draft.groups, state.workspaces))
        if problems:
            raise Invalid("The mapping cannot be used; nothing was changed.", problems=problems)
        after = mapping(draft.groups, {slug: stored.record for slug, stored in state.workspaces.items()})
        demand_owners_kept(self.actor, state.groups.record, after)
        await Kept(self.admin.table).write(after, version=state.groups.version)
        return await self.admin.state()


def demand_owners_kept(actor: Actor, before: Mapping, after: Mapping) -> None:
    """Go on only if the same groups own the organisation as before, or `actor` may say who owns it.

    Raises:
        NotAllowed: Only an owner makes owners.
    """
    if owners(before) != owners(after) and not may_give(actor, "owner"):
        raise NotAllowed(
            f"You are signed in as {actor.name}. Only an owner of the organisation says which groups own it."
        )
