"""The streaming runtime loop: an ASGI app behind Lambda's Runtime API. Standard library only.

Lambda's own Python runtime sends an answer only when it is complete. This loop, started in its place by `bootstrap`,
sends each chunk when the app does, and lets the app go on working after its answer has ended.
"""

import asyncio
import contextlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.http_events import Event, Scope, is_http, read_body, read_scope
from handlers.runtime_api import ERROR_TYPE, RuntimeApi, Streamed, Whole, refuse

Message = Mapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Exchange:
    """One request and its response: the app's `receive` and `send`."""

    def __init__(self, body: bytes, response: Streamed | Whole) -> None:
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._response = response
        self._headed = self._begun = False
        self._over = asyncio.Event()
        self._sending = asyncio.Lock()
        self.gone = False
        """True once the response could not be delivered."""

    async def receive(self) -> Message:
        """The request; then, once the response has ended or nobody reads it any more, `http.disconnect`."""
        request, self._request = self._request, None
        if request is None:
            await self._over.wait()
        return request or {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Raises `OSError` when nobody reads the response any more (ASGI HTTP 2.4, "Disconnected Client")."""
        async with self._sending:  # An app may send its pings from another task.
            if self._over.is_set():
                raise ConnectionResetError("the response is over")
            if message["type"] == "http.response.start":
                self._response.begin(message["status"], list(message.get("headers", ())))
                self._headed = True
            elif self._headed:
                await self._send_body(message.get("body", b""), message.get("more_body", False))
            else:
                raise RuntimeError("a body without a head")

    async def _send_body(self, chunk: bytes, more: bool) -> None:
        self._begun = True
        try:
            await self._response.write(chunk)
            if not more:
                self._over.set()
                await self._response.end()
        except OSError as error:
            self.gone = True
            self._over.set()
            # Whatever broke the line, to the app it is one thing: the reader has left.
            raise ConnectionResetError(str(error)) from error

    async def close(self, error_type: str) -> None:
        """End what the app, which has returned or raised, left unfinished."""
        if not self._over.is_set():
            self._over.set()
            await (self._response.fail(error_type) if self._begun else refuse(self._response, 500, "internal_error"))


@dataclass(frozen=True, slots=True)
class Loop:
    """Answers one event after the other, on an asyncio event loop that lasts as long as the process."""

    api: RuntimeApi
    app: App
    respond: type[Streamed] | type[Whole]

    async def turn(self) -> None:
        """Take one event and answer it. Returns when the app has, which may be after its answer has left."""
        headers, content = await self.api.get("invocation/next")
        request_id = headers["lambda-runtime-aws-request-id"]
        path, event = f"invocation/{request_id}/response", json.loads(content)
        invocation = {"request_id": request_id, "deadline_ms": int(headers["lambda-runtime-deadline-ms"])}
        try:
            if is_http(event):
                await self._answer(event, invocation, self.respond(self.api, path, event))
            else:
                await self.api.post(path, {})
        except OSError as error:
            _log("response_not_taken", request_id, error)

    async def _answer(self, event: Event, invocation: Mapping[str, Any], response: Streamed | Whole) -> None:
        try:
            exchange, scope = Exchange(read_body(event), response), read_scope(event, invocation)
        except (ValueError, TypeError, AttributeError):
            await refuse(response, 400, "bad_request")
            return
        # A task of its own, so that the app's context variables and even its cancellation end with it.
        task = asyncio.ensure_future(self.app(scope, exchange.receive, exchange.send))
        await asyncio.wait([task])
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error and not (exchange.gone and isinstance(error, ConnectionResetError | BrokenPipeError)):
            _log("app_failed", invocation["request_id"], error)
        await exchange.close(type(error).__name__ if error else "Incomplete")


def _log(event: str, request_id: str, error: BaseException) -> None:
    """One JSON line. The error's text stays out of it: it may quote what the request held."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    line = {"level": "ERROR", "event": event, "request_id": request_id, "error": type(error).__name__, "where": where}
    sys.stdout.write(json.dumps(line) + "\n")


@contextlib.asynccontextmanager
async def _reported(api: RuntimeApi, path: str) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        kind = f"Runtime.{type(error).__name__}"
        about = {"errorType": kind, "errorMessage": str(error), "stackTrace": traceback.format_exception(error)}
        await api.post(path, about, {ERROR_TYPE: kind})
        raise


async def run(env: Mapping[str, str]) -> None:
    """Load the app that `_HANDLER` names and answer events until the process is ended.

    An app may have `after_restore`, a coroutine function awaited when a SnapStart snapshot has come to life: its
    connections are dead by then, and its random numbers are those of every other copy.
    """
    api = RuntimeApi(env["AWS_LAMBDA_RUNTIME_API"])
    module, _, name = env["_HANDLER"].rpartition(".")
    async with _reported(api, "init/error"):
        app = getattr(importlib.import_module(module), name)
    if env.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        await api.get("restore/next")
        async with _reported(api, "restore/error"):
            if hook := getattr(app, "after_restore", None):
                await hook()
    buffered = env.get("AWS_SAM_LOCAL") == "true" or env.get("GATEHOUSE_BUFFERED") == "1"
    loop = Loop(api, app, Whole if buffered else Streamed)
    while True:
        await loop.turn()


if __name__ == "__main__":
    asyncio.run(run(os.environ))
