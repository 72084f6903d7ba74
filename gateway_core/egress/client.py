"""The door itself: a request in, a response out."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway_core.egress.dial import Dialer, NotReached, Resolver, resolve
from gateway_core.egress.policy import Policy
from gateway_core.egress.pool import Pool
from gateway_core.egress.requests import UnsendableHeader, encode, opening
from gateway_core.egress.response import Response
from gateway_core.egress.targets import Target, read_target
from gateway_core.errors import UpstreamUnreachable

MAX_BYTES: Final = 20 * 1024 * 1024
"""The largest decoded body, where the caller sets no other bound."""
MAX_LINES: Final = 1024
"""Request lines that are kept ready; they hold no secret."""

logger = logging.getLogger(__name__)


class Egress:
    """Every outbound request goes through one of these. Belongs to one event loop, for as long as that runs.

    A request is written at most once. It is tried on another connection only while not one byte of it was written.

    Args:
        policy: Where requests may go.
        resolver: Finds the addresses of a name; all of them are vetted.
        ssl_context: Made at the first https request when there is none.
        clock: Unix time with fractions, by which idle connections age.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._pool = Pool(clock)
        self._dialer = Dialer(policy, self._pool, resolver=resolver, ssl_context=ssl_context)
        self._lines: dict[tuple[str, str], tuple[Target, str]] = {}

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        deadline: float,
        max_bytes: int = MAX_BYTES,
    ) -> Response:
        """Send a request and return when the head of its answer has arrived. Cancelled, it cuts the connection.

        Args:
            method: One of `requests.METHODS`.
            url: Checked against the policy at each call, as are the addresses of its name at each connect.
            headers: All but those in `requests.OWN_HEADERS`, which are written here.
            body: Sent as it is.
            deadline: Loop time by which the last byte of the answer must be here. Slow dripping does not extend it.
            max_bytes: The largest body, decoded.

        Raises:
            UpstreamUnreachable: Nothing was sent.
            UpstreamTimedOut, UpstreamClosed, UpstreamTooLarge, UpstreamGarbage: Something was.
        """
        target, line = self._lines.get((method, url)) or self._prepare(method, url)
        try:
            request = encode(line, headers, body)
        except UnsendableHeader as error:
            logger.warning("egress_header_refused", extra={"fields": {"host": target.host, "error": str(error)}})
            raise UpstreamUnreachable("A header for this server cannot be sent as it is configured.") from None
        if deadline <= asyncio.get_running_loop().time():
            raise UpstreamUnreachable("The time for this call ran out before the server was asked.")
        connection = await self._pool.take(target.origin) or await self._dialer.connect(target, deadline)
        answer = connection.send(request, deadline=deadline, max_bytes=max_bytes)
        await answer.head()
        try:
            return Response(answer, max_bytes=max_bytes)
        except BaseException:
            answer.abandon()
            raise

    async def close(self) -> None:
        """Cut every connection and wait until the sockets are closed."""
        await self._pool.close()

    def _prepare(self, method: str, url: str) -> tuple[Target, str]:
        target = read_target(url, self._policy)
        if isinstance(target, str):
            logger.warning("egress_refused", extra={"fields": {"why": target}})
            raise NotReached
        if len(self._lines) >= MAX_LINES:
            self._lines.clear()
        self._lines[method, url] = prepared = (target, opening(method, target))
        return prepared
