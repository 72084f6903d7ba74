"""Reading a line in a task of its own, so that whoever consumes it can wait for other things as well."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.errors import UpstreamClosed, UpstreamGarbage
from gateway_core.proxy.lines import Line
from gateway_core.upstream.answers import Message

AHEAD: Final = 64
"""Messages that are read before they are wanted."""


class NoLongerWanted(Exception):
    """The client said that it does not want the answer any more."""


def _queue() -> "asyncio.Queue[Message | Exception]":
    return asyncio.Queue(AHEAD)


def _nothing() -> None:
    pass


def _ended() -> UpstreamClosed:
    return UpstreamClosed("The server has ended the stream.")


@dataclass(slots=True, eq=False, repr=False)
class Pump:
    """Belongs to one consumer, who closes it."""

    line: Line
    _queue: "asyncio.Queue[Message | Exception]" = field(default_factory=_queue)
    leave: Callable[[], None] = field(default=_nothing)
    """Ends the hearing of whatever else comes in by `hear`."""
    _ended: Exception | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _messages: AsyncGenerator[Message] | None = None
    _first: asyncio.Timeout | None = None

    def start(self) -> None:
        """Send the call and begin to read."""
        self._messages = self.line.messages()
        self.beside(self._read(self._messages))

    async def first(self) -> Message:
        """Instead of `start`: the first message, read in place. Most calls have no other; a task reads on behind it.
        What interrupts it ends the line before `cancel` can be called.

        Raises:
            Exception: What ended the line, or something beside it.
        """
        self._messages = self.line.messages()
        try:
            async with asyncio.timeout(None) as self._first:
                message = await anext(self._messages, None)
        except TimeoutError:
            raise self._ended or _ended() from None
        finally:
            self._first = None
        if message is None:
            raise _ended()
        if message.kind not in ("answer", "error"):
            self.beside(self._read(self._messages))
        return message

    async def next(self) -> Message:
        """The next message.

        Raises:
            Exception: What ended the line, or something beside it.
        """
        found = self._ended or await self._queue.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def soon(self, within_s: float) -> Message | None:
        """The next message if it comes that soon. Nothing is lost when it does not."""
        try:
            async with asyncio.timeout(within_s):
                found = self._ended or await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(found, Exception):
            self._ended = found
            return None
        return found

    @property
    def ended(self) -> bool:
        """True when nothing more can come but what ended it."""
        return self._ended is not None

    def hear(self, message: Message) -> None:
        """Take a message that came by another way than the line's own. Where too many wait already, a notification is
        left out, and a request ends the line: its server would wait for the answer."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            if message.kind == "request":
                told = "The server said more beside the call than can be kept, and then asked something."
                self._fail(UpstreamGarbage(told))

    def nudge(self) -> None:
        """Make `soon` return at once, with a message that means nothing."""
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(Message("foreign", b"", {}))

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` at the same time; what it raises comes out of `next`."""
        task = asyncio.create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step leaves its work unbegun.
        task.add_done_callback(lambda _: work.close())

    def later(self, after_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The same in `after_s`, unless the pump is closed by then. For one work only."""
        self._timer = asyncio.get_running_loop().call_later(after_s, lambda: self.beside(work()))

    async def close(self) -> None:
        """Stop reading, and everything beside it."""
        self.leave()
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._messages is not None:
            await self._messages.aclose()

    async def _read(self, messages: AsyncGenerator[Message]) -> None:
        async with aclosing(messages):
            async for message in messages:
                await self._queue.put(message)
        await self._queue.put(_ended())

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - it is raised again, by whoever consumes the line
            if self._first is None:
                await self._queue.put(error)
                return
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the line now, whatever waits to be consumed."""
        if self._ended is None:
            self._ended = error
            if self._first is not None:
                self._first.reschedule(asyncio.get_running_loop().time())
