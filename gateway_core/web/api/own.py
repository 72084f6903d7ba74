"""Routes for what is one's own: who one is, one's keys, and what one let clients do."""

from typing import Any

from fastapi import FastAPI, Response

from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.own import Own
from gateway_core.web.api.actions import Asking
from gateway_core.web.api.grants import grant_told, slugs_seen
from gateway_core.web.api.keys import key_told
from gateway_core.web.api.members import member_told


def own_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/me")
    async def who_am_i(actor: Asking) -> dict[str, Any]:
        """Who asks. `member` is null for the administrator's key."""
        slugs = await slugs_seen(administration, actor)
        return {"name": actor.name, "member": None if actor.member is None else member_told(actor.member, slugs)}

    @app.get("/api/v1/me/keys")
    async def my_keys(actor: Asking) -> dict[str, Any]:
        """The asking person's API keys, without their text."""
        return {"keys": [key_told(key) for key in await Own(administration, actor).keys()]}

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
