"""The admin API, `/api/v1`. Every error is problem+json (RFC 9457) that names the field and the fix."""

from fastapi import FastAPI

from gateway_core.admin.administration import Administration
from gateway_core.web.api.actions import ACTIONS, behind_door, routes_of
from gateway_core.web.api.connections import connection_routes
from gateway_core.web.api.examinations import examination_routes
from gateway_core.web.api.grants import client_routes, grant_routes
from gateway_core.web.api.keys import key_routes
from gateway_core.web.api.members import group_routes, member_routes
from gateway_core.web.api.own import own_routes
from gateway_core.web.api.problems import answer_problems
from gateway_core.web.api.registry import registry_routes, secret_routes


def admin_api(administration: Administration) -> FastAPI:
    """The API over `administration`."""
    app = FastAPI(
        title="Gatehouse admin API", version="1", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    app.router.route_class = behind_door(administration)
    answer_problems(app, administration.public_url)
    for add in (registry_routes, key_routes, secret_routes, member_routes, group_routes, client_routes, grant_routes,
                connection_routes, examination_routes, own_routes):  # fmt: skip
        add(app, administration)
    different = routes_of(app) ^ ACTIONS.keys()
    if different:
        raise AssertionError(f"These routes and the table of actions do not agree: {sorted(different)}")
    return app
