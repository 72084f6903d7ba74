"""Tools that answer from what they were given: content kinds, progress, logs, errors, schemas, list changes.

Names and texts are the ones that the official suite's scenarios ask for.
"""

from __future__ import annotations

import asyncio

import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

from tests.conformance.toolbox import Context, Outcome, Toolbox, text

TOOLS = Toolbox()

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64."""

SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
"""A WAV file without a sample, in base64."""

STEP_S = 0.05
"""Pause between two notifications, so that a proxy that collects them is seen to."""

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

REGION = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "description": "Sent in a header too.", "x-mcp-header": "Region"},
    },
}


async def log(ctx: Context, words: str) -> None:
    """Send a log message on the stream of the call itself."""
    await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)


def embedded(uri: str, words: str, *, mime_type: str = "text/plain") -> types.EmbeddedResource:
    """A text resource inside a content list."""
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=words))


@TOOLS.add("test_simple_text", "Answers with one text.")
async def simple_text(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return text("This is a simple text response for testing.")


@TOOLS.add("test_image_content", "Answers with a picture.")
async def image(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return types.CallToolResult(content=[types.ImageContent(data=PIXEL, mime_type="image/png")])


@TOOLS.add("test_audio_content", "Answers with a sound.")
async def audio(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return types.CallToolResult(content=[types.AudioContent(data=SILENCE, mime_type="audio/wav")])


@TOOLS.add("test_embedded_resource", "Answers with a resource.")
async def resource(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return types.CallToolResult(content=[embedded("test://embedded-resource", "This is an embedded resource content.")])


@TOOLS.add("test_multiple_content_types", "Answers with a text, a picture and a resource.")
async def mixed(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    document = embedded("test://mixed-content-resource", '{"test":"data","value":123}', mime_type="application/json")
    return types.CallToolResult(
        content=[
            types.TextContent(text="Multiple content types test:"),
            types.ImageContent(data=PIXEL, mime_type="image/png"),
            document,
        ]
    )


@TOOLS.add("test_error_handling", "Always fails.")
async def failing(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    words = types.TextContent(text="This tool intentionally returns an error for testing")
    return types.CallToolResult(content=[words], is_error=True)


@TOOLS.add("test_tool_with_progress", "Reports 0, 50 and 100 of 100.")
async def progress(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(STEP_S)
    return text("All three steps reported.")


@TOOLS.add("test_tool_with_logging", "Logs three lines.")
async def logging(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(ctx, line)
        await asyncio.sleep(STEP_S)
    return text("Three lines logged.")


@TOOLS.add("test_logging_tool", "Logs a line if the caller asked for logs.")
async def quiet(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    await log(ctx, "Only for callers that set a log level")
    return text("Done.")


@TOOLS.add("test_reconnection", "Closes its stream; the answer waits for the client to come back.")
async def reconnection(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    await log(ctx, "before the stream closes")
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(4 * STEP_S)
    await log(ctx, "while nobody listens")
    return text("The call outlived its stream.")


@TOOLS.add("json_schema_2020_12_tool", "Its schema uses the words of JSON Schema 2020-12.", SCHEMA_2020_12)
async def schema(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return text("Valid.")


@TOOLS.add("test_x_mcp_header", "Its argument travels in a header too.", REGION)
async def mirrored(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    return text(f"region={(params.arguments or {}).get('region', 'nowhere')}")


@TOOLS.add("test_missing_capability", "Serves only callers that can sample.")
async def demanding(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool needs a client that can sample.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return text("The client can sample.")


def changing(bus: InMemorySubscriptionBus) -> Toolbox:
    """Tools that announce changed lists to whoever listens on `bus`."""
    box = Toolbox()

    @box.add("test_trigger_tool_change", "Announces a changed list of tools.")
    async def tools(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
        await bus.publish(ToolsListChanged())
        return text("Announced.")

    @box.add("test_trigger_prompt_change", "Announces a changed list of prompts.")
    async def prompts(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
        await bus.publish(PromptsListChanged())
        return text("Announced.")

    return box
