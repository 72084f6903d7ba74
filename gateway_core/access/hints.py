"""What requests of one credential at one endpoint needed besides, so that it is read along the next time.

A hint decides nothing: whoever follows a wrong one reads once more.
"""

from typing import Final

from gateway_core.access.endpoint import Endpoint
from gateway_core.ports import Key

MAX_HINTS: Final = 5_000
"""Pairs of credential and endpoint that one process remembers, 300 bytes each."""


class Hints:
    """One per process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Key | None, Endpoint], Key] = {}

    def of(self, credential: Key | None, endpoint: Endpoint) -> Key | None:
        """What was needed the last time. `credential` is None for all those that are not ours."""
        return self._seen.get((credential, endpoint))

    def learn(self, credential: Key | None, endpoint: Endpoint, needed: Key) -> None:
        """It was this."""
        if len(self._seen) >= MAX_HINTS:
            # The one that came first: a dictionary keeps the order in which its keys came.
            del self._seen[next(iter(self._seen))]
        self._seen[credential, endpoint] = needed

    def forget(self, credential: Key | None, endpoint: Endpoint) -> None:
        """Nothing is needed any more."""
        self._seen.pop((credential, endpoint), None)
