"""The barest MCP server there can be: legacy, no session, JSON answers, on a C parser. Every figure includes its cost.

`python -m tests.bench.upstream --port N`. Beside MCP it answers `GET /seen` with how many POSTs and connections it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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


def response(status: bytes, body: bytes) -> bytes:
    """A whole JSON response."""
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def result_of(call: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None for a method that is not there."""
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
    """One kept connection."""

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

    def _answer(self, call: dict[str, Any]) -> None:
        if "id" not in call:
            self._transport.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            return
        result = result_of(call)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"], "result": result}
        if result is None:
            del answer["result"]
            answer["error"] = {"code": -32601, "message": "Method not found"}
        if call["method"] == "tools/call" and call["params"]["name"] == "stream":
            self._stream(call, answer)
        else:
            self._transport.write(response(b"200 OK", json.dumps(answer).encode()))

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


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(seen), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
