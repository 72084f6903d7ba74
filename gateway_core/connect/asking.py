"""Questions to servers of which nothing is known yet: few bytes, little time, no redirects, through the one door.

Whatever comes back is somebody else's word. It is read here and judged by whoever asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway_core import json_text
from gateway_core.egress import Egress
from gateway_core.errors import BadRequest

ANSWER_S: Final = 5.0
"""Longest wait for one answer. A metadata document comes in well under a second."""
WHOLE_S: Final = 15.0
"""Longest time for all questions of one asker: a person waits in front of a browser, which gives up at about 30 s."""
MAX_BYTES: Final = 64 * 1024
"""Largest answer, decoded. Metadata documents have 1 to 10 KB."""
USER_AGENT: Final = ("user-agent", "gatehouse/0.1")

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of repeated headers the values joined by ", "."""
    body: bytes = field(repr=False)
    """Empty for an event stream, which has no end to wait for."""


class Asker(Protocol):
    """Asks one question at a time, all of them within one span of time."""

    async def __call__(self, method: str, url: str, headers: Fields, body: bytes) -> Answer:
        """The answer, whatever its status.

        Raises:
            UpstreamUnreachable: Nothing was sent: not reachable, an address that is not open, or the time is up.
            UpstreamError: Something was, and no whole answer within the bounds came back.
        """
        ...


class EgressAsker:
    """An asker for one discovery or registration. Its time starts when it is made.

    Args:
        egress: Where requests go out.
        answer_s: For one answer.
        whole_s: For all of them.
    """

    def __init__(self, egress: Egress, *, answer_s: float = ANSWER_S, whole_s: float = WHOLE_S) -> None:
        self._egress = egress
        self._answer_s = answer_s
        self._until = asyncio.get_running_loop().time() + whole_s

    async def __call__(self, method: str, url: str, headers: Fields, body: bytes) -> Answer:
        """See Asker."""
        deadline = min(asyncio.get_running_loop().time() + self._answer_s, self._until)
        fields = [*headers, USER_AGENT]
        async with await self._egress.send(
            method, url, fields, body, deadline=deadline, max_bytes=MAX_BYTES
        ) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            read = b"" if kind == "text/event-stream" else await response.read()
            return Answer(response.status, response.headers, read)


def read_object(body: bytes) -> Mapping[str, Any] | str:
    """The JSON object in `body`, or in a few words why it is none. Two readers can never find two objects in it."""
    try:
        value = json_text.parse(body)
    except BadRequest as problem:
        return problem.message.removeprefix("The body is ").rstrip(".")
    return value if isinstance(value, dict) else "JSON, but no object"
