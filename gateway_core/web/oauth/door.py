"""The door of the pages: for which host, how much, and what becomes of a mistake of ours."""

import logging
from collections.abc import MutableMapping, Sequence
from typing import Any, Final

from gateway_core.errors import GatewayError, Misdirected, TooLarge
from gateway_core.headers import read_headers
from gateway_core.web.edge import Edge
from gateway_core.web.oauth import problems
from gateway_core.web.oauth.render import Pages
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

MAX_BODY: Final = 64 * 1024
"""Bytes of a request: a form, a client's registration."""
HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")
"""RFC 6797, for a year, where the gateway is reached by https. Of other hosts beside ours it says nothing."""
logger: Final = logging.getLogger(__name__)


def behind_door(edge: Edge, pages: Pages, app: AsgiApp) -> AsgiApp:
    """`app`, reached only by requests that `edge` lets in; web pages of any origin may come, and each route decides."""

    fields = [HTTPS_ONLY] if edge.public_url.startswith("https://") else []

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers([field for field in scope["headers"] if field[0].lower() != b"origin"])
        out = _Out(send, bare=scope["method"] == "HEAD", fields=fields)
        try:
            edge.check(headers)
            body = await edge.read_body(headers, receive)
            pending: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
            await app(scope, lambda: _next(pending, receive), out.send)
        except (Misdirected, TooLarge) as problem:
            await problems.answer(pages, scope["path"], problem)(scope, receive, out.send)
        except ConnectionError:
            return
        except Exception:
            # The edge: a bug of ours ends as a page with words, never as a guess.
            logger.exception("request_failed")
            if not out.begun:
                told = GatewayError("The gateway made a mistake. Try again; if it stays, tell its administrator.")
                await problems.answer(pages, scope["path"], told)(scope, receive, out.send)

    return guarded


class _Out:
    """What goes out, with the header fields of every answer; of a HEAD request, only the head."""

    def __init__(self, send: Send, *, bare: bool, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self._send, self._bare, self._fields = send, bare, fields
        self.begun = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.begun = True
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *self._fields]}
        if self._bare and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


async def _next(pending: list[MutableMapping[str, Any]], receive: Receive) -> MutableMapping[str, Any]:
    return pending.pop() if pending else await receive()
