"""Opening a line for a call: which dialect its server speaks, and in which session there."""

import asyncio
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Final, NamedTuple

from gateway_core.parts import part
from gateway_core.protocol import outbound
from gateway_core.protocol.bridge import capabilities, requests
from gateway_core.protocol.bridge.notifications import LEVELS
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.session import ASKABLE
from gateway_core.protocol.versions import META_LOG_LEVEL
from gateway_core.proxy.answering import whole_answer
from gateway_core.proxy.guests import askable, inside, legacy_guest, meta_of, modern_guest
from gateway_core.proxy.lines import Line, new_id
from gateway_core.proxy.lines.http_sse import SseLine
from gateway_core.proxy.lines.legacy import LegacyLine
from gateway_core.proxy.lines.modern import ModernLine
from gateway_core.proxy.lines.pump import Pump
from gateway_core.proxy.lines.remote import Address, Remote
from gateway_core.proxy.lines.side_streams import SideStreams
from gateway_core.proxy.lines.tool_headers import ToolHeaders
from gateway_core.proxy.place import Place
from gateway_core.upstream.answers import Message
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.sessions import Guest, KeptSessions, UpstreamSession
from gateway_core.upstream.spoken import Spoken
from gateway_core.upstream.sse_sessions import SseSessions

DEFAULT_LOG_LEVEL: Final = "info"
"""What a legacy client hears before it sets a level: the revision leaves that to the server (2025-11-25 logging)."""
MAX_LEVELS: Final = 1_000


class Crossed(NamedTuple):
    """A modern client's call at a legacy server."""

    line: LegacyLine | SseLine
    address: Address
    initialized: Mapping[str, Any]
    """InitializeResult of the session it runs in."""
    within: Place | None = None
    """The place in that session, where the session has a stream of its own that must be heard too."""

    @property
    def alone(self) -> bool:
        """True where everything about the call comes on the stream of the call, and a cancellation goes beside it."""
        return self.within is None and isinstance(self.line, LegacyLine)


