"""The keys that AWS requests are signed with: from the environment of a function, or from the container's endpoint."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from gateway_core.aws.sending import AwsError, Send
from gateway_core.aws.sigv4 import AwsKeys
from gateway_core.ports import Clock

EARLY_S: Final = 300
"""Keys are replaced this long before they expire, so that a slow endpoint never leaves a call without."""
TIMEOUT_S: Final = 2.0
"""The endpoint is on the same machine and answers in milliseconds."""
RETRY_S: Final = 10
"""After a failure, good keys are used on for this long before the endpoint is asked again."""


class Credentials(Protocol):
    """Where keys come from."""

    async def current(self) -> AwsKeys:
        """Keys that are good now. Raises `AwsError` when there are none."""
        ...


class EnvironmentCredentials:
    """The keys that Lambda puts into the environment of a function, for as long as its container lives."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def current(self) -> AwsKeys:
        """See Credentials.current."""
        env = self._environment
        try:
            return AwsKeys(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", ""))
        except KeyError as error:
            raise AwsError("NoCredentials", f"{error.args[0]} is not set", {}) from error


class ContainerCredentials:
    """Keys from the container credentials endpoint, as under SnapStart and on ECS.

    Source: AWS SDKs and Tools Reference Guide, "Container credential provider". The environment is read anew at each
    refresh: a restored snapshot has other values than the one that was taken.
    """

    def __init__(self, environment: Mapping[str, str], *, send: Send, clock: Clock) -> None:
        self._environment = environment
        self._send = send
        self._clock = clock
        self._keys: AwsKeys | None = None
        self._expires_at = 0
        self._ask_again_at = 0
        self._refreshing = asyncio.Lock()

    async def current(self) -> AwsKeys:
        """See Credentials.current."""
        if self._keys is not None and self._clock() < self._ask_again_at:
            return self._keys
        async with self._refreshing:
            if self._keys is not None and self._clock() < self._ask_again_at:
                return self._keys
            return await self._refreshed()

    async def _refreshed(self) -> AwsKeys:
        try:
            answer = await self._fetch()
            keys = AwsKeys(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("Token", ""))
            self._expires_at = int(datetime.fromisoformat(answer["Expiration"]).timestamp())
        except (OSError, ValueError, KeyError, TypeError) as error:
            if self._keys is None or self._clock() >= self._expires_at:
                raise AwsError("NoCredentials", "the container credentials endpoint did not answer", {}) from error
            self._ask_again_at = self._clock() + RETRY_S
            return self._keys
        self._keys, self._ask_again_at = keys, self._expires_at - EARLY_S
        return keys

    async def _fetch(self) -> dict[str, Any]:
        env = self._environment
        url = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not url:
            url = f"http://169.254.170.2{env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']}"
        token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        async with asyncio.timeout(TIMEOUT_S):
            status, body = await self._send("GET", url, {"authorization": token} if token else {}, b"")
        if status != 200:
            raise ValueError(f"status {status}")
        return dict(json.loads(body))


def credentials_from(environment: Mapping[str, str], *, send: Send, clock: Clock) -> Credentials:
    """The way to keys that `environment` offers; container credentials win, as they are the ones that get renewed."""
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environment):
        return ContainerCredentials(environment, send=send, clock=clock)
    return EnvironmentCredentials(environment)
