"""The route that looks at a server step by step."""

from typing import Any

from fastapi import FastAPI

from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.examinations import Examinations
from gateway_core.connect.steps import Exchange, Step
from gateway_core.web.api.actions import Asking


def examination_routes(app: FastAPI, administration: Administration) -> None:
    """Add it to `app`."""

    @app.post("/api/v1/servers/{server}/examination")
    async def examine(server: str, actor: Asking, workspace: str | None = None) -> dict[str, Any]:
        """Look at a server now, as the asking person would meet it from a workspace. It takes up to 25 seconds."""
        found = await Examinations(administration, actor).of(server, workspace)
        return {
            "server": found.server.slug,
            "workspace": found.workspace.slug,
            "as": actor.name,
            "well": found.well,
            "steps": [_step(step) for step in found.steps],
        }


def _step(step: Step) -> dict[str, Any]:
    exchange = None if step.exchange is None else _exchange(step.exchange)
    return {"name": step.name, "outcome": step.outcome, "told": step.told, "exchange": exchange}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "request": exchange.request,
        "status": exchange.status,
        "headers": dict(exchange.headers),
        "body": exchange.body,
    }
