"""One visit with the MCP SDK 2.x for Python: MCP_URL, MCP_KEY, MCP_MODE in, one JSON object out."""

import asyncio
import json
import os
import time
import traceback

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

ASKING = {"legacy": ("test_elicitation", {"message": "Who are you?"})}
ASKING_MODERN = ("test_input_required_result_elicitation", {})


async def visit(client: Client, asked: list[str]) -> dict[str, object]:
    started = time.monotonic()
    progress: list[list[float]] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        progress.append([done, time.monotonic() - started])

    listed = await client.list_tools()
    called = await client.call_tool("test_simple_text")
    started = time.monotonic()
    await client.call_tool("test_tool_with_progress", progress_callback=on_progress)
    finished = time.monotonic() - started
    read = await client.read_resource("test://static-text")
    prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
    modern = client.protocol_version >= "2026"
    tool, arguments = ASKING_MODERN if modern else ASKING["legacy"]
    answered = await client.call_tool(tool, arguments)
    return {
        "protocol": client.protocol_version,
        "tools": [tool.name for tool in listed.tools],
        "text": called.content[0].text,
        "progress": progress,
        "finished": finished,
        "resource": read.contents[0].text,
        "prompt": prompt.messages[0].content.text,
        "asked": asked,
        "answered": answered.content[0].text,
    }


async def main() -> dict[str, object]:
    asked: list[str] = []

    async def fill_in(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(
            action="accept", content={"username": "ana", "email": "ana@example.com", "name": "Ana"}
        )

    headers = {"Authorization": f"Bearer {os.environ['MCP_KEY']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, mode=os.environ["MCP_MODE"], elicitation_callback=fill_in) as client:
            return await visit(client, asked)


try:
    print(json.dumps(asyncio.run(main())))
except BaseException:  # noqa: BLE001 - whatever a user of the SDK would see
    print(json.dumps({"error": traceback.format_exc()}))
