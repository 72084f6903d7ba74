"""What is one member's own: their keys, what they let clients do, and the servers that they can use."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice

from gateway_core.access.api_keys import ApiKey
from gateway_core.access.grants import Grant
from gateway_core.access.roles import Actor
from gateway_core.admin import api_keys
from gateway_core.admin.administration import Administration
from gateway_core.admin.state import State
from gateway_core.errors import NotFound
from gateway_core.issuer.grants import Grants
from gateway_core.registry.members import Member
from gateway_core.storage import keys


@dataclass(frozen=True, slots=True)
class Own:
    """See the module. The administrator's key is nobody's: it has nothing."""

    admin: Administration
    actor: Actor

    async def keys(self) -> list[ApiKey]:
        """Their keys, oldest first."""
        if self.actor.member is None:
            return []
        return await api_keys.of_member(self.admin.table, self.actor.member.id)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke one of their keys.

        Raises:
            NotFound: They have no such key.
        """
        for key in await self.keys():
            item = await self.admin.table.get(keys.api_key(key.workspace_id, key.id)) if key.id == key_id else None
            if item is not None:
                return await api_keys.revoke(self.admin.table, item, now=self.admin.clock(), by=self.actor.name)
        raise NotFound(f"You have no API key {key_id!r}.", reason="unknown_key")

    async def grants(self) -> list[Grant]:
        """What they let clients do, oldest first."""
        if self.actor.member is None:
            return []
        found = await Grants(self.admin.table, self.admin.clock).of_member(self.actor.member.id)
        return sorted(found, key=lambda grant: (grant.created_at, grant.id))

    async def revoke_grant(self, grant_id: str) -> None:
        """End one of them: its tokens are refused from the next request on.

        Raises:
            NotFound: They have none of this id.
        """
        for grant in await self.grants():
            if grant.id == grant_id:
                await Grants(self.admin.table, self.admin.clock).revoke(grant.place, grant.id)
                return
        raise NotFound(f"You have let no client do anything under the id {grant_id!r}.", reason="unknown_grant")


def reach(member: Member, state: State, limit: int) -> list[tuple[str, str]]:
    """The servers that a member can use, each in each workspace: slugs of workspace and server, in order, at most
    `limit`. Pure."""
    everywhere = [slug for slug, server in state.servers.items() if server.record.workspaces == "all"]
    there: dict[str, list[str]] = defaultdict(list)
    for slug, server in state.servers.items():
        for workspace_id in () if server.record.workspaces == "all" else server.record.workspaces:
            there[workspace_id].append(slug)
    pairs = (
        (place, slug)
        for place, workspace in sorted(state.workspaces.items())
        if member.reaches(workspace.record.id)
        for slug in sorted(everywhere + there[workspace.record.id])
    )
    return list(islice(pairs, limit))
