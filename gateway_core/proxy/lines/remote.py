"""Speaking to a legacy server about a call that is on its way there, from whichever process."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from gateway_core.errors import GatewayError, UpstreamClosed, UpstreamRefused
from gateway_core.parts import part
from gateway_core.protocol import outbound
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.place import HOLDER_GONE, Place, midway
from gateway_core.upstream.answers import refused
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.reading import read_whole

TELL_S: Final = 5.0
"""How long a word to the server beside a call may take: a response, a cancellation."""
NOT_TAKEN: Final = "answer_not_taken"
"""Reason where a server has said that it did not take an answer."""
GONE: Final = (400, 404, 410)
"""What servers say of a session that they do not know."""


class Address(NamedTuple):
    """A call at a legacy server: its id there, and where it lives. Plain values, to be sealed and carried."""

    call_id: str
    version: str | None = None
    session_id: str | None = None
    endpoint: str | None = None
    """Where an HTTP+SSE server takes messages; None for Streamable HTTP."""


@part
class Remote:
    """Stateless."""

    upstream: UpstreamClient
    place: Place
    address: Address

    async def reply(self, response: Mapping[str, Any]) -> None:
        """Answer a request of the server.

        Raises:
            UpstreamClosed: The server knows nothing any more that could be answered.
            UpstreamError: It did not take the answer, but may take it later.
        """
        name = self.place.server.name
        status, headers = await self._tell(outbound.legacy_call(response))
        if status in GONE:
            # The stream or session has ended in which it asked: with the process that held it, or at the server.
            told = f"{HOLDER_GONE}: {name} did not take the answer (HTTP {status})."
            raise UpstreamClosed(told, reason=NOT_TAKEN)
        if not 200 <= status < 300:
            problem = refused(status, headers, self.place.server)
            told = f"{name} did not take the answer: {problem.message} Send it once more."
            raise UpstreamRefused(told, reason=NOT_TAKEN)

    async def cancel(self) -> None:
        """Say that nobody waits for the call any more. Never raises."""
        with suppress(GatewayError):
            await self._tell(outbound.cancelled(self.address.call_id))

    async def _tell(self, call: Call) -> tuple[int, Mapping[str, str]]:
        place, at = self.place, self.address
        deadline = asyncio.get_running_loop().time() + TELL_S
        dialect = place.sessionless().within(at.version, at.session_id)
        with midway(place.server):
            if at.endpoint is None:
                response = await self.upstream.post(place.server, call, dialect, deadline=deadline)
            else:
                response = await self.upstream.post_to(at.endpoint, place.server, call, dialect, deadline=deadline)
        await read_whole(response)
        return response.status, response.headers
