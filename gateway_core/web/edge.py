"""The door of both planes: for which host, from which web pages, and how much."""

from collections.abc import MutableMapping
from typing import Any, Final

from gateway_core.errors import Misdirected, OriginRefused, TooLarge
from gateway_core.headers import Headers, read_headers
from gateway_core.parts import part
from gateway_core.protocol import reply
from gateway_core.settings import LOOPBACK_HOSTS
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

MAX_ADMIN_BODY: Final = 8 * 1024 * 1024
"""Bytes of a request to the admin API: a configuration of 10 000 servers."""
_DIGITS: Final = 20
"""Digits of a declared length that are read; what is sent counts in any case."""


@part
class Edge:
    """Who may come in by the door: decided before anything else is looked at."""

    public_url: str
    body_limit: int
    origins: frozenset[str]
    any_origin: bool
    hosts: frozenset[str] | None
    """Names (without port) that a request may be for; None where the platform has checked already."""

    def check(self, headers: Headers) -> None:
        """Refuse DNS rebinding and web pages of other origins (both revisions, transports, Security).

        Raises:
            Misdirected: The Host is not one of ours.
            OriginRefused: The Origin is not allowed.
        """
        host = headers.get("host") or ""
        if self.hosts is not None and _name_of(host) not in self.hosts:
            raise Misdirected("This request is for another host than this gateway. Use the URL it prints at start.")
        origin = headers.get("origin")
        if origin is not None and not self.allows(origin):
            raise OriginRefused(
                "Web pages of this origin may not call the gateway. An operator allows one with ALLOWED_ORIGINS."
            )

    def allows(self, origin: str) -> bool:
        """True for a web origin that may call."""
        return self.any_origin or origin.lower() in self.origins or (self.hosts is not None and _loopback(origin))

    async def read_body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            TooLarge: It is over the limit, said or sent.
            ConnectionResetError: The client left before it was whole.
        """
        declared = headers.get("content-length") or "0"
        # Not isdigit alone, to which "²" is a digit; nor thousands of digits, which int refuses.
        if declared.isascii() and declared.isdigit() and int(declared[:_DIGITS]) > self.body_limit:
            raise self._too_large()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            body += message.get("body", b"")
            if len(body) > self.body_limit:
                raise self._too_large()
            more = message.get("more_body", False)
        return body

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self.body_limit:,} bytes, which is the most this gateway takes.")


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _loopback(origin: str) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and _name_of(host) in LOOPBACK_HOSTS and "/" not in host and "@" not in host


def behind(edge: Edge, app: AsgiApp) -> AsgiApp:
    """`app`, reached only by what `edge` lets in. For applications that read bodies before they know who asks."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope["headers"])
        try:
            edge.check(headers)
            body = await edge.read_body(headers, receive)
        except (Misdirected, OriginRefused, TooLarge) as problem:
            told = {"type": "about:blank", "title": problem.reason, "status": problem.status, "detail": problem.message}
            fields = [(b"content-type", b"application/problem+json")]
            await send({"type": "http.response.start", "status": problem.status, "headers": fields})
            await send({"type": "http.response.body", "body": reply.dump(told)})
            return
        except ConnectionError:
            return
        pending: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        await app(scope, lambda: _next(pending, receive), send)

    return guarded


async def _next(pending: list[MutableMapping[str, Any]], receive: Receive) -> MutableMapping[str, Any]:
    return pending.pop() if pending else await receive()
