"""What a conformance server has sent, for clients that come back for what they missed.

Runs under either version of the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore

if TYPE_CHECKING:
    from mcp_types import JSONRPCMessage

RETRY_MS = 100
"""How soon a client whose stream was closed shall come back."""


class Events(EventStore):
    """Everything sent on any stream, so that a client can come back for what it missed.

    Streams go by request id alone: two clients that resume the same id at once would see each other's events.
    """

    def __init__(self) -> None:
        self._sent: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep `message`; its place in the list is its id."""
        self._sent.append((stream_id, message))
        return str(len(self._sent) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what followed on the same stream; None when the id was never given out."""
        if not last_event_id.isdecimal() or int(last_event_id) >= len(self._sent):
            return None
        seen = int(last_event_id)
        stream_id, _ = self._sent[seen]
        for place in range(seen + 1, len(self._sent)):
            stream, message = self._sent[place]
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(place)))
        return stream_id
