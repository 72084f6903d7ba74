"""One process of a race: `python -m tests.race.worker FOLDER SKEW KEY`, set up by its environment.

It is the whole data plane without a port. Each line that it reads is an order to make one call at a given moment; each
line that it writes is what became of the call. It may be told to die in the middle.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from gateway_core.compose_lean import data_plane
from gateway_core.ports import Item, Key
from gateway_core.settings import read_settings
from gateway_core.web.mcp import McpApp
from tests.race.worlds import SharedTime, world_of

Point = Literal["before the token call", "between token call and write", "after the write"]
POINTS: Final[Mapping[Point, tuple[str, str, bool]]] = {
    "before the token call": ("put", "LEASE#", True),
    "between token call and write": ("put", "HOLDER#", False),
    "after the write": ("delete", "LEASE#", False),
}
"""Where who renews may die: at which step of the store, and whether that is done."""
MAY_DIE: Final = "one-may-die"
"""A file: whoever removes it is the one."""
PATIENCE_S: Final = 60.0
CALL: Final = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "forecast", "arguments": {}}}
).encode()


class Silent:
    """See ports.Records."""

    def write(self, record: Mapping[str, Any]) -> None:
        """See ports.Records.write."""


@dataclass
class Perilous:
    """The store of a process that may die at one step, or that takes no lease for one."""

    table: Any
    folder: Path
    dies: Point | None = None
    leases: bool = True

    def __getattr__(self, verb: str) -> Any:
        async def ask(*given: Any, **named: Any) -> Any:
            place = given[0].sk if isinstance(given[0], Key) else ""
            if not self.leases and place.startswith("LEASE#"):
                return Item(given[0], {}, 1, None) if verb == "put" else None
            self._perhaps_die(verb, place, done=False)
            found = await getattr(self.table, verb)(*given, **named)
            self._perhaps_die(verb, place, done=True)
            return found

        return ask

    def _perhaps_die(self, verb: str, place: str, *, done: bool) -> None:
        if self.dies is None:
            return
        at, prefix, afterwards = POINTS[self.dies]
        if verb != at or not place.startswith(prefix) or done != afterwards:
            return
        try:
            (self.folder / MAY_DIE).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Calling:
    """A client of the gateway in this process."""

    app: McpApp
    key: str
    answered_at: float = 0.0

    async def call(self) -> str:
        """The answer to one call of a tool, as text. It returns when nothing goes on behind it any more."""
        pending = [{"type": "http.request", "body": CALL}]
        body: list[bytes] = []

        async def receive() -> Any:
            return pending.pop() if pending else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            body.append(message.get("body", b""))
            self.answered_at = time.monotonic()

        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        headers |= {"authorization": f"Bearer {self.key}", "host": "127.0.0.1"}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/research/linear/mcp", "query_string": b""}
        await self.app({**scope, "headers": raw}, receive, send)
        return b"".join(body).decode()

    async def until_it_goes_through(self, until: float) -> str:
        """The same, again and again."""
        while True:
            text = await self.call()
            if went_through(text) or time.monotonic() > until:
                return text
            await asyncio.sleep(0.2)


def went_through(text: str) -> bool:
    """True for the server's own answer."""
    return "Sunny." in text


async def obey(calling: Calling, store: Perilous, order: Mapping[str, Any]) -> dict[str, Any]:
    """Make the call of one order."""
    store.dies, store.leases = order["dies"], order["leases"]
    await asyncio.sleep(order["at"] - time.monotonic())
    if order["patient"]:
        text = await calling.until_it_goes_through(order["at"] + PATIENCE_S)
    else:
        text = await calling.call()
    return {"text": text, "ms": (calling.answered_at - order["at"]) * 1000}


async def main(folder: Path, skew_s: float, key: str) -> None:
    """Obey until the input ends."""
    settings = read_settings()
    world = world_of(settings, SharedTime(folder).clock(skew_s), os.environ)
    store: Any = Perilous(world.table, folder)
    app = data_plane(settings, replace(world, table=store, records=Silent()))
    calling = Calling(app, key)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await obey(calling, store, json.loads(line))), flush=True)
    await app.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
