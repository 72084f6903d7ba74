"""Lambda's Runtime API as a client, and the two ways a response reaches it. Standard library only.

Protocol: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes" and, for streaming,
"Building a custom runtime".
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from handlers.http_events import Event, RawHeaders, prelude, whole_answer

ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"
STREAMING: Final = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Transfer-Encoding": "chunked",
    "Trailer": f"{ERROR_TYPE}, {ERROR_BODY}",
}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class RuntimeApi:
    """The Runtime API at `address` (host:port). One connection per request: a kept one may not outlive a freeze."""

    address: str

    async def get(self, path: str) -> tuple[dict[str, str], bytes]:
        """Headers, names in lower case, and body. Raises `OSError` for an answer other than 2xx, like `post`."""
        return await read_answer(await self.send_head("GET", path, {}))

    async def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send `content` as JSON."""
        body = json.dumps(content).encode()
        about = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        streams = await self.send_head("POST", path, about)
        streams[1].write(body)
        await read_answer(streams)

    async def send_head(self, method: str, path: str, headers: Mapping[str, str]) -> Streams:
        """Connect, and begin a request whose body, if any, the caller writes."""
        host, port = self.address.rsplit(":", 1)
        streams = await asyncio.open_connection(host, int(port))
        lines = {"Host": self.address, "Connection": "close", **headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        streams[1].write(f"{method} /2018-06-01/runtime/{path} HTTP/1.1\r\n{text}\r\n".encode("latin-1"))
        return streams


class Streamed:
    """A response that leaves chunk by chunk. Its methods raise `OSError` when nobody takes it any more."""

    def __init__(self, api: RuntimeApi, path: str, _event: Event) -> None:
        self._api, self._path = api, path
        self._unsent = b""
        self._streams: Streams | None = None

    def begin(self, status: int, headers: RawHeaders) -> None:
        """Set the head. It leaves with the first of the body: an app that fails before that is still a 500."""
        self._unsent = prelude(status, headers)

    async def write(self, chunk: bytes) -> None:
        """Send `chunk` at once."""
        reader, writer = self._streams = self._streams or await self._api.send_head("POST", self._path, STREAMING)
        if reader.at_eof():
            writer.close()
            raise ConnectionResetError("nobody reads this response any more")
        chunk, self._unsent = self._unsent + chunk, b""
        if chunk:  # An empty chunk would end the body (RFC 9112 section 7.1).
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()

    async def end(self, trailers: bytes = b"") -> None:
        """Complete the body."""
        await self.write(b"")
        if self._streams:
            self._streams[1].write(b"0\r\n%b\r\n" % trailers)
            await read_answer(self._streams)

    async def fail(self, error_type: str) -> None:
        """End the body and say in trailers that it is not complete. What happened stays in the log."""
        about = json.dumps({"errorType": error_type, "errorMessage": "The response ended early."}).encode()
        trailers = f"{ERROR_TYPE}: {error_type}\r\n{ERROR_BODY}: {base64.b64encode(about).decode()}\r\n"
        await self.end(trailers.encode())


class Whole:
    """A response that leaves when it is complete: for `sam local` and emulators, which cannot stream."""

    def __init__(self, api: RuntimeApi, path: str, event: Event) -> None:
        self._api, self._path, self._event = api, path, event
        self._body = b""

    def begin(self, status: int, headers: RawHeaders) -> None:
        """Set the head."""
        self._head = status, headers

    async def write(self, chunk: bytes) -> None:
        """Keep `chunk` for the end."""
        self._body += chunk

    async def end(self) -> None:
        """Send everything."""
        await self._api.post(self._path, whole_answer(self._event, *self._head, self._body))

    async def fail(self, _error_type: str) -> None:
        """Send a 500 in place of what there was so far."""
        self._body = b""
        await refuse(self, 500, "internal_error")


async def refuse(response: Streamed | Whole, status: int, error: str) -> None:
    """Answer in the app's place."""
    response.begin(status, [(b"content-type", b"application/json")])
    await response.write(json.dumps({"error": error}).encode())
    await response.end()


async def read_answer(streams: Streams) -> tuple[dict[str, str], bytes]:
    """What the Runtime API says to a request that has been written, and the end of its connection."""
    reader, writer = streams
    try:
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
    except EOFError as error:
        raise ConnectionResetError("the Runtime API closed the connection") from error
    finally:
        writer.close()
    if not status.startswith("HTTP/1.1 2"):
        raise ConnectionRefusedError(f"the Runtime API answered {status}")
    return headers, body


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    return body
