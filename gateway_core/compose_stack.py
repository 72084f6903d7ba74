"""Applications on AWS whose settings may have to be asked of the stack first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway_core.access.api_keys import PREFIX
from gateway_core.access.credentials import shown
from gateway_core.aws.stack_settings import read_parameter
from gateway_core.compose_lean import aws_world, data_plane, json_api, policy, unix_time
from gateway_core.errors import GatewayError, Invalid, StoreUnavailable
from gateway_core.headers import read_headers
from gateway_core.ports import Clock
from gateway_core.settings import Settings, platform_environment, read_settings
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

FRESH_S: Final = 300
"""How long settings are used before they are read again. A stack writes them after it has changed its functions, so
what a container read in between is replaced."""
RETRY_S: Final = 2
"""Least time between two tries: a store that does not answer is not asked by every request."""
TOGETHER: Final = (frozenset({"OIDC_ISSUER", "OIDC_CLIENT_ID"}),)
"""Settings that say something only with each other: never one from here and the other from there."""
UNSETTLED: Final = b'{"error":"temporarily_unavailable","error_description":"The gateway is starting. Try again."}'


def nobody(_scope: Scope) -> bool:
    """No request can be answered without the settings."""
    return False


class Settling:
    """ASGI. Becomes the application once its settings have been read, and another one when they have changed.

    They are read beside a request, not when the module is imported: nobody can wait there, and a function that cannot
    start tells a client nothing. Requests wait for the first reading alone, and of those not the ones that can do
    without. While settings cannot be read, those that were are used.

    Args:
        read: Reads the settings. Raises `StoreUnavailable` or `Invalid`.
        make: The application with these settings.
        meanwhile: Answers while there are none.
        clock: Decides when they are read again.
        unbothered: Tells the requests that `meanwhile` answers as well as any other, and at once.
    """

    def __init__(
        self, read: Callable[[], Awaitable[Settings]], make: Callable[[Settings], AsgiApp],
        meanwhile: AsgiApp, clock: Clock, unbothered: Callable[[Scope], bool] = nobody,
    ) -> None:  # fmt: skip
        self._read, self._make, self._meanwhile, self._clock = read, make, meanwhile, clock
        self._unbothered = unbothered
        self._settings: Settings | None = None
        self._made: AsgiApp | None = None
        self._due_at = 0
        self._reading: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (self._reading is None or self._reading.done()) and self._clock() >= self._due_at:
            self._reading = asyncio.create_task(self._try())
        if self._made is None and self._reading and not self._unbothered(scope):
            # A client that leaves ends its own waiting, and not the reading.
            await asyncio.shield(self._reading)
        await (self._made or self._meanwhile)(scope, receive, send)

    async def settings(self) -> Settings | None:
        """The settings that were read, after the first reading; None where they could not be."""
        if self._settings is None and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._settings

    async def _try(self) -> None:
        good_for_s = RETRY_S
        try:
            settings = await self._read()
            if settings != self._settings:
                self._made, self._settings = self._make(settings), settings
            good_for_s = FRESH_S
        except (StoreUnavailable, Invalid) as problem:
            logger.exception("stack_settings_unread", extra={"fields": {"problem": problem.message}})
        finally:
            self._due_at = self._clock() + good_for_s


def settled(settings: Settings, make: Callable[[Settings], AsgiApp]) -> AsgiApp:
    """`make(settings)`, at once where they are complete. Until they are, 503."""
    if not settings.settings_parameter:
        return make(settings)
    return Settling(_reading(settings), make, refuse, unix_time)


def _reading(settings: Settings) -> Callable[[], Awaitable[Settings]]:
    env = platform_environment()
    api = json_api(settings, env)

    async def read() -> Settings:
        return read_settings(completed(env, await read_parameter(api, settings.settings_parameter)))

    return read


def completed(env: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    """The environment `env`, and from `later` what it does not say.

    What it says wins: CloudFormation changes functions before the parameter that follows from them, so that after a
    deployment the parameter is the older of the two for some minutes.
    """
    said = {name for name, value in env.items() if value}
    said |= {name for names in TOGETHER if names & said for name in names}
    return {**env, **{name: value for name, value in later.items() if name not in said}}


def settled_data_plane(settings: Settings) -> AsgiApp:
    """The MCP endpoints. API keys need no URL of ours; tokens, which are bound to one, wait until it is known, and so
    does what names the gateway to a server."""
    if not settings.settings_parameter:
        return data_plane(settings)
    world = aws_world(settings)

    def make(complete: Settings) -> AsgiApp:
        # The same connections and keys; another URL of ours is another place that no upstream may have.
        return data_plane(complete, replace(world, policy=policy(complete, forbidden=world.policy.forbidden)))

    async def own_url() -> str:
        found = await settling.settings()
        if found is None:
            raise StoreUnavailable("The gateway is starting. Try again in a moment.")
        return found.public_url

    meanwhile = _keys_only(data_plane(settings, world, own_url))
    settling = Settling(_reading(settings), make, meanwhile, unix_time, needs_no_url)
    return settling


def needs_no_url(scope: Scope) -> bool:
    """True for the health check, and for a request whose one credential is an API key."""
    if scope["path"] == "/healthz":
        return True
    try:
        found = shown(read_headers(scope["headers"]))
    except GatewayError:
        return False
    return found.token is not None and found.token.startswith(PREFIX) and not found.elsewhere


async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer 503: asking again in a moment is all that a client can do."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"retry-after", b"2")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": UNSETTLED})


def _keys_only(app: AsgiApp) -> AsgiApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        # Anybody else would be told to sign in, and not where: a client that holds a good token would throw it away.
        await (app if needs_no_url(scope) else refuse)(scope, receive, send)

    return answer
