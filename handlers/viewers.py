"""Whose address a request comes from when a CDN stands between. Throttles count by it, so nobody may choose their own.

API Gateway says who connected to it; through CloudFront that is CloudFront. The address of the viewer is in a header
that CloudFront writes, and that anybody who calls API Gateway's own address can write too. So the header is believed
only beside the edge key, a secret of the stack that CloudFront adds to each request (and puts in the place of a
viewer's header of that name). Without it, the address is the one that API Gateway saw.
"""

import hmac
import ipaddress
import logging
from typing import Final

from gateway_core.errors import StoreUnavailable
from gateway_core.ports import Clock, Secrets
from handlers.http_events import RawHeaders

logger = logging.getLogger(__name__)

EDGE_HEADER: Final = b"x-gatehouse-edge"
"""Carries the edge key. It is taken off before the application sees the request."""
VIEWER_HEADER: Final = b"cloudfront-viewer-address"
"""`address:port`, IPv6 without brackets (CloudFront Developer Guide, "Add CloudFront request headers")."""
EDGE_KEY: Final = "edge-key"
"""Name of the secret."""
FRESH_S: Final = 300
"""How long the edge key is used before it is read again, also where there is none."""
RETRY_S: Final = 5
"""The same after it could not be read: until then everybody behind the CDN may count as one."""


class Viewers:
    """Finds the viewer of a request.

    Args:
        secrets: Where the edge key is kept.
        clock: Decides when it is read again.
    """

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets, self._clock = secrets, clock
        self._key = b""
        self._due_at = 0

    async def address(self, headers: RawHeaders, connected: str) -> str:
        """The viewer's address, or `connected`, which is who called API Gateway."""
        shown = [value for name, value in headers if name == EDGE_HEADER]
        told = [value for name, value in headers if name == VIEWER_HEADER]
        if len(shown) != 1 or len(told) != 1 or not await self._is_edge_key(shown[0]):
            return connected
        try:
            return str(ipaddress.ip_address(told[0].decode().rpartition(":")[0]))
        except ValueError:
            return connected

    async def _is_edge_key(self, shown: bytes) -> bool:
        if self._clock() >= self._due_at:
            try:
                self._key = (await self._secrets.get(EDGE_KEY) or "").encode()
                self._due_at = self._clock() + FRESH_S
            except StoreUnavailable as problem:
                # Counting by the CDN's address is too strict, never too lax.
                logger.warning("edge_key_unread", extra={"fields": {"problem": problem.message}})
                self._due_at = self._clock() + RETRY_S
        return bool(self._key) and hmac.compare_digest(self._key, shown)
