"""How the tests of egress ask."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway_core.egress import MAX_BYTES, Egress, Policy, Response

LOCAL = Policy(loopback=True)


def soon(seconds: float = 10.0) -> float:
    """Loop time that many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


async def post(
    egress: Egress, url: str, body: bytes = b"", *, within: float = 10.0, max_bytes: int = MAX_BYTES
) -> Response:
    """The response to a POST, head only."""
    return await egress.send("POST", url, [], body, deadline=soon(within), max_bytes=max_bytes)


async def ask(
    egress: Egress, url: str, body: bytes = b"", *, within: float = 10.0, max_bytes: int = MAX_BYTES
) -> bytes:
    """The whole body of the answer to a POST."""
    async with await post(egress, url, body, within=within, max_bytes=max_bytes) as response:
        return await response.read()


@asynccontextmanager
async def opened(policy: Policy = LOCAL, **parts: Any) -> AsyncIterator[Egress]:
    """An egress with a policy or parts of its own."""
    egress = Egress(policy, **parts)
    try:
        yield egress
    finally:
        await egress.close()


@dataclass
class Names:
    """A resolver with a table. Each question takes the next of a name's answers; the last one stays."""

    table: dict[str, list[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.table.get(host)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Clock:
    """Unix time that passes when it is told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
