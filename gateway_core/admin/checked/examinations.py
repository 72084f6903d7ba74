"""Looking at a server step by step, as one actor may."""

import logging
from dataclasses import dataclass

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import Authority, refusal
from gateway_core.connect.steps import Step
from gateway_core.errors import Invalid, NotFound
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import granularity_of
from gateway_core.registry.workspaces import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of one look."""

    server: Server
    workspace: Workspace
    """From which the server was looked at."""
    steps: tuple[Step, ...]

    @property
    def well(self) -> bool:
        """True where nothing failed."""
        return all(step.outcome != "failed" for step in self.steps)


@dataclass(frozen=True, slots=True)
class Examinations:
    """See the module."""

    admin: Administration
    actor: Actor

    async def of(self, server: str, workspace: str | None) -> Examined:
        """Look at a server now, as the actor would meet it. See connect.examining.

        Args:
            server: Slug or id.
            workspace: Slug of the one from which it is used; None: one in which the actor may.

        Raises:
            NotFound: There is no such server in the actor's reach.
            NotAllowed: It is not theirs to look at.
            Invalid: It is not used from there, or it has to be said from where.
        """
        state = await self.admin.state()
        authority = Authority.over(self.actor, state)
        seen = (stored.record for slug, stored in authority.state.servers.items() if server in (slug, stored.record.id))
        found = next(seen, None)
        if found is None:
            told = f"There is no server {server!r} that you can look at. 'gatehouse servers list' shows them."
            raise NotFound(told, reason="unknown_server")
        place = self._place(authority, found, workspace)
        assert self.admin.examine is not None  # noqa: S101 - the admin API is made with it
        steps = await self.admin.examine(found, place, state.organisation or "", self.actor)
        examined = Examined(found, place, steps)
        fields = {"server": found.id, "workspace": place.id, "actor": self.actor.id, "well": examined.well}
        logger.info("server_examined", extra={"fields": fields})
        return examined

    def _place(self, authority: Authority, server: Server, workspace: str | None) -> Workspace:
        if workspace is not None:
            chosen = authority.workspace(workspace, "servers.examine")
            if not server.in_workspace(chosen.id):
                told = f"{server.slug!r} is not provisioned to the workspace {workspace!r}."
                raise Invalid(told, problems=((("workspace",), told),))
            return chosen
        every = [stored.record for _, stored in sorted(authority.state.workspaces.items())]
        inside = [one for one in every if server.in_workspace(one.id)]
        if not inside:
            told = (
                f"{server.slug!r} is provisioned to no workspace, so nobody can call it. Name one in its `workspaces`."
            )
            raise Invalid(told, problems=((("server",), told),))
        allowed = authority.places("servers.examine")
        places = [one for one in inside if one.slug in allowed]
        if not places:
            raise refusal(self.actor, "servers.examine")
        if len(places) > 1 and granularity_of(server.auth) == "workspace":
            slugs = ", ".join(one.slug for one in places)
            told = f"Each workspace has an account of its own at {server.slug!r}. Say which: --workspace ({slugs})"
            raise Invalid(told, problems=((("workspace",), told),))
        return places[0]
