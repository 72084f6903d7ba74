"""Which action each route is, and the door before all of them: nobody gets past it whose roles do not cover it."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from gateway_core.access.roles import Action, Actor, may_somewhere
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import refusal
from gateway_core.errors import TwoCredentials

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
OWN: Final = "own"
"""About whoever asks: every member may, and the administrator's key has nothing of its own."""

ACTIONS: Final[dict[str, Action | Literal["own"]]] = {
    "POST /api/v1/apply": "registry.apply",
    "GET /api/v1/workspaces": "registry.read",
    "GET /api/v1/servers": "registry.read",
    "POST /api/v1/servers/{server}/examination": "servers.examine",
    "POST /api/v1/keys": "keys.create",
    "GET /api/v1/keys": "keys.read",
    "DELETE /api/v1/keys/{key_id}": "keys.revoke",
    "GET /api/v1/secrets": "secrets.read",
    "PUT /api/v1/secrets/{name}": "secrets.write",
    "DELETE /api/v1/secrets/{name}": "secrets.write",
    "GET /api/v1/members": "members.read",
    "POST /api/v1/members": "members.invite",
    "GET /api/v1/members/{member_id}": "members.read",
    "PATCH /api/v1/members/{member_id}": "members.change",
    "DELETE /api/v1/members/{member_id}": "members.remove",
    "POST /api/v1/members/{member_id}/invitation": "members.invite",
    "POST /api/v1/members/{member_id}/unlink": "members.change",
    "GET /api/v1/groups": "groups.read",
    "PUT /api/v1/groups": "groups.write",
    "GET /api/v1/clients": "clients.read",
    "POST /api/v1/clients": "clients.write",
    "DELETE /api/v1/clients/{client_id}": "clients.write",
    "GET /api/v1/grants": "grants.read",
    "DELETE /api/v1/grants/{grant_id}": "grants.revoke",
    "GET /api/v1/connections": "connections.read",
    "DELETE /api/v1/connections/{server}/{holder}": "connections.disconnect",
    "GET /api/v1/me": OWN,
    "GET /api/v1/me/keys": OWN,
    "DELETE /api/v1/me/keys/{key_id}": OWN,
    "GET /api/v1/me/grants": OWN,
    "DELETE /api/v1/me/grants/{grant_id}": OWN,
    "GET /api/v1/me/connections": OWN,
    "DELETE /api/v1/me/connections/{server}": OWN,
}
"""The door asks whether the actor may do this anywhere; `admin.checked` asks again for the workspace it is about."""


def behind_door(administration: Administration) -> type[APIRoute]:
    """Routes with the door before them: it finds out who asks, and turns away whose roles cover the action nowhere.

    It stands before the body is read: nobody hears what is wrong with their JSON before they have said who they are.
    """

    class _BehindDoor(APIRoute):
        def get_route_handler(self) -> Handler:
            answer = super().get_route_handler()

            async def enter(request: Request) -> Response:
                # A route without a row is a KeyError: nobody gets in by what was forgotten.
                action = ACTIONS[_name(request.method, self.path)]
                request.state.actor = await _admitted(administration, request, action)
                return await answer(request)

            return enter

    return _BehindDoor


async def _admitted(administration: Administration, request: Request, action: Action | Literal["own"]) -> Actor:
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise TwoCredentials("Send one Authorization header.")
    actor = await administration.authenticate(given[0] if given else None)
    if action != OWN and not may_somewhere(actor, action):
        raise refusal(actor, action)
    return actor


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Asking = Annotated[Actor, Depends(_actor)]
"""Who asks, as the door found out."""


def routes_of(app: FastAPI) -> set[str]:
    """Every route of an application as `ACTIONS` names it."""
    return {
        _name(method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }  # fmt: skip


def _name(method: str, path: Any) -> str:
    return f"{method} {path}"