@part
class Switchboard:
    """One per process."""

    upstream: UpstreamClient
    kept: KeptSessions
    streams: SseSessions
    headers: ToolHeaders
    sides: SideStreams
    _levels: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Log levels that this process has set in kept sessions."""

    async def of_legacy_client(self, call: Call, place: Place, spoken: Spoken) -> Line:
        """The line for a legacy client's request: to a modern server, or to one that speaks HTTP+SSE.

        Raises:
            UpstreamError: There is none.
        """
        session = place.session
        if not spoken.modern:
            # Ids of a client may come again from another of its sessions; on a stream that is shared they must not.
            own = {**call.message, "id": new_id()}
            level = None if session is None else session.log_level
            return await self._over_sse(place, legacy_guest(place), own, level=level)
        message = requests.to_modern(
            call.message,
            call_id=call.id if call.id is not None else new_id(),
            client_info=None if session is None else session.client,
            capabilities={} if session is None else capabilities.client_to_modern(askable(place, session.capabilities)),
            log_level=(None if session is None else session.log_level) or DEFAULT_LOG_LEVEL,
        )
        version = call.version or (outbound.LATEST_LEGACY if session is None else session.version)
        return ModernLine(self.upstream, self.headers, place, message, version)

    async def of_modern_client(self, call: Call, place: Place, spoken: Spoken) -> Crossed:
        """The line for a modern client's request, to a legacy server by either transport.

        Raises:
            UpstreamError: There is none.
        """
        level, guest = meta_of(call).get(META_LOG_LEVEL), modern_guest(call, place)
        # Two clients of one caller share a session there, and may use the same id or token at the same time.
        address = Address(new_id())
        message = requests.to_legacy(call.message, call_id=address.call_id, progress_token=address.call_id)
        if spoken.legacy == "sse":
            line = await self._over_sse(place, guest, message, level=level)
            endpoint = line.session.connection.endpoint
            return Crossed(line, address._replace(endpoint=endpoint), line.session.initialized)
        deadline = self._deadline(place)
        session = await self.kept.of(place.server, place.sessionless(), guest, deadline=deadline)
        address = address._replace(session_id=session.session_id, version=session.version)
        within = inside(place, session, guest)
        await self._turn_up(session, level, within)
        line_there = LegacyLine(Remote(self.upstream, within, address), outbound.legacy_call(message), deadline)
        askable_there = session.session_id is not None and any(name in guest.capabilities for name in ASKABLE)
        return Crossed(line_there, address, session.initialized, within if askable_there else None)

    def read_on(self, call: Call, place: Place, address: Address, event_id: str) -> Pump:
        """Read the answer to a call on that some process has sent, behind an event of it
        (2025-11-25 transports, Resumability and Redelivery)."""
        session = UpstreamSession(address.session_id, {"protocolVersion": address.version})
        within = inside(place, session, modern_guest(call, place))
        sent = outbound.legacy_call({**call.message, "id": address.call_id})
        pump = Pump(LegacyLine(Remote(self.upstream, within, address), sent, self._deadline(place), event_id))
        pump.start()
        return pump

    async def hear(self, crossed: Crossed, pump: Pump) -> None:
        """Let `pump` hear what the server says beside the call, where it may ask something there."""
        line, within = crossed.line, crossed.within
        if within is None or not isinstance(line, LegacyLine):
            return

        def heard(message: Message) -> None:
            if message.kind == "request":
                line.wait()
            pump.hear(message)

        pump.leave = await self.sides.join(within, crossed.address.call_id, heard)

    async def session_of(self, call: Call, place: Place) -> UpstreamSession:
        """The session at a legacy server in which a modern client's calls run.

        Raises:
            UpstreamError: None can be opened.
        """
        guest = modern_guest(call, place)
        return await self.kept.of(place.server, place.sessionless(), guest, deadline=self._deadline(place))

    async def renew(self, call: Call, place: Place, *, dead_id: str | None) -> None:
        """Replace that session where it still is the one with `dead_id`, which the server has forgotten.

        Raises:
            UpstreamError: None can be opened.
        """
        guest, deadline = modern_guest(call, place), self._deadline(place)
        await self.kept.renewed(place.server, place.sessionless(), guest, dead_id=dead_id, deadline=deadline)

    async def _over_sse(self, place: Place, guest: Guest, message: Mapping[str, Any], *, level: str | None) -> SseLine:
        deadline = self._deadline(place)
        wanted = level if level in LEVELS else None
        session = await self.streams.take(place.server, place.sessionless(), guest, deadline=deadline, log_level=wanted)
        if wanted is not None and wanted != session.log_level:
            if "logging" in session.capabilities:
                try:
                    await session.connection.send(_set_level(wanted), deadline=deadline)
                except BaseException:
                    # Nobody else knows of this stream.
                    await session.connection.close()
                    raise
            # Where there is nothing to set, the next call of this level finds the stream all the same.
            session.log_level = wanted
        return SseLine(self.streams, session, guest, place, outbound.legacy_call(message))

    async def _turn_up(self, session: UpstreamSession, level: Any, within: Place) -> None:
        """Let the session log at `level` at least; what is too much for another call is left out there."""
        if level not in LEVELS or "logging" not in session.capabilities or session.session_id is None:
            return
        key = (within.server.id, within.caller.principal, session.session_id)
        known = self._levels.get(key)
        if known is not None and LEVELS.index(known) <= LEVELS.index(level):
            return
        asked, deadline = _set_level(level), self._deadline(within)
        response = await self.upstream.post(within.server, asked, within.dialect(None), deadline=deadline)
        # On a record of its own: a refusal of the level is no failure of the call.
        await whole_answer(asked, response, replace(within, record=within.record.part()))
        if len(self._levels) >= MAX_LEVELS:
            self._levels.clear()
        self._levels[key] = level

    def _deadline(self, place: Place) -> float:
        return place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)


def _set_level(level: str) -> Call:
    message = {"jsonrpc": "2.0", "id": new_id(), "method": "logging/setLevel", "params": {"level": level}}
    return outbound.legacy_call(message)
