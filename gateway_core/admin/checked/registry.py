"""Configuration, workspaces, servers and secrets, as one actor may see and change them."""

from dataclasses import dataclass

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import Authority, demand
from gateway_core.admin.checked.groups import demand_owners_kept
from gateway_core.admin.drafts import ApplyDraft
from gateway_core.admin.planning import Change
from gateway_core.admin.state import State
from gateway_core.signin.groups import GroupMapping


@dataclass(frozen=True, slots=True)
class Registry:
    """See the module."""

    admin: Administration
    actor: Actor

    async def apply(self, draft: ApplyDraft) -> list[Change]:
        """Make the registry say what the configuration says. See `Administration.apply`.

        Raises:
            NotAllowed: The actor does not run the organisation, or would make owners without being one.
        """
        demand(self.actor, "registry.apply")
        state = await self.admin.state()
        if draft.config.groups is not None:
            demand(self.actor, "groups.write")
            owning = tuple(GroupMapping(row.group, row.organisation) for row in draft.config.groups)
            demand_owners_kept(self.actor, state.groups.record, owning)
        return await self.admin.apply(draft, state)

    async def seen(self) -> State:
        """The workspaces that the actor belongs to or may look into, and the servers in them."""
        return Authority.over(self.actor, await self.admin.state()).state

    async def set_secret(self, name: str, value: str) -> None:
        """Create or replace a secret. See `Administration.set_secret`."""
        demand(self.actor, "secrets.write")
        await self.admin.set_secret(name, value)

    async def secrets(self) -> list[tuple[str, list[str]]]:
        """Every secret by name, with the servers that use it."""
        demand(self.actor, "secrets.read")
        return await self.admin.list_secrets()

    async def delete_secret(self, name: str) -> None:
        """Remove a secret. See `Administration.delete_secret`."""
        demand(self.actor, "secrets.write")
        await self.admin.delete_secret(name)
