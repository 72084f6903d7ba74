"""The admin API, `/api/v1`. Every error is problem+json (RFC 9457) that names the field and the fix."""

from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway_core.access.api_keys import ApiKey
from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, KeyDraft, SecretDraft
from gateway_core.admin.planning import Change
from gateway_core.errors import GatewayError, Invalid
from gateway_core.registry import servers

PROBLEM: Final = "application/problem+json"


def admin_api(administration: Administration) -> FastAPI:
    """The API over `administration`."""
    app = FastAPI(
        title="Gatehouse admin API", version="1", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    app.add_exception_handler(GatewayError, _on_gateway_error)
    app.add_exception_handler(RequestValidationError, _on_unreadable)
    app.add_exception_handler(HTTPException, _on_http_error)
    _routes(app, administration)
    return app


def _routes(app: FastAPI, administration: Administration) -> None:
    async def administrator(authorization: Annotated[str | None, Header()] = None) -> str:
        return await administration.authenticate(authorization)

    admin = Annotated[str, Depends(administrator)]
    _registry_routes(app, administration, admin)
    _key_routes(app, administration, admin)
    _secret_routes(app, administration, admin)


def _registry_routes(app: FastAPI, administration: Administration, admin: Any) -> None:
    @app.post("/api/v1/apply")
    async def apply(draft: ApplyDraft, by: admin) -> dict[str, Any]:
        """Make the registry say what a configuration says. Repeating it changes nothing."""
        return {"changes": [_change(change) for change in await administration.apply(draft)]}

    @app.get("/api/v1/workspaces")
    async def list_workspaces(by: admin) -> dict[str, Any]:
        """Every workspace."""
        state = await administration.state()
        found = [{"id": w.record.id, "slug": w.record.slug, "name": w.record.name} for w in state.workspaces.values()]
        return {"organisation": state.organisation, "workspaces": sorted(found, key=lambda w: w["slug"])}

    @app.get("/api/v1/servers")
    async def list_servers(by: admin) -> dict[str, Any]:
        """Every server, with the slugs of the workspaces it is provisioned to."""
        state = await administration.state()
        slugs = {stored.record.id: slug for slug, stored in state.workspaces.items()}
        found = []
        for _, stored in sorted(state.servers.items()):
            data = servers.to_data(stored.record)
            if data["workspaces"] != "all":
                data["workspaces"] = sorted(slugs[id_] for id_ in data["workspaces"] if id_ in slugs)
            data["auth"] = {"type": data["auth"]["type"]}
            found.append(data)
        return {"servers": found}


def _key_routes(app: FastAPI, administration: Administration, admin: Any) -> None:
    @app.post("/api/v1/keys", status_code=201)
    async def create_key(draft: KeyDraft, by: admin) -> dict[str, Any]:
        """Make an API key. Its text is in this answer and nowhere else."""
        token, key = await administration.create_key(draft, by=by)
        return {"key": token, **_key(key)}

    @app.get("/api/v1/keys")
    async def list_keys(by: admin, workspace: str | None = None) -> dict[str, Any]:
        """The API keys of one workspace, or of all, without their text."""
        return {"keys": [_key(key) for key in await administration.list_keys(workspace)]}

    @app.delete("/api/v1/keys/{key_id}")
    async def revoke_key(key_id: str, by: admin) -> dict[str, Any]:
        """Revoke an API key from the next request on."""
        return _key(await administration.revoke_key(key_id, by=by))


def _secret_routes(app: FastAPI, administration: Administration, admin: Any) -> None:
    @app.put("/api/v1/secrets/{name}", status_code=204)
    async def set_secret(name: str, draft: SecretDraft, by: admin) -> Response:
        """Create or replace a secret. No route gives a value back."""
        await administration.set_secret(name, draft.value)
        return Response(status_code=204)

    @app.get("/api/v1/secrets")
    async def list_secrets(by: admin) -> dict[str, Any]:
        """The names of secrets and the servers that use them."""
        found = await administration.list_secrets()
        return {"secrets": [{"name": name, "used_by": users} for name, users in found]}

    @app.delete("/api/v1/secrets/{name}", status_code=204)
    async def delete_secret(name: str, by: admin) -> Response:
        """Remove a secret that no server uses."""
        await administration.delete_secret(name)
        return Response(status_code=204)


def _change(change: Change) -> dict[str, Any]:
    return {"action": change.action, "kind": change.kind, "slug": change.slug, "fields": list(change.fields)}


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "workspace_id": key.workspace_id,
        "kind": key.kind,
        "subject": key.subject,
        "servers": key.servers,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "revoked_by": key.revoked_by,
    }


def _problem(status: int, reason: str, detail: str, problems: list[dict[str, Any]] | None = None) -> JSONResponse:
    body: dict[str, Any] = {"type": "about:blank", "title": reason, "status": status, "detail": detail}
    if problems:
        body["problems"] = problems
    headers = {"WWW-Authenticate": 'Bearer realm="gatehouse"'} if status == 401 else None
    return JSONResponse(body, status, headers, media_type=PROBLEM)


async def _on_gateway_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this class
    problems = []
    if isinstance(error, Invalid):
        problems = [{"path": list(path), "message": message} for path, message in error.problems]
    return _problem(error.status, error.reason, error.message, problems)


async def _on_unreadable(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    problems = [{"path": list(each["loc"][1:]), "message": _words(each)} for each in error.errors()]
    return _problem(422, "invalid", "The request cannot be carried out as written; nothing was changed.", problems)


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return _problem(error.status_code, "http_error", str(error.detail))


def _words(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown field {error['loc'][-1]!r}"
    if error["type"] == "missing":
        return f"the field {error['loc'][-1]!r} is missing"
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "write a mapping here, like {type: none}"
    if error["type"] == "union_tag_invalid":
        return f"there is no type {error['ctx']['tag']!r} (there is: {error['ctx']['expected_tags']})"
    return str(error["msg"]).removeprefix("Value error, ")
