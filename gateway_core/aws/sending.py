"""How a request reaches AWS, and how AWS says no: the two words that everything in this package shares."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Send = Callable[[str, str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""(method, url, headers, body) → (status, body). Sends once, to an address that the operator set.

Raises `OSError` (`ConnectionError`, `TimeoutError`) when no answer came.
"""


class AwsError(Exception):
    """AWS said no, or nothing. Never shown to a caller: adapters turn it into a `GatewayError`.

    Args:
        code: The service's own word, e.g. `ConditionalCheckFailedException`; `Unreachable` when no answer came.
        message: The service's own text.
        body: The whole answer.
        passing: True when the same request may well succeed a moment later.
    """

    def __init__(self, code: str, message: str, body: Mapping[str, Any], *, passing: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.body = body
        self.passing = passing
