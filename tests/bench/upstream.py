"""The barest MCP servers there can be: JSON answers, on a C parser. Every figure includes their cost.

`python -m tests.bench.upstream --port N [--mode …]`: legacy without sessions unless another mode is asked for. Beside
MCP it answers `GET /seen` with how many POSTs and connections it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httptools

TOOLS = [
    {
        "name": f"tool_{number:02}",
        "description": "Echoes its text. " * 4,
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    }
    for number in range(50)
]

STREAMED_S = 0.02
"""How long after its first event the streamed answer ends; far more than any proxy adds."""

MODERN = "2026-07-28"
SESSION_HEADER, SESSION = b"mcp-session-id", b"0123456789abcdef0123456789abcdef"

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "bare", "version": "1"},
}


@dataclass(slots=True)
class Seen:
    """What reached the server since it started."""

    posts: int = 0
    connections: int = 0


def event(message: dict[str, Any]) -> bytes:
    """One server-sent event as a chunk."""
    data = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def response(status: bytes, body: bytes, fields: bytes = b"") -> bytes:
    """A whole JSON response; `fields` are more header lines, each with its end."""
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
    return head % (status, fields, len(body)) + body


def error(call: dict[str, Any], code: int, message: str, **data: Any) -> bytes:
    """The body of a refusal."""
    told = {"code": code, "message": message, **({"data": data} if data else {})}
    return json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": told}).encode()


def result_of(call: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a legacy request; None for a method that is not there."""
    match call["method"]:
        case "tools/call":
            words = call["params"].get("arguments", {}).get("text", "")
            return {"content": [{"type": "text", "text": words}], "isError": False}
        case "tools/list":
            return {"tools": TOOLS}
        case "initialize":
            return HELLO
        case "ping":
            return {}
        case _:
            return None


class Connection(asyncio.Protocol):
    """One kept connection, at a legacy server without sessions."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._url, self._body = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start counting."""
        self._transport = transport
        self._seen.connections += 1

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Forget the last request."""
        self._url, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        """Collect the path."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        if self._parser.get_method() != b"POST":
            counts = {"posts": self._seen.posts, "connections": self._seen.connections}
            found = b"200 OK" if self._url == b"/seen" else b"405 Method Not Allowed"
            self._transport.write(response(found, json.dumps(counts).encode()))
        else:
            self._seen.posts += 1
            self._answer(json.loads(self._body))
        if not self._parser.should_keep_alive():
            self._transport.close()

    def refusal(self, call: dict[str, Any]) -> bytes | None:
        """The whole response to a request that is refused at the door; None for any other."""
        return None

    def result(self, call: dict[str, Any]) -> dict[str, Any] | None:
        """The result of a request; None for a method that is not there."""
        return result_of(call)

    def fields(self, call: dict[str, Any]) -> bytes:
        """More header lines of an answer."""
        return b""

    def _answer(self, call: dict[str, Any]) -> None:
        if "id" not in call:
            self._transport.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            return
        refused = self.refusal(call)
        if refused is not None:
            self._transport.write(refused)
            return
        result = self.result(call)
        if result is None:
            self._transport.write(response(b"200 OK", error(call, -32601, "Method not found")))
            return
        answer = {"jsonrpc": "2.0", "id": call["id"], "result": result}
        if call["method"] == "tools/call" and call["params"]["name"] == "stream":
            self._stream(call, answer)
        else:
            self._transport.write(response(b"200 OK", json.dumps(answer).encode(), self.fields(call)))

    def _stream(self, call: dict[str, Any], answer: dict[str, Any]) -> None:
        token = call["params"].get("_meta", {}).get("progressToken", 0)
        first = {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1},
        }
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head + event(first))
        last = event(answer) + b"0\r\n\r\n"
        asyncio.get_running_loop().call_later(STREAMED_S, self._transport.write, last)


class SessionConnection(Connection):
    """At a legacy server that knows one session. Its stream, like that of the others, is not there: 405."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(seen)
        self._session = b""

    def on_message_begin(self) -> None:
        """Forget the last request."""
        super().on_message_begin()
        self._session = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for the session."""
        if len(name) == len(SESSION_HEADER) and name.lower() == SESSION_HEADER:
            self._session = value

    def refusal(self, call: dict[str, Any]) -> bytes | None:
        """404 outside the session (2025-11-25 transports, Session Management, item 3)."""
        if call["method"] == "initialize" or self._session == SESSION:
            return None
        return response(b"404 Not Found", b"")

    def fields(self, call: dict[str, Any]) -> bytes:
        """The session, where it is opened."""
        return SESSION_HEADER + b": " + SESSION + b"\r\n" if call["method"] == "initialize" else b""


class ModernConnection(Connection):
    """At a server of 2026-07-28 alone."""

    def refusal(self, call: dict[str, Any]) -> bytes | None:
        """Legacy requests (2026-07-28 versioning, Backward Compatibility)."""
        if "_meta" in call.get("params", {}):
            return None
        told = error(call, -32022, "Unsupported protocol version", supported=[MODERN], requested="")
        return response(b"400 Bad Request", told)

    def result(self, call: dict[str, Any]) -> dict[str, Any] | None:
        """The result of a modern request."""
        match call["method"]:
            case "tools/list":
                return {"tools": TOOLS, "ttlMs": 3_600_000, "cacheScope": "public", "resultType": "complete"}
            case "server/discover":
                return {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "resultType": "complete"}
            case "tools/call":
                return {**(result_of(call) or {}), "resultType": "complete"}
            case _:
                return None


MODES: Mapping[str, type[Connection]] = {
    "bare": Connection,
    "sessions": SessionConnection,
    "modern": ModernConnection,
}


async def serve(port: int, mode: str) -> None:
    """Serve until the process is ended."""
    seen, connection = Seen(), MODES[mode]
    server = await asyncio.get_running_loop().create_server(lambda: connection(seen), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, default="bare")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.port, chosen.mode))
