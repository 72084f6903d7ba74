"""Small ASGI apps that the runtime tests put behind the loop. They run in the runtime's process."""

import asyncio
import json
import os
from typing import Any

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


async def pass_gate(name: str) -> None:
    """Wait until the test opens the gate."""
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /gate/{name} HTTP/1.1\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def whole(send: Any, content: Any, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def part(send: Any, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Everything that the loop told the app."""
    request = await receive()
    seen = {name: scope[name] for name in ("method", "path", "scheme", "client", "server", "extensions")}
    seen |= {
        "raw_path": scope["raw_path"].decode(),
        "query_string": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": request["body"].decode(),
        "process": os.getpid(),
        "loop": id(asyncio.get_running_loop()),
    }
    cookies = [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"Vary", b"Origin"), (b"Vary", b"Accept")]
    await whole(send, seen, headers=cookies)


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send(HEAD)
    await part(send, b"one")
    await pass_gate("two")
    await part(send, b"")
    await part(send, b"two")
    await pass_gate("three")
    await send({"type": "http.response.body", "body": b"three"})


async def together(scope: Any, receive: Any, send: Any) -> None:
    """Two tasks that send before anything has left."""
    await send(HEAD)
    await asyncio.gather(part(send, b"ping"), part(send, b"pong"))
    await send({"type": "http.response.body"})


async def broken(scope: Any, receive: Any, send: Any) -> None:
    """Fails as its path says."""
    if scope["path"] == "/fine":
        await whole(send, "fine")
        return
    if scope["path"] == "/cancelled":
        raise asyncio.CancelledError
    if scope["path"] != "/at-once":
        await send(HEAD)
    if scope["path"] == "/mid-stream":
        await part(send, b"one")
    if scope["path"] == "/unfinished":
        await part(send, b"one")
        return
    raise ValueError("secret-in-the-message")


async def works_on(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/second":
        await whole(send, "second")
        return
    await receive()
    await whole(send, "first")
    assert (await receive())["type"] == "http.disconnect"
    await pass_gate("work")


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Streams until nobody reads; then says at a gate what it saw."""
    if scope["path"] == "/fine":
        await whole(send, "fine")
        return
    await receive()
    left = asyncio.ensure_future(receive())
    await send(HEAD)
    try:
        while True:
            await part(send, b"." * 1000)
            await asyncio.sleep(0)
    except OSError:
        await pass_gate(f"told-{(await left)['type']}")
        raise


class Restored:
    """An app that must reopen something when a snapshot comes to life."""

    def __init__(self) -> None:
        self.times = 0

    async def after_restore(self) -> None:
        self.times += 1
        if os.environ.get("RESTORE") == "fails":
            raise ConnectionError("no way back")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await whole(send, self.times)


restored = Restored()
