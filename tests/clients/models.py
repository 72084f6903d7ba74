"""A model for agents that need one, without a mind: it has one tool called, and then repeats what came of it.

Speaks as much of Anthropic's Messages and OpenAI's Responses as Claude Code and Codex ask for, both as streams.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = tuple[str, Mapping[str, Any]]


@dataclass
class Model:
    """One that runs at `url` and wants `tool` of the MCP server `server`."""

    server: str
    tool: str
    given: Mapping[str, Any] = field(default_factory=dict)
    """The arguments that it gives."""
    url: str = ""

    def message(self, asked: Mapping[str, Any]) -> list[Event]:
        """The answer in the form of Anthropic's Messages."""
        result = tool_result(asked["messages"])
        if result is not None or not any(self._named(tool) for tool in asked.get("tools", [])):
            block, more = {"type": "text", "text": ""}, {"type": "text_delta", "text": f"It said: {result}"}
        else:
            block = {"type": "tool_use", "id": "toolu_1", "name": f"mcp__{self.server}__{self.tool}", "input": {}}
            more = {"type": "input_json_delta", "partial_json": json.dumps(self.given)}
        usage = {"input_tokens": 1, "output_tokens": 1}
        why = "tool_use" if block["type"] == "tool_use" else "end_turn"
        start = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "content": []}
        return [
            ("message_start", {"message": {**start, "stop_reason": None, "stop_sequence": None, "usage": usage}}),
            ("content_block_start", {"index": 0, "content_block": block}),
            ("content_block_delta", {"index": 0, "delta": more}),
            ("content_block_stop", {"index": 0}),
            ("message_delta", {"delta": {"stop_reason": why, "stop_sequence": None}, "usage": usage}),
            ("message_stop", {}),
        ]

    def response(self, asked: Mapping[str, Any]) -> list[Event]:
        """The answer in the form of OpenAI's Responses."""
        outputs = [item["output"] for item in asked["input"] if item["type"] == "function_call_output"]
        item: dict[str, Any]
        if outputs:
            said = {"type": "output_text", "text": f"It said: {json.dumps(outputs[-1])}", "annotations": []}
            item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [said]}
        else:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "arguments": json.dumps(self.given)}
            item |= {"namespace": f"mcp__{self.server}", "name": self.tool}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        return [
            ("response.created", {"response": {"id": "resp_1"}}),
            ("response.output_item.done", {"output_index": 0, "item": item}),
            ("response.completed", {"response": {"id": "resp_1", "usage": usage}}),
        ]

    def _named(self, tool: Mapping[str, Any]) -> bool:
        return str(tool.get("name", "")).startswith("mcp__") or tool.get("name") == "ToolSearch"


def tool_result(messages: list[dict[str, Any]]) -> str | None:
    """What the tool answered, if it was called; agents may have said more since."""
    said = [message["content"] for message in messages if isinstance(message["content"], list)]
    results = [block for content in said for block in content if block.get("type") == "tool_result"]
    return json.dumps(results[-1]["content"]) if results else None


@contextlib.contextmanager
def model(server: str, tool: str, **given: Any) -> Iterator[Model]:
    """Run one on a free port; `given` are the tool's arguments."""
    made = Model(server, tool, given)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answers = {"/v1/messages": made.message, "/v1/responses": made.response}
            answer = answers.get(self.path.partition("?")[0])
            self.send_response(404 if answer is None else 200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for name, event in answer(asked) if answer else []:
                self.wfile.write(f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as running:
        made.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield made
        running.shutdown()
