"""An answer as its reader sees it: status, headers, and a body that is unpacked as it is read."""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from gateway_core.egress.answer import Answer, body_too_large
from gateway_core.egress.decoding import Inflater, inflater_for
from gateway_core.errors import UpstreamError


class Response:
    """Read it to its end or close it. One reader at a time. Redirects come as they are, 3xx with a location.

    Every read may raise what ends an answer early: `UpstreamClosed`, `UpstreamTimedOut`, `UpstreamTooLarge`,
    `UpstreamGarbage`. An end without an error is the end that the server meant.
    """

    __slots__ = ("_answer", "_inflated_bytes", "_inflater", "_max_bytes", "headers", "status")

    def __init__(self, answer: Answer, *, max_bytes: int) -> None:
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        """Names in lower case; of repeated headers the values joined by ", "."""
        self._answer = answer
        self._max_bytes = max_bytes
        self._inflated_bytes = 0
        coding = answer.headers.get("content-encoding")
        self._inflater: Inflater | None = inflater_for(coding) if coding is not None else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, decoded, as it arrives and where nobody has read yet."""
        answer = self._answer
        if self._inflater is not None:
            async for piece in self._inflated(self._inflater):
                yield piece
            return
        while piece := answer.take() or await answer.more():
            yield piece

    async def read(self) -> bytes:
        """The rest of the body, decoded."""
        if self._inflater is not None:
            return b"".join([piece async for piece in self._inflated(self._inflater)])
        answer = self._answer
        pieces = []
        while piece := answer.take() or await answer.more():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def extend(self, deadline: float) -> None:
        """Let the rest take until `deadline` (loop time) instead: a person was asked something on the way."""
        self._answer.extend(deadline)

    def refill(self) -> None:
        """Let as much of the body come from here on as could at the beginning: it goes on with something new."""
        self._answer.refill()
        self._inflated_bytes = 0

    @property
    def open(self) -> bool:
        """True while more may come."""
        return not self._answer.complete and self._answer.error is None

    async def close(self) -> None:
        """Want no more of it. The connection is kept for others when the whole answer had arrived, else it is cut."""
        self._answer.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.abandon()

    async def _inflated(self, inflater: Inflater) -> AsyncIterator[bytes]:
        try:
            while data := await self._answer.more():
                for piece in inflater.feed(data):
                    self._inflated_bytes += len(piece)
                    if self._inflated_bytes > self._max_bytes:
                        raise body_too_large(self._max_bytes)
                    yield piece
            inflater.finish()
        except UpstreamError:
            self._answer.abandon()
            raise
