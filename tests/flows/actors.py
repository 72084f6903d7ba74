"""People of a gateway for flows, and what they let clients do, as the issuer would have written it."""

import json
from dataclasses import replace
from typing import Any, Final

import httpx2

from gateway_core.access.api_keys import digest
from gateway_core.access.grants import Grant, new_grant_id, new_token
from gateway_core.issuer import grants
from gateway_core.registry.members import Identity, Member, Roles, WorkspaceRole
from gateway_core.registry.people import Entry
from tests.flows.gateways import Gateway

PUBLIC: Final = "http://127.0.0.1:8787"
ADMIN_URL: Final = f"{PUBLIC}/api/v1"


async def workspace_id(gw: Gateway, slug: str) -> str:
    return (await gw.admin.state()).workspaces[slug].record.id


async def roles(gw: Gateway, organisation: Any = "member", **workspaces: WorkspaceRole) -> Roles:
    return Roles(organisation, {await workspace_id(gw, slug): role for slug, role in workspaces.items()})


async def invited(gw: Gateway, email: str, organisation: Any = "member", **workspaces: WorkspaceRole) -> Member:
    return await gw.admin.people.add(email, given=await roles(gw, organisation, **workspaces), by="test")


async def joined(gw: Gateway, email: str, organisation: Any = "member", **workspaces: WorkspaceRole) -> Member:
    made = await invited(gw, email, organisation, **workspaces)
    return await gw.admin.people.sign_in(made.id, Entry(Identity("https://idp.example", email)))


async def granted(gw: Gateway, member_id: str, *, place: str = "org", **changed: Any) -> tuple[Grant, str]:
    """A grant, by default for administering, and an access token of it."""
    now = gw.clock[0]
    grant = Grant(
        id=new_grant_id(), place=place, member_id=member_id, client_id="gatehouse-cli", client_name="Command line",
        client_kind="built_in", redirect_uri="http://127.0.0.1/callback", resource=ADMIN_URL, scope="admin",
        created_at=now, expires_at=now + 86_400, refresh_hash="0" * 64, refreshed_at=now,
    )  # fmt: skip
    grant = replace(grant, **changed)
    token = new_token("gha_", place, grant.id)
    lapses = grants.access_token(grant, digest(token), expires_at=now + 3_600)
    await gw.table.transact([grants.put(grant), grants.pointer(grant), lapses])
    return grant, token


async def admin_key(gw: Gateway) -> str:
    return await gw.admin.secrets.get("admin-key") or ""


async def ask(gw: Gateway, token: str, method: str, path: str, body: Any = None) -> httpx2.Response:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else json.dumps(body)
    return await gw.http.request(method, f"{gw.url}/api/v1{path}", content=content, headers=headers)
