"""Routes for OAuth clients and for what people let them do."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Response

from gateway_core.access.grants import ORGANISATION_PLACE, Grant
from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.clients import Clients
from gateway_core.admin.checked.grants import GrantFilter, Grants
from gateway_core.admin.checked.registry import Registry
from gateway_core.admin.drafts import ClientDraft
from gateway_core.issuer.registered import Registered
from gateway_core.registry import client_policy
from gateway_core.registry.members import Member
from gateway_core.web.api.actions import Asking


def client_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/clients")
    async def list_clients(actor: Asking) -> dict[str, Any]:
        """The OAuth clients that administrators entered; and `policy`: which of the others are let in, as the section
        `clients` of the configuration says it."""
        clients = Clients(administration, actor)
        found, policy = await clients.listed(), await clients.policy()
        return {"clients": [_client_told(each) for each in found], "policy": client_policy.to_data(policy)}

    @app.post("/api/v1/clients", status_code=201)
    async def create_client(draft: ClientDraft, actor: Asking) -> dict[str, Any]:
        """Enter an OAuth client. Its secret is in this answer and nowhere else."""
        made, secret = await Clients(administration, actor).create(draft)
        return {**_client_told(made), "secret": secret}

    @app.delete("/api/v1/clients/{client_id}", status_code=204)
    async def delete_client(client_id: str, actor: Asking) -> Response:
        """Remove an OAuth client, and everything that people let it do."""
        await Clients(administration, actor).delete(client_id)
        return Response(status_code=204)


def grant_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/grants")
    async def list_grants(
        actor: Asking, workspace: str | None = None, member: str | None = None, client: str | None = None
    ) -> dict[str, Any]:
        """What people let clients do, in one workspace or wherever the actor may see it."""
        found = await Grants(administration, actor).listed(GrantFilter(workspace, member, client))
        people = {each.id: each for each in await administration.people.everyone()}
        slugs = await slugs_seen(administration, actor)
        return {"grants": [grant_told(grant, slugs, people.get(grant.member_id)) for grant in found]}

    @app.delete("/api/v1/grants/{grant_id}", status_code=204)
    async def revoke_grant(grant_id: str, actor: Asking) -> Response:
        """End a grant: its tokens are refused from the next request on."""
        await Grants(administration, actor).revoke(grant_id)
        return Response(status_code=204)


def grant_told(grant: Grant, slugs: Mapping[str, str], member: Member | None) -> dict[str, Any]:
    """A grant as the API shows it. `workspace` is null where it is for administering."""
    return {
        "id": grant.id,
        "workspace": None if grant.place == ORGANISATION_PLACE else slugs.get(grant.place),
        "member": {"id": grant.member_id, "email": None if member is None else member.email},
        "client": {"id": grant.client_id, "name": grant.client_name, "kind": grant.client_kind},
        "resource": grant.resource,
        "scope": grant.scope,
        "created_at": grant.created_at,
        "refreshed_at": grant.refreshed_at,
        "expires_at": grant.expires_at,
    }


async def slugs_seen(administration: Administration, actor: Actor) -> dict[str, str]:
    """Slugs of the workspaces that the actor may look into, by id."""
    seen = await Registry(administration, actor).seen()
    return {stored.record.id: slug for slug, stored in seen.workspaces.items()}


def _client_told(made: Registered) -> dict[str, Any]:
    return {
        "id": made.client.id,
        "name": made.client.name,
        "redirect_uris": list(made.client.redirect_uris),
        "auth_method": made.client.auth_method,
        "created_at": made.created_at,
        "created_by": made.created_by,
    }
