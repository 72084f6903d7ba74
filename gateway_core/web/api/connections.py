"""Routes for accounts that are connected at servers."""

from typing import Any

from fastapi import FastAPI

from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.connections import ConnectionFilter, Connections, holder_names
from gateway_core.admin.checked.own import Own
from gateway_core.connect.disconnecting import Revoked
from gateway_core.upstream.connections import Connection
from gateway_core.web.api.actions import Asking


def connection_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/connections")
    async def list_connections(
        actor: Asking, server: str | None = None, workspace: str | None = None, member: str | None = None
    ) -> dict[str, Any]:
        """Accounts that are connected, wherever the actor may see them; of a server, a workspace, a member."""
        found = await Connections(administration, actor).listed(ConnectionFilter(server, workspace, member))
        return await _told(administration, found)

    @app.delete("/api/v1/connections/{server}/{holder}")
    async def disconnect(server: str, holder: str, actor: Asking) -> dict[str, Any]:
        """Take an account away. The holder is `org`, a workspace by slug or id, or a member by e-mail address or id."""
        return _gone(await Connections(administration, actor).disconnect(server, holder))

    @app.get("/api/v1/me/connections")
    async def my_connections(actor: Asking) -> dict[str, Any]:
        """The asking person's own accounts."""
        return await _told(administration, await Own(administration, actor).connections())

    @app.delete("/api/v1/me/connections/{server}")
    async def disconnect_mine(server: str, actor: Asking) -> dict[str, Any]:
        """Take one of them away."""
        return _gone(await Own(administration, actor).disconnect(server))


async def _told(administration: Administration, found: list[Connection]) -> dict[str, Any]:
    state = await administration.state()
    slugs = {stored.record.id: slug for slug, stored in state.servers.items()}
    people = {one.id: one.email for one in await administration.people.everyone()} if found else {}
    names, now = holder_names(state, people), administration.clock()
    return {"connections": [_connection(one, slugs, names, now) for one in found]}


def _connection(one: Connection, slugs: dict[str, str], names: dict[str, str], now: int) -> dict[str, Any]:
    """An account as the API shows it: what it is and how it stands, and nothing that opens anything."""
    return {
        "server": slugs.get(one.server_id),
        "server_id": one.server_id,
        "holder": {"granularity": one.holder.granularity, "id": one.holder.id, "name": names.get(one.holder.id)},
        "account": one.account,
        "issuer": one.issuer,
        "state": one.shown_state(now),
        "why": one.why,
        "scopes": list(one.scopes),
        "wanted": list(one.wanted),
        "connected_at": one.connected_at,
        "connected_by": one.connected_by,
        "refreshed_at": one.refreshed_at,
        "used_at": one.used_at or None,
        "expires_at": one.expires_at,
    }


def _gone(revoked: Revoked) -> dict[str, Any]:
    """`at_provider` says whether its tokens were taken back where they came from as well."""
    return {"at_provider": revoked}
