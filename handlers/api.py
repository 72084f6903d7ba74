"""The admin API as a Lambda function: FastAPI under Mangum, on Lambda's own runtime.

Mangum's own reading of events decodes paths before anybody can judge them, joins repeated headers, and takes scheme
and host from headers that the caller writes; here events are read as for the MCP endpoints.
"""

import asyncio
import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from mangum import Mangum

from gateway_core.compose import admin_api
from gateway_core.errors import BadRequest, GatewayError, NotFound, TwoCredentials
from gateway_core.settings import read_settings
from gateway_core.telemetry import write_logs
from handlers.http_events import Event, RawHeaders, Scope, is_http, read_body, read_scope, whole_answer

PLAIN_PATH: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
"""No escapes, empty or dot segments: nothing that two readers could take for two different paths."""
PLAIN_NAME: Final = re.compile(rb"(?!x-forwarded-)(?!forwarded\Z)(?!host\Z)[a-z0-9!#$%&'*+.^`|~-]+")
"""Names that are given on: none with an underscore, which some take for a hyphen, and none that says who we are."""

_settings = read_settings()
write_logs(_settings.log_level)
_HOST: Final = urlsplit(_settings.public_url).netloc.encode()


class Reading:
    """How Mangum reads an event and forms its answer."""

    @classmethod
    def infer(cls, event: Event, _context: Any, _config: Any) -> bool:
        """True for every HTTP event."""
        return is_http(event)

    def __init__(self, event: Event, context: Any, _config: Any) -> None:
        self._event, self._context = event, context

    @property
    def scope(self) -> Scope:
        """The ASGI scope. Raises `GatewayError` for a request whose meaning is in doubt."""
        scope = read_scope(self._event, {"request_id": getattr(self._context, "aws_request_id", "")})
        if not PLAIN_PATH.fullmatch(scope["raw_path"]):
            raise NotFound("There is nothing at this URL.", reason="no_route")
        if sum(name == b"authorization" for name, _ in scope["headers"]) > 1:
            raise TwoCredentials("Send one Authorization header.")
        scope["headers"] = [(b"host", _HOST), *_plain(scope["headers"])]
        return scope

    @property
    def body(self) -> bytes:
        """The request body. Raises `BadRequest`."""
        try:
            return read_body(self._event)
        except ValueError as error:
            raise BadRequest("The body is not the base64 that it is said to be.") from error

    def __call__(self, response: Any) -> dict[str, Any]:
        """The answer in API Gateway's form."""
        return whole_answer(self._event, response["status"], response["headers"], response["body"])


def _plain(headers: RawHeaders) -> RawHeaders:
    return [(name, value) for name, value in headers if PLAIN_NAME.fullmatch(name)]


# One event loop for the life of the process: connections that are kept between events belong to it.
asyncio.set_event_loop(asyncio.new_event_loop())
# Mangum's type for applications names the parameters, which a plain callable's type cannot.
_mangum = Mangum(admin_api(_settings), lifespan="off", custom_handlers=[Reading])  # type: ignore[arg-type]


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an HTTP event; acknowledge any other."""
    if not is_http(event):
        return {}
    try:
        return _mangum(event, context)
    except GatewayError as error:
        body = {"type": "about:blank", "title": error.reason, "status": error.status, "detail": error.message}
        headers = [(b"content-type", b"application/problem+json")]
        return whole_answer(event, error.status, headers, json.dumps(body).encode())
