"""Routes for API keys."""

from typing import Any

from fastapi import FastAPI

from gateway_core.access.api_keys import ApiKey
from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.keys import Keys
from gateway_core.admin.drafts import KeyDraft
from gateway_core.web.api.actions import Asking
from gateway_core.web.api.members import link_ended


def key_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.post("/api/v1/keys", status_code=201)
    async def create_key(draft: KeyDraft, actor: Asking) -> dict[str, Any]:
        """Make an API key. Its text is in this answer and nowhere else.

        `next` says what is to be done now, and is null where that is nothing.
        """
        made = await Keys(administration, actor).create(draft)
        now = made.owner
        told = link_ended(now.member) if now is not None and now.link_ended else None
        return {"key": made.token, **key_told(made.key), "next": told}

    @app.get("/api/v1/keys")
    async def list_keys(actor: Asking, workspace: str | None = None) -> dict[str, Any]:
        """The API keys of one workspace, or of all that the actor may see, without their text."""
        return {"keys": [key_told(key) for key in await Keys(administration, actor).listed(workspace)]}

    @app.delete("/api/v1/keys/{key_id}")
    async def revoke_key(key_id: str, actor: Asking) -> dict[str, Any]:
        """Revoke an API key from the next request on."""
        return key_told(await Keys(administration, actor).revoke(key_id))


def key_told(key: ApiKey) -> dict[str, Any]:
    """A key as the API shows it."""
    return {
        "id": key.id,
        "workspace_id": key.workspace_id,
        "kind": key.kind,
        "subject": key.subject,
        "member_id": key.member_id,
        "servers": key.servers,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "revoked_by": key.revoked_by,
    }
