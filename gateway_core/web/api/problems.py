"""Every error of the admin API: problem+json (RFC 9457) that names the field and the fix."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway_core.errors import GatewayError, Invalid, TooManyRequests, Unauthenticated

PROBLEM: Final = "application/problem+json"


def answer_problems(app: FastAPI, public_url: str) -> None:
    """Let `app` answer every refusal in this form; one for want of a credential says where to get one (RFC 9728)."""
    place = f', resource_metadata="{public_url}/.well-known/oauth-protected-resource/api/v1"' if public_url else ""
    app.state.challenge = f'Bearer realm="gatehouse"{place}'
    app.add_exception_handler(GatewayError, _on_gateway_error)
    app.add_exception_handler(RequestValidationError, _on_unreadable)
    app.add_exception_handler(HTTPException, _on_http_error)


class _Problem(JSONResponse):
    """In ASCII: what was sent may hold halves of characters, which no encoding has."""

    media_type = PROBLEM

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def _problem(
    status: int,
    reason: str,
    detail: str,
    problems: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body: dict[str, Any] = {"type": "about:blank", "title": reason, "status": status, "detail": detail}
    if problems:
        body["problems"] = problems
    return _Problem(body, status, headers)


async def _on_gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this class
    problems, headers = [], {}
    if isinstance(error, Invalid):
        problems = [{"path": list(path), "message": message} for path, message in error.problems]
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = request.app.state.challenge
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    return _problem(error.status, error.reason, error.message, problems, headers)


async def _on_unreadable(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    problems = [{"path": list(each["loc"][1:]), "message": _words(each)} for each in error.errors()]
    return _problem(422, "invalid", "The request cannot be carried out as written; nothing was changed.", problems)


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return _problem(error.status_code, "http_error", str(error.detail))


def _words(error: dict[str, Any]) -> str:
    if error["type"] == "missing":
        return f"the field {error['loc'][-1]!r} is missing"
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "write a mapping here, like {type: none}"
    if error["type"] == "union_tag_invalid":
        return f"there is no type {error['ctx']['tag']!r} (there is: {error['ctx']['expected_tags']})"
    return str(error["msg"]).removeprefix("Value error, ")
