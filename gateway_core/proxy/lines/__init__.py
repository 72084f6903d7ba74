"""One call on its way at a server of another dialect than the client's. Towards the client every server is legacy here:
notifications, requests of the server's own, and the answer last, as one stream of messages."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from gateway_core.upstream.answers import Message


class Line(Protocol):
    """A call at a server. Used once."""

    def messages(self) -> AsyncGenerator[Message]:
        """Send the call and give what comes, the answer last. A message's `value` counts, not its `body`.

        Raises:
            UpstreamChangedEra, UpstreamForgot: It was not carried out; nothing was given before.
            UpstreamError: There is no usable answer.
        """
        ...

    async def reply(self, response: Mapping[str, Any]) -> None:
        """Pass on the client's JSON-RPC response to a request that came in `messages`, under that request's id.

        Raises:
            UpstreamError: The server did not take it.
        """
        ...

    def resumable(self) -> str | None:
        """Event id from which another process can read on; None where the server has no way for that."""
        ...

    async def cancel(self) -> None:
        """Tell the server that nobody waits any more. Never raises."""
        ...


def new_id() -> str:
    """For a request of the gateway's own, or one that must not share its id with another client's."""
    return f"gatehouse-{secrets.token_hex(8)}"


def notification(value: Mapping[str, Any]) -> Message:
    """A notification as a message of a line."""
    return Message("notification", b"", value)
