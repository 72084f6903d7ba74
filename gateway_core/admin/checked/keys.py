"""API keys, as one actor may see, make and revoke them."""

from dataclasses import dataclass

from gateway_core.access.api_keys import ApiKey
from gateway_core.access.roles import Actor, may_stand_in
from gateway_core.admin import api_keys
from gateway_core.admin.administration import Administration
from gateway_core.admin.api_keys import NewKey
from gateway_core.admin.authority import Authority
from gateway_core.admin.drafts import KeyDraft
from gateway_core.errors import NotAllowed
from gateway_core.registry.members import Member


@dataclass(frozen=True, slots=True)
class Keys:
    """See the module."""

    admin: Administration
    actor: Actor

    async def create(self, draft: KeyDraft) -> NewKey:
        """A new API key and its text, which is not kept.

        Raises:
            Invalid: Unknown workspace or server.
            NotAllowed: Not in this workspace, or not for this person.
            Conflict: The person was removed or changed meanwhile.
        """
        authority = Authority.over(self.actor, await self.admin.state())
        authority.workspace(draft.workspace, "keys.create")
        return await api_keys.create(
            self.admin.table, draft, authority.state,
            clock=self.admin.clock, by=self.actor.name, demand=self._demand_person,
        )  # fmt: skip

    async def _demand_person(self, member: Member) -> None:
        """Go on only if the actor may do all that this person may: whoever has their key calls in their name."""
        # Read after the member, so that it has every workspace of theirs.
        authority = Authority.over(self.actor, await self.admin.state())
        if not may_stand_in(self.actor, authority.judged(member)):
            raise NotAllowed(
                f"You are signed in as {self.actor.name}. A key for {member.email} would let its holder act as "
                "somebody with roles beyond yours. An owner or admin of the organisation can make it; a service key "
                "is in nobody's name."
            )

    async def listed(self, workspace: str | None) -> list[ApiKey]:
        """The keys of one workspace, or of all where the actor may see them, oldest first.

        Raises:
            Invalid: Unknown workspace.
            NotAllowed: Not in this workspace.
        """
        authority = Authority.over(self.actor, await self.admin.state())
        if workspace is None:
            wanted = list(authority.places("keys.read").values())
        else:
            wanted = [authority.workspace(workspace, "keys.read")]
        return await api_keys.of_workspaces(self.admin.table, wanted)

    async def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key from the next request on.

        Raises:
            NotFound: There is none in the actor's reach.
            NotAllowed: Not in its workspace.
        """
        state = await self.admin.state()
        everywhere = [stored.record for stored in state.workspaces.values()]
        item = await api_keys.find(self.admin.table, key_id, everywhere)
        if item is None:
            raise api_keys.missing(key_id)
        authority = Authority.over(self.actor, state)
        authority.demand_object("keys.revoke", item.data["workspace_id"], api_keys.missing(key_id))
        return await api_keys.revoke(self.admin.table, item, now=self.admin.clock(), by=self.actor.name)
