"""The object graph of the control plane."""

from functools import partial

from gateway_core.admin.administration import Administration
from gateway_core.compose_lean import World, aws_world, edge
from gateway_core.egress import check_url
from gateway_core.settings import Settings
from gateway_core.web import api
from gateway_core.web.edge import MAX_ADMIN_BODY, behind
from gateway_core.web.outlet import AsgiApp


def administration(world: World) -> Administration:
    """The writing side of the registry."""
    return Administration(world.table, world.secrets, world.clock, partial(check_url, policy=world.policy))


def admin_api(settings: Settings, world: World | None = None) -> AsgiApp:
    """The ASGI application of the admin API."""
    app = api.admin_api(administration(world or aws_world(settings)))
    return behind(edge(settings, MAX_ADMIN_BODY), app)
