"""Routes for configuration, workspaces, servers and secrets."""

from typing import Any

from fastapi import FastAPI, Response

from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.registry import Registry
from gateway_core.admin.drafts import ApplyDraft, SecretDraft
from gateway_core.admin.planning import Change
from gateway_core.registry import servers
from gateway_core.registry.upstream_auth import granularity_of
from gateway_core.web.api.actions import Asking


def registry_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.post("/api/v1/apply")
    async def apply(draft: ApplyDraft, actor: Asking) -> dict[str, Any]:
        """Make the registry say what a configuration says. Repeating it changes nothing."""
        return {"changes": [_change(change) for change in await Registry(administration, actor).apply(draft)]}

    @app.get("/api/v1/workspaces")
    async def list_workspaces(actor: Asking) -> dict[str, Any]:
        """Every workspace that the actor belongs to or may look into."""
        state = await Registry(administration, actor).seen()
        found = [{"id": w.record.id, "slug": w.record.slug, "name": w.record.name} for w in state.workspaces.values()]
        return {"organisation": state.organisation, "workspaces": sorted(found, key=lambda w: w["slug"])}

    @app.get("/api/v1/servers")
    async def list_servers(actor: Asking) -> dict[str, Any]:
        """Every server of those, with the slugs of the workspaces it is provisioned to."""
        state = await Registry(administration, actor).seen()
        slugs = {stored.record.id: slug for slug, stored in state.workspaces.items()}
        found = []
        for _, stored in sorted(state.servers.items()):
            data = servers.to_data(stored.record)
            if data["workspaces"] != "all":
                data["workspaces"] = sorted(slugs[id_] for id_ in data["workspaces"] if id_ in slugs)
            data["auth"] = {"type": data["auth"]["type"], "granularity": granularity_of(stored.record.auth)}
            data["headers"] = [header.name for header in stored.record.headers]
            if data["jwt_validation"] is not None:
                data["jwt_validation"] = {"issuer": data["jwt_validation"]["issuer"]}
            found.append(data)
        return {"servers": found}


def secret_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.put("/api/v1/secrets/{name}", status_code=204)
    async def set_secret(name: str, draft: SecretDraft, actor: Asking) -> Response:
        """Create or replace a secret. No route gives a value back."""
        await Registry(administration, actor).set_secret(name, draft.value)
        return Response(status_code=204)

    @app.get("/api/v1/secrets")
    async def list_secrets(actor: Asking) -> dict[str, Any]:
        """The names of secrets and the servers that use them."""
        found = await Registry(administration, actor).secrets()
        return {"secrets": [{"name": name, "used_by": users} for name, users in found]}

    @app.delete("/api/v1/secrets/{name}", status_code=204)
    async def delete_secret(name: str, actor: Asking) -> Response:
        """Remove a secret that no server uses."""
        await Registry(administration, actor).delete_secret(name)
        return Response(status_code=204)


def _change(change: Change) -> dict[str, Any]:
    return {"action": change.action, "kind": change.kind, "slug": change.slug, "fields": list(change.fields)}
