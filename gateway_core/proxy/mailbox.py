"""Letters between two processes of the gateway that share nothing but the store.

One waits for what another gets to know: the answer to a question that went down a stream, the result of a call whose
own stream has ended. Who waits looks again after 50 ms, then less and less often, at least once a second; within one
process it is woken at once.
"""

import asyncio
import json
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import Any, Final

from gateway_core.errors import Conflict, StoreUnavailable, UpstreamTooLarge
from gateway_core.parts import part
from gateway_core.ports import ABSENT, Clock, Keyring, Table, Unchanged
from gateway_core.storage import keys

FIRST_LOOK_S: Final = 0.05
SLOWEST_LOOK_S: Final = 1.0
PART_CHARACTERS: Final = 300_000
"""Of one part of a letter (an item holds 350 KB)."""
MAX_LETTER_BYTES: Final = 6 * 1024 * 1024
MAX_TRIES: Final = 5
"""How often something is put aside anew that others have changed meanwhile."""
KEPT_S: Final = 300
"""How long letters outlast the time in which they are awaited."""


@part
class Mailbox:
    """One per process."""

    table: Table
    keyring: Keyring
    clock: Clock
    _waiting: dict[str, set[asyncio.Event]] = field(default_factory=dict)

    async def ask(self, box: str, *, for_s: float) -> None:
        """Open a box for one answer, which is taken for `for_s`."""
        until = self.clock() + int(for_s) + 1
        await self.table.put(keys.letter(box, "ASKED"), {}, when=ABSENT, expires_at=until)

    async def answer(self, box: str, value: Any) -> bool:
        """Put the answer into an open box, where there is none yet; False where nothing is asked."""
        asked = await self.table.get(keys.letter(box, "ASKED"))
        if asked is None:
            return False
        if asked.data:
            return True
        letter = await self._letter(box, json.dumps(value), for_s=0)
        try:
            key = keys.letter(box, "ASKED")
            await self.table.put(key, letter, when=Unchanged(asked.version), expires_at=asked.expires_at)
        except Conflict:
            # Another answer was faster.
            return True
        self._wake(box)
        return True

    async def awaited(self, box: str, *, deadline: float) -> Any:
        """The answer that is put into an open box.

        Raises:
            TimeoutError: There is none by `deadline` (event loop time).
        """
        async for _ in self._looks(box, deadline):
            asked = await self.table.get(keys.letter(box, "ASKED"))
            if asked is not None and asked.data:
                return json.loads(await self._text(box, asked.data))
        raise TimeoutError

    async def mark(self, box: str, name: str, *, for_s: float) -> bool:
        """Leave a mark that lasts for `for_s`; False when it was there already."""
        try:
            until = self.clock() + int(for_s) + 1
            await self.table.put(keys.letter(box, name), {}, when=ABSENT, expires_at=until)
        except Conflict:
            return False
        self._wake(box)
        return True

    async def unmark(self, box: str, name: str) -> None:
        """Take a mark away again."""
        await self.table.delete(keys.letter(box, name))

    async def until_marked(self, box: str, name: str) -> None:
        """Return when the mark is there. Looks once a second, for the first time after one."""
        with self._woken(box) as woken:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SLOWEST_LOOK_S):
                        await woken.wait()
                woken.clear()
                # What is looked for would end a call; not being able to look must not.
                with suppress(StoreUnavailable):
                    if await self.table.get(keys.letter(box, name)) is not None:
                        return

    async def post(self, box: str, number: int, text: str, *, for_s: float) -> None:
        """Put the letter of that number into a box that is read in order."""
        letter, until = await self._letter(box, text, for_s=for_s), self.clock() + int(for_s) + KEPT_S
        await self.table.put(keys.letter(box, f"N{number:06d}"), letter, expires_at=until)
        self._wake(box)

    async def keep(self, box: str, name: str, value: Any, *, for_s: float) -> None:
        """Put something aside under a name."""
        letter, until = await self._letter(box, json.dumps(value), for_s=for_s), self.clock() + int(for_s) + KEPT_S
        await self.table.put(keys.letter(box, name), letter, expires_at=until)

    async def swap(self, box: str, name: str, value: Any, *, unless: Any, for_s: float) -> Any:
        """Put something aside under a name and return what was there (None: nothing). Where that is `unless`, it stays.

        Raises:
            Conflict: Others wrote at the same time, again and again.
        """
        letter, until = await self._letter(box, json.dumps(value), for_s=for_s), self.clock() + int(for_s) + KEPT_S
        key = keys.letter(box, name)
        for _ in range(MAX_TRIES):
            item = await self.table.get(key)
            before = None if item is None else json.loads(await self._text(box, item.data))
            if before == unless:
                return before
            when = ABSENT if item is None else Unchanged(item.version)
            with suppress(Conflict):
                await self.table.put(key, letter, when=when, expires_at=until)
                return before
        raise Conflict("This was changed by others at the same time. Try again.")

    async def kept(self, box: str, name: str) -> Any:
        """What was put aside; None where there is nothing."""
        item = await self.table.get(keys.letter(box, name))
        return None if item is None else json.loads(await self._text(box, item.data))

    async def letters(self, box: str, *, after: int, deadline: float) -> AsyncGenerator[tuple[int, str]]:
        """The letters behind number `after`, in order, as they arrive, until `deadline` (event loop time)."""
        number = after
        async for _ in self._looks(box, deadline):
            page = await self.table.query(keys.mailbox(box), prefix="N", after=f"N{number:06d}")
            for item in page.items:
                number = int(item.key.sk[1:])
                yield number, await self._text(box, item.data)

    async def send(self, box: str, text: str, *, for_s: float) -> None:
        """Put a letter into a box that is emptied by one reader; any process may."""
        letter, until = await self._letter(box, text, for_s=for_s), self.clock() + int(for_s) + KEPT_S
        # The order of one sender is kept, that of several is as good as their clocks.
        name = f"M{time.time_ns():020d}-{secrets.token_hex(4)}"
        await self.table.put(keys.letter(box, name), letter, expires_at=until)
        self._wake(box)

    async def received(self, box: str, *, deadline: float) -> AsyncGenerator[str]:
        """The letters that are sent to a box, as they arrive, until `deadline` (event loop time)."""
        async for _ in self._looks(box, deadline):
            page = await self.table.query(keys.mailbox(box), prefix="M")
            for item in page.items:
                text = await self._text(box, item.data)
                await self.table.delete(item.key)
                yield text
            if page.items:
                # Where one has come, more may follow at once.
                self._wake(box)

    async def _looks(self, box: str, deadline: float) -> AsyncGenerator[None]:
        """Each turn is a time to look."""
        loop, wait_s = asyncio.get_running_loop(), FIRST_LOOK_S
        with self._woken(box) as woken:
            while True:
                woken.clear()
                yield
                left_s = deadline - loop.time()
                if left_s <= 0:
                    return
                try:
                    async with asyncio.timeout(min(wait_s, left_s)):
                        await woken.wait()
                    wait_s = FIRST_LOOK_S
                except TimeoutError:
                    wait_s = min(wait_s * 1.5, SLOWEST_LOOK_S)

    @contextmanager
    def _woken(self, box: str) -> Iterator[asyncio.Event]:
        """An event that is set when somebody of this process puts something into `box`."""
        woken = asyncio.Event()
        self._waiting.setdefault(box, set()).add(woken)
        try:
            yield woken
        finally:
            self._waiting[box].discard(woken)
            if not self._waiting[box]:
                del self._waiting[box]

    def _wake(self, box: str) -> None:
        for woken in self._waiting.get(box, ()):
            woken.set()

    async def _letter(self, box: str, text: str, *, for_s: float) -> dict[str, Any]:
        """What stands in a letter, sealed: its text, or where the parts of it are."""
        plain = text.encode("utf-8", "replace")
        if len(plain) > MAX_LETTER_BYTES:
            told = f"A message is larger than {MAX_LETTER_BYTES >> 20} MiB, too large for another process."
            raise UpstreamTooLarge(told)
        sealed = b64encode(await self.keyring.seal(plain, context=f"letter|{box}")).decode()
        if len(sealed) <= PART_CHARACTERS:
            return {"sealed": sealed}
        pieces = [sealed[at : at + PART_CHARACTERS] for at in range(0, len(sealed), PART_CHARACTERS)]
        # A name of its own: of two that answer at once, neither writes into the other's parts.
        name, until = secrets.token_hex(8), self.clock() + int(for_s) + KEPT_S
        for index, piece in enumerate(pieces):
            await self.table.put(keys.letter(box, f"P{name}#{index}"), {"sealed": piece}, expires_at=until)
        return {"name": name, "parts": len(pieces)}

    async def _text(self, box: str, letter: Mapping[str, Any]) -> str:
        """What a letter says.

        Raises:
            StoreUnavailable: It is not whole, or not one that was put into this box.
        """
        sealed = letter.get("sealed")
        if sealed is None:
            wanted = [keys.letter(box, f"P{letter['name']}#{index}") for index in range(letter["parts"])]
            sealed = "".join("" if item is None else item.data["sealed"] for item in await self.table.get_many(wanted))
        plain = await self.keyring.open(b64decode(sealed), context=f"letter|{box}")
        if plain is None:
            raise StoreUnavailable("An answer that another process had put aside cannot be read. Try again.")
        return plain.decode()
