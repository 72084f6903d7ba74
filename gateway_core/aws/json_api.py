"""A small client for AWS services that speak JSON: one signed POST per operation. Never blocks, imports no SDK."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from gateway_core.aws.credentials import Credentials
from gateway_core.aws.sending import AwsError, Send
from gateway_core.aws.sigv4 import Request, Scope, signed_headers
from gateway_core.parts import part
from gateway_core.ports import Clock

Service = Literal["dynamodb", "kms", "secretsmanager", "ssm"]

MAX_ATTEMPTS: Final = 3
BUDGET_S: Final = 1.0
"""No attempt begins later than this after the first: a caller waits for the answer."""
ATTEMPT_S: Final = 2.0
"""Longest wait for one answer. The slowest operation here, a full transaction, takes a tenth of it."""
BACK_OFF_S: Final = 0.05
"""The first wait is anything up to this, the next up to twice as much."""

_PROTOCOLS: Final[Mapping[Service, tuple[str, str]]] = {
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "kms": ("TrentService", "application/x-amz-json-1.1"),
    "secretsmanager": ("secretsmanager", "application/x-amz-json-1.1"),
    "ssm": ("AmazonSSM", "application/x-amz-json-1.1"),
}
"""What stands before the operation in X-Amz-Target, and the content type, as in the services' own models."""
_PASSING: Final = frozenset({
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "KMSInternalException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
    "TransactionInProgressException",
})  # fmt: skip


@part
class JsonApi:
    """Calls of AWS services in one region.

    Args:
        endpoint_url: Where all services answer instead of their public addresses; "" for those.
        random: A number from 0 to 1, for the jitter of retries.
        pause: Waits so many seconds.
    """

    send: Send
    credentials: Credentials
    region: str
    clock: Clock
    random: Callable[[], float]
    endpoint_url: str = ""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    attempt_s: float = ATTEMPT_S
    budget_s: float = BUDGET_S

    async def call(self, service: Service, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `operation`, tried up to three times while what went wrong may pass.

        A try whose answer was lost may have done its work: operations that must not happen twice carry a condition or
        a token of their own.

        Raises:
            AwsError: The service said no, or did not answer.
        """
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.budget_s
        for attempt in range(MAX_ATTEMPTS - 1):
            try:
                return await self._attempt(service, operation, body)
            except AwsError as error:
                if not error.passing or loop.time() >= give_up_at:
                    raise
            await self.back_off(attempt)
        return await self._attempt(service, operation, body)

    async def back_off(self, attempt: int) -> None:
        """Wait before try number `attempt` + 1, 0 being the first; random, so that those who collided spread."""
        await self.pause(self.random() * BACK_OFF_S * 2**attempt)

    async def _attempt(self, service: Service, operation: str, body: bytes) -> dict[str, Any]:
        target, content_type = _PROTOCOLS[service]
        url = self.endpoint_url or f"https://{service}.{self.region}.{_suffix(self.region)}/"
        headers = {"content-type": content_type, "x-amz-target": f"{target}.{operation}"}
        keys = await self.credentials.current()
        request = Request("POST", url, headers, body)
        headers = signed_headers(request, keys, scope=Scope(self.region, service), now=self.clock())
        try:
            async with asyncio.timeout(self.attempt_s):
                status, answer = await self.send("POST", url, headers, body)
        except OSError as error:
            raise AwsError("Unreachable", f"{service} did not answer", {}, passing=True) from error
        return _answer(status, answer)


def _answer(status: int, answer: bytes) -> dict[str, Any]:
    try:
        body = json.loads(answer)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise AwsError("Unreadable", f"status {status} and no JSON object", {}, passing=True)
    if status == 200:
        return body
    code = str(body.get("__type", "Unknown")).rpartition("#")[2]
    message = str(body.get("message") or body.get("Message") or "")
    raise AwsError(code, message, body, passing=status >= 500 or code in _PASSING)


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
