"""Routes for what is one's own: who one is, one's keys, and what one let clients do."""

from typing import Any, Final

from fastapi import FastAPI, Response

from gateway_core.access.api_keys import ApiKey
from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.own import Own, reach
from gateway_core.admin.checked.registry import Registry
from gateway_core.admin.state import State
from gateway_core.web.api.actions import Asking
from gateway_core.web.api.grants import grant_told, slugs_seen
from gateway_core.web.api.keys import key_told
from gateway_core.web.api.members import member_told

MAX_SERVERS: Final = 100
"""Servers that are named to whoever asks who they are."""


def own_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/me")
    async def who_am_i(actor: Asking) -> dict[str, Any]:
        """Who asks, and the servers that they can use: the first `MAX_SERVERS`, and whether there are more.

        `member` is null for the administrator's key, which uses no server.
        """
        state, member = await Registry(administration, actor).seen(), actor.member
        told = None if member is None else member_told(member, _workspaces(state))
        found = [] if member is None else reach(member, state, MAX_SERVERS + 1)
        servers = [{"workspace": place, "server": slug} for place, slug in found[:MAX_SERVERS]]
        return {"name": actor.name, "member": told, "servers": servers, "more_servers": len(found) > MAX_SERVERS}

    @app.get("/api/v1/me/keys")
    async def my_keys(actor: Asking) -> dict[str, Any]:
        """The asking person's API keys, without their text, and slugs by id of what the keys are for."""
        found = await Own(administration, actor).keys()
        state = await Registry(administration, actor).seen()
        return {"keys": [key_told(key) for key in found], "slugs": _named(found, state)}

    @app.delete("/api/v1/me/keys/{key_id}")
    async def revoke_my_key(key_id: str, actor: Asking) -> dict[str, Any]:
        """Revoke one of them."""
        return key_told(await Own(administration, actor).revoke_key(key_id))

    @app.get("/api/v1/me/grants")
    async def my_grants(actor: Asking) -> dict[str, Any]:
        """What the asking person let clients do."""
        slugs = await slugs_seen(administration, actor)
        found = await Own(administration, actor).grants()
        return {"grants": [grant_told(grant, slugs, actor.member) for grant in found]}

    @app.delete("/api/v1/me/grants/{grant_id}", status_code=204)
    async def revoke_my_grant(grant_id: str, actor: Asking) -> Response:
        """End one of them."""
        await Own(administration, actor).revoke_grant(grant_id)
        return Response(status_code=204)


def _workspaces(state: State) -> dict[str, str]:
    return {stored.record.id: slug for slug, stored in state.workspaces.items()}


def _named(found: list[ApiKey], state: State) -> dict[str, str]:
    slugs = _workspaces(state) | {stored.record.id: slug for slug, stored in state.servers.items()}
    return {id_: slugs[id_] for key in found for id_ in (key.workspace_id, *(key.servers or ())) if id_ in slugs}
