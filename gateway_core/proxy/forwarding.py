"""The second half of the spine: one call, sent to its upstream in its own dialect, and what came back."""

import asyncio
import time
from dataclasses import dataclass

from gateway_core.egress import Response
from gateway_core.errors import BadRequest
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import ACCEPTED, Reply, Stream
from gateway_core.protocol.versions import METHOD_NOT_FOUND
from gateway_core.proxy.answering import finished_reply, is_stream, read_whole, session_gone
from gateway_core.proxy.lifecycle import Lifecycle
from gateway_core.proxy.place import Place, stopped, stopped_early
from gateway_core.proxy.relay import relay_answer
from gateway_core.upstream.client import UpstreamClient


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Stateless between calls."""

    upstream: UpstreamClient
    lifecycle: Lifecycle
    listen_s: int

    async def forward(self, call: Call, place: Place) -> Reply | Stream:
        """Send `call` once and give back what the client should see of the answer.

        Raises:
            UpstreamError: There is no usable answer.
            Refused: The server is not set up to be called.
            NotFound: The session is gone; the client must initialize again.
        """
        try:
            return await self._forward(call, place)
        except asyncio.CancelledError as cancellation:
            if stopped(cancellation):
                raise stopped_early() from None
            raise

    async def _forward(self, call: Call, place: Place) -> Reply | Stream:
        long_lived = call.method == "subscriptions/listen"
        if long_lived and self.listen_s == 0:
            problem = BadRequest("This gateway offers no subscriptions.", code=METHOD_NOT_FOUND)
            raise problem.of(call.id, http_status=404)
        now = asyncio.get_running_loop().time()
        deadline = place.deadline(now, self.listen_s if long_lived else place.server.timeout_s)
        begun = time.perf_counter()
        response = await self.upstream.post(place.server, call, place.dialect(call.version), deadline=deadline)
        place.record.upstream_s += time.perf_counter() - begun
        if call.kind != "request":
            return await self._acknowledged(response, place)
        if call.method == "initialize":
            return await self.lifecycle.initialized(call, response, place, deadline)
        if response.status == 200 and is_stream(response):
            return Stream(relay_answer(self.upstream, call, response, place, deadline))
        begun = time.perf_counter()
        body = await read_whole(response)
        place.record.upstream_s += time.perf_counter() - begun
        return finished_reply(call, response, body, place)

    async def _acknowledged(self, response: Response, place: Place) -> Reply:
        """The answer to a notification or response. Its delivery is on record; only a lost session is told."""
        await response.read()
        if response.status == 404 and (place.session is not None or place.session_lost):
            raise session_gone()
        if not 200 <= response.status < 300:
            place.record.fail("failed", f"upstream_{response.status}")
        return ACCEPTED
