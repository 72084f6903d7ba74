"""A call at a legacy server over Streamable HTTP, within a session that the gateway keeps there."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from gateway_core.egress import Response
from gateway_core.errors import Refused, UpstreamClosed, UpstreamUnreachable
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.answering import finished_message
from gateway_core.proxy.lines.remote import Remote
from gateway_core.proxy.relay import Cursor, Sent, answer_events
from gateway_core.upstream.answers import Message
from gateway_core.upstream.reading import is_stream, read_whole


@dataclass(slots=True, eq=False, repr=False)
class LegacyLine:
    """See proxy.lines.Line. The place of `remote` is in the session at the server."""

    remote: Remote
    call: Call
    deadline: float
    resume_from: str | None = None
    """Event id behind which the answer is read on; None to send the call."""
    _done: bool = field(default=False)
    _sent: Sent | None = field(default=None)

    async def messages(self) -> AsyncGenerator[Message]:
        """See proxy.lines.Line.messages."""
        upstream, place, dialect = self.remote.upstream, self.remote.place, self.remote.place.dialect(None)
        if self.resume_from is None:
            response = await upstream.post(place.server, self.call, dialect, deadline=self.deadline)
        else:
            response = await self._read_on(self.resume_from)
        if response.status != 200 or not is_stream(response):
            body = await read_whole(response)
            self._done = True
            yield finished_message(self.call, response, body, place)
            return
        self._sent = Sent(self.call, dialect, response, self.deadline, Cursor(self.resume_from))
        async with aclosing(answer_events(upstream, self._sent, place)) as events:
            async for _, message in events:
                if message is not None:
                    self._done = message.kind in ("answer", "error")
                    yield message

    async def _read_on(self, event_id: str) -> Response:
        """The rest of the answer. The server has the call already, so no refusal here means that it does not.

        Raises:
            UpstreamClosed: The server does not give it.
        """
        place = self.remote.place
        try:
            response = await self.remote.upstream.listen(
                place.server, place.dialect(None), event_id, deadline=self.deadline
            )
        except (UpstreamUnreachable, Refused) as problem:
            raise UpstreamClosed(f"{place.server.name} could not be reached again before it answered.") from problem
        if response.status == 200 and is_stream(response):
            return response
        await response.close()
        raise UpstreamClosed(f"{place.server.name} no longer lets this call be read on (HTTP {response.status}).")

    def wait(self) -> None:
        """Give the call the time that a person may need: it has been asked about elsewhere than on its own stream."""
        if self._sent is not None:
            place = self.remote.place
            now = asyncio.get_running_loop().time()
            self._sent.extend(place.deadline(now, place.ask_s + place.server.timeout_s))

    async def reply(self, response: Mapping[str, Any]) -> None:
        """See proxy.lines.Line.reply."""
        await self.remote.reply(response)

    def resumable(self) -> str | None:
        """See proxy.lines.Line.resumable."""
        return None if self._sent is None else self._sent.cursor.event_id

    async def cancel(self) -> None:
        """See proxy.lines.Line.cancel."""
        if not self._done:
            await self.remote.cancel()
