"""A function of the control plane whose application says what it was told."""

import json
from typing import Any

from gateway_core.compose_lean import World
from gateway_core.settings import Settings
from gateway_core.web.outlet import AsgiApp
from handlers.control_plane import lambda_handler

SET_COOKIES = [(b"set-cookie", b"__Host-gatehouse=a; Secure; Path=/"), (b"set-cookie", b"other=b")]


def echoing(settings: Settings, _: World) -> AsgiApp:
    """The application."""

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        request = await receive()
        seen = {
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "client": scope["client"][0],
            "body": request["body"].decode(),
            "public_url": settings.public_url,
            "issuer": settings.oidc_issuer,
            "client_id": settings.oidc_client_id,
        }
        await send({"type": "http.response.start", "status": 200, "headers": SET_COOKIES})
        await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

    return echo


handler = lambda_handler(echoing)
