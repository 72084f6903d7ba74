"""A call that goes on at its server after the client was asked something and its response has ended.

Whoever began the call goes on reading, and puts what comes into the mailbox; whichever process gets the client's retry
takes it from there.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway_core.errors import GatewayError, UpstreamClosed, UpstreamError, UpstreamRefused, UpstreamTimedOut
from gateway_core.parts import part
from gateway_core.proxy.lines.pump import Pump
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.place import HOLDER_GONE, Place, stopped_early
from gateway_core.upstream.answers import Message


class Source(Protocol):
    """Where a consumer takes the messages of a call from."""

    async def next(self) -> Message:
        """The next message. Raises what ended the call."""
        ...

    async def soon(self, within_s: float) -> Message | None:
        """The next message if it comes that soon."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class Letters:
    """The messages of a call that another request, perhaps another process, reads or has read. See Source."""

    mailbox: Mailbox
    box: str
    after: int
    deadline: float
    read_on: Callable[[str], Pump]
    """Reads on at the server itself behind an event id, once nobody else does."""
    pump: Pump | None = field(default=None)
    """What reads on, if it is this."""
    _letters: AsyncGenerator[tuple[int, str]] | None = field(default=None)

    async def next(self) -> Message:
        """See Source.next."""
        while self.pump is None:
            if self._letters is None:
                self._letters = self.mailbox.letters(self.box, after=self.after, deadline=self.deadline)
            try:
                self.after, text = await anext(self._letters)
            except StopAsyncIteration:
                raise UpstreamTimedOut(f"{HOLDER_GONE}, or its server did not go on in time.") from None
            if (message := self._message(text)) is not None:
                return message
        await self.close()
        return await self.pump.next()

    async def soon(self, within_s: float) -> Message | None:
        """See Source.soon."""
        if self.pump is not None:
            return await self.pump.soon(within_s)
        await self.close()
        deadline = asyncio.get_running_loop().time() + within_s
        async with aclosing(self.mailbox.letters(self.box, after=self.after, deadline=deadline)) as letters:
            async for number, text in letters:
                self.after = number
                return self._message(text)
        return None

    async def ending(self) -> Message | None:
        """How the call has ended, if it has: what was said before that is passed over. Raises what ended it."""
        await self.close()
        more, now = True, asyncio.get_running_loop().time()
        while more and self.pump is None:
            more = False
            async with aclosing(self.mailbox.letters(self.box, after=self.after, deadline=now)) as letters:
                async for number, text in letters:
                    more, self.after = True, number
                    message = self._message(text)
                    if message is not None and message.kind in ("answer", "error"):
                        return message
        return None

    async def close(self) -> None:
        """Look for no more letters until `next` does. What reads on goes on."""
        letters, self._letters = self._letters, None
        if letters is not None:
            await letters.aclose()

    def _message(self, text: str) -> Message | None:
        """The message in a letter; None for the letter that says where to read on."""
        told: dict[str, Any] = json.loads(text)
        if "resume" in told:
            self.pump = self.read_on(told["resume"])
            return None
        if "failed" in told:
            raise FAILURES.get(told["kind"], UpstreamError)(told["failed"], reason=told["reason"])
        return Message(told["kind"], b"", told["value"])


FAILURES: Final[dict[str, type[UpstreamError]]] = {
    "UpstreamTimedOut": UpstreamTimedOut,
    "UpstreamClosed": UpstreamClosed,
}
"""Errors whose kind says that it is unknown what became of the call."""
MAX_NOTES: Final = 1_000
"""Letters of one held call behind which notifications are left out."""
RESUMABLE_S: Final = 3_600.0
"""How long a call may wait for its client whose server lets anybody read on later."""
MAX_HELD, MAX_HELD_EACH = 500, 50
"""Calls that one process holds, and of one caller among them: each keeps a connection to its server."""


@part
class Holding:
    """Reads on, for as long as somebody may answer. One per process."""

    mailbox: Mailbox
    _held_by: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def begun(self, pump: Pump, box: str, place: Place, *, number: int = 0) -> AsyncIterator[None]:
        """Hold what `pump` reads from the end of the block on, behind letter `number`; not if the block fails.

        Raises:
            UpstreamRefused: No more calls can be held.
        """
        principal = place.caller.principal
        each, every = self._held_by[principal], self._held_by.total()
        if each >= MAX_HELD_EACH or every >= MAX_HELD:
            raise UpstreamRefused(
                f"Too many calls wait for answers already ({each} of yours). Answer or cancel some, then call again.",
                reason="too_many_held",
            )
        self._held_by[principal] += 1
        try:
            yield
        except BaseException:
            self._let_go(principal)
            raise
        place.request.afterwards.append(asyncio.create_task(self._hold(pump, box, place, number)))

    def _let_go(self, principal: str) -> None:
        self._held_by[principal] -= 1
        if not self._held_by[principal]:
            del self._held_by[principal]

    def lasts(self, pump: Pump, place: Place) -> float:
        """How long what is asked now can be answered, in seconds."""
        return float(place.ask_s) if pump.line.resumable() is None else max(RESUMABLE_S, place.ask_s)

    async def _hold(self, pump: Pump, box: str, place: Place, number: int) -> None:
        """Put what comes out of `pump` into `box`, behind letter `number`, until the answer has come, or nobody can
        want it any more."""
        principal, hand = place.caller.principal, _Hand(self.mailbox, pump, box, number, self.lasts(pump, place))
        try:
            await hand.copy(place)
        except (TimeoutError, UpstreamTimedOut):
            told = (
                f"What {place.server.name} asked in mid-call was not answered in time, or it did not go on after that."
            )
            await hand.give_up(UpstreamTimedOut(told, reason="ask_timed_out"), waiting=hand.asked)
        except asyncio.CancelledError:
            await hand.give_up(stopped_early(), waiting=True)
            raise
        except GatewayError as problem:
            hand.finished = True
            await hand.give_up(problem, waiting=False)
        finally:
            self._let_go(principal)
            if not hand.finished:
                await pump.line.cancel()
            await pump.close()


@dataclass(slots=True, eq=False, repr=False)
class _Hand:
    """One call that is held."""

    mailbox: Mailbox
    pump: Pump
    box: str
    number: int
    for_s: float
    asked: bool = True
    """True while the last that came is a question."""
    finished: bool = False

    async def copy(self, place: Place) -> None:
        """Put every message into the box. Raises TimeoutError when its time is up."""
        loop, for_s = asyncio.get_running_loop(), place.ask_s + place.server.timeout_s
        async with asyncio.timeout_at(place.deadline(loop.time(), for_s)) as limit:
            while not self.finished:
                message = await self.pump.next()
                if message.kind == "notification" and self.number >= MAX_NOTES:
                    # Each is a write to the store. A server that floods costs its client the rest of the progress.
                    continue
                self.asked, self.finished = message.kind == "request", message.kind in ("answer", "error")
                if self.asked:
                    limit.reschedule(place.deadline(loop.time(), for_s))
                await self._post({"kind": message.kind, "value": message.value})

    async def give_up(self, problem: UpstreamError | GatewayError, *, waiting: bool) -> None:
        """Say where to read on, where that is possible and the call only waits; else what went wrong."""
        event_id = self.pump.line.resumable() if waiting else None
        if event_id is not None:
            self.finished = True
            await self._post({"resume": event_id})
            return
        await self._post({"failed": problem.message, "reason": problem.reason, "kind": type(problem).__name__})

    async def _post(self, letter: dict[str, Any]) -> None:
        self.number += 1
        await self.mailbox.post(self.box, self.number, json.dumps(letter), for_s=self.for_s)
