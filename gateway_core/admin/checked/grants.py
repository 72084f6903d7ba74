"""What people let clients do, as one actor may see and revoke it."""

from dataclasses import dataclass

from gateway_core.access.grants import ORGANISATION_PLACE, Grant
from gateway_core.access.roles import Action, Actor, may
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import Authority, demand
from gateway_core.errors import NotFound
from gateway_core.issuer.grants import Grants as Kept
from gateway_core.ports import Item
from gateway_core.storage import keys


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which grants are wanted; None asks for any."""

    workspace: str | None = None
    """Slug."""
    email: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """See the module."""

    admin: Administration
    actor: Actor

    async def listed(self, wanted: GrantFilter) -> list[Grant]:
        """The grants that the actor may see, oldest first.

        Raises:
            Invalid: Unknown workspace.
            NotAllowed: Not in this workspace.
        """
        authority = Authority.over(self.actor, await self.admin.state())
        if wanted.workspace is not None:
            places = {authority.workspace(wanted.workspace, "grants.read").id}
        else:
            places = self._places(authority, "grants.read")
        kept = Kept(self.admin.table, self.admin.clock)
        if wanted.email is not None:
            member = await self.admin.people.by_email(wanted.email)
            found = [] if member is None else await kept.of_member(member.id)
        else:
            found = [grant for place in sorted(places) for grant in await kept.of_place(place)]
        return sorted(
            (g for g in found if g.place in places and wanted.client_id in (None, g.client_id)),
            key=lambda grant: (grant.created_at, grant.id),
        )

    async def revoke(self, grant_id: str) -> None:
        """End a grant: its tokens are refused from the next request on.

        Raises:
            NotFound: There is none in the actor's reach.
            NotAllowed: Not in its workspace.
        """
        missing = NotFound(f"There is no grant {grant_id!r}. 'gatehouse grants list' shows them.",
                           reason="unknown_grant")  # fmt: skip
        state = await self.admin.state()
        item = await self._find(grant_id, [ORGANISATION_PLACE, *(w.record.id for w in state.workspaces.values())])
        if item is None:
            raise missing
        place = item.data["place"]
        if place == ORGANISATION_PLACE:
            if not may(self.actor, "grants.read"):
                raise missing
            demand(self.actor, "grants.revoke")
        else:
            Authority.over(self.actor, state).demand_object("grants.revoke", place, missing)
        await Kept(self.admin.table, self.admin.clock).revoke(place, grant_id)

    async def _find(self, grant_id: str, places: list[str]) -> Item | None:
        wanted = [keys.grant(place, grant_id) for place in places]
        for start in range(0, len(wanted), 100):
            for item in await self.admin.table.get_many(wanted[start : start + 100]):
                # What a removed member let a client do has ended already (`access/grants.py`).
                if item is not None and not item.data.get("removed"):
                    return item
        return None

    def _places(self, authority: Authority, action: Action) -> set[str]:
        places = {workspace.id for workspace in authority.places(action).values()}
        return places | ({ORGANISATION_PLACE} if may(self.actor, action) else set())
