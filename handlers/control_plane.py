"""What the functions of the control plane have in common: an ASGI app under Mangum, on Lambda's own runtime.

Mangum's own reading of events decodes paths before anybody can judge them, joins repeated headers, and takes scheme
and host from headers that the caller writes; here events are read as for the MCP endpoints.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from mangum import Mangum

from gateway_core.compose_lean import World, aws_world
from gateway_core.compose_stack import settled
from gateway_core.errors import BadRequest, GatewayError, NotFound, TwoCredentials
from gateway_core.settings import Settings, read_settings
from gateway_core.telemetry import write_logs
from gateway_core.web.outlet import AsgiApp, Receive, Send
from handlers.http_events import Event, RawHeaders, Scope, is_http, read_body, read_scope, whole_answer
from handlers.viewers import EDGE_HEADER, Viewers

PLAIN_PATH: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
"""No escapes, empty or dot segments: nothing that two readers could take for two different paths."""
PLAIN_NAME: Final = re.compile(rb"(?!x-forwarded-)(?!forwarded\Z)(?!host\Z)[a-z0-9!#$%&'*+.^`|~-]+")
"""Names that are given on: none with an underscore, which some take for a hyphen, and none that says who we are."""

Make = Callable[[Settings, World], AsgiApp]
Handler = Callable[[Any, Any], dict[str, Any]]


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
        scope["headers"] = _plain(scope["headers"])
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


def lambda_handler(make: Make) -> Handler:
    """The function that Lambda calls, around the application that `make` builds."""
    settings = read_settings()
    write_logs(settings.log_level)
    # One event loop for the life of the process: connections that are kept between events belong to it.
    asyncio.set_event_loop(asyncio.new_event_loop())
    app = settled(settings, lambda complete: _fronted(complete, make))
    # Mangum's type for applications names the parameters, which a plain callable's type cannot.
    mangum = Mangum(app, lifespan="off", custom_handlers=[Reading])  # type: ignore[arg-type]

    def handler(event: Any, context: Any) -> dict[str, Any]:
        """Answer an HTTP event; acknowledge any other."""
        if not is_http(event):
            return {}
        try:
            return mangum(event, context)
        except GatewayError as error:
            body = {"type": "about:blank", "title": error.reason, "status": error.status, "detail": error.message}
            headers = [(b"content-type", b"application/problem+json")]
            return whole_answer(event, error.status, headers, json.dumps(body).encode())

    return handler


def _fronted(settings: Settings, make: Make) -> AsgiApp:
    """The application, told the host that it has whatever a client wrote, and who the client is."""
    world = aws_world(settings)
    app, viewers = make(settings, world), Viewers(world.secrets, world.clock)
    host = urlsplit(settings.public_url).netloc.encode()

    async def fronted(scope: Any, receive: Receive, send: Send) -> None:
        address = await viewers.address(scope["headers"], scope["client"][0])
        headers = [(b"host", host), *((name, value) for name, value in scope["headers"] if name != EDGE_HEADER)]
        await app({**scope, "headers": headers, "client": (address, 0)}, receive, send)

    return fronted


def _plain(headers: RawHeaders) -> RawHeaders:
    """Headers whose names have one meaning; cookies, which HTTP/2 may send in crumbs, as one (RFC 9113 8.2.3)."""
    plain = [(name, value) for name, value in headers if PLAIN_NAME.fullmatch(name)]
    crumbs = [value for name, value in plain if name == b"cookie"]
    if len(crumbs) < 2:
        return plain
    return [*((name, value) for name, value in plain if name != b"cookie"), (b"cookie", b"; ".join(crumbs))]
