"""One visit with the MCP SDK 1.x for Python, in its own environment: MCP_URL, MCP_KEY in, one JSON object out."""

import asyncio
import json
import os
import time
import traceback

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client


async def visit(session: ClientSession, protocol: str, asked: list[str]) -> dict[str, object]:
    started = time.monotonic()
    progress: list[list[float]] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        progress.append([done, time.monotonic() - started])

    listed = await session.list_tools()
    called = await session.call_tool("test_simple_text", {})
    started = time.monotonic()
    await session.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
    finished = time.monotonic() - started
    read = await session.read_resource("test://static-text")
    prompt = await session.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
    answered = await session.call_tool("test_elicitation", {"message": "Who are you?"})
    return {
        "protocol": protocol,
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
        return types.ElicitResult(action="accept", content={"username": "ana", "email": "ana@example.com"})

    headers = {"Authorization": f"Bearer {os.environ['MCP_KEY']}"}
    async with (
        streamablehttp_client(os.environ["MCP_URL"], headers=headers) as (reading, writing, _session_id),
        ClientSession(reading, writing, elicitation_callback=fill_in) as session,
    ):
        hello = await session.initialize()
        return await visit(session, hello.protocolVersion, asked)


try:
    print(json.dumps(asyncio.run(main())))
except BaseException:  # noqa: BLE001 - whatever a user of the SDK would see
    print(json.dumps({"error": traceback.format_exc()}))
