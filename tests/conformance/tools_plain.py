"""Tools that answer from what they were given: content kinds, progress, logs, errors, schemas, list changes."""

from __future__ import annotations

import asyncio

import mcp_types as types
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError

from tests.conformance.catalogue import ANSWERS, LOG_LINES, PROGRESS, STEP_S, WATCHED, Wire
from tests.conformance.toolbox import Context, Outcome, Run, Toolbox, text

TOOLS = Toolbox()


async def log(ctx: Context, words: str) -> None:
    """Send a log message on the stream of the call itself."""
    await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)


def always(answer: Wire) -> Run:
    """A tool with one answer."""
    result = types.CallToolResult.model_validate(answer)

    async def run(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
        return result

    return run


for name, answer in ANSWERS.items():
    TOOLS.add(name)(always(answer))


@TOOLS.add("test_tool_with_progress")
async def progress(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    for done in PROGRESS:
        await ctx.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(STEP_S)
    return text("All three steps reported.")


@TOOLS.add("test_tool_with_logging")
async def logging(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    for line in LOG_LINES:
        await log(ctx, line)
        await asyncio.sleep(STEP_S)
    return text("Three lines logged.")


@TOOLS.add("test_logging_tool")
async def quiet(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    await log(ctx, "Only for callers that set a log level")
    return text("Done.")


@TOOLS.add("test_reconnection")
async def reconnection(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    await log(ctx, "before the stream closes")
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(4 * STEP_S)
    await log(ctx, "while nobody listens")
    return text("The call outlived its stream.")


@TOOLS.add("test_x_mcp_header")
async def mirrored(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    return text(f"region={(params.arguments or {}).get('region', 'nowhere')}")


@TOOLS.add("test_missing_capability")
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
    """Tools that announce changes to whoever listens on `bus`."""

    def announcing(event: ServerEvent) -> Run:
        async def run(_ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
            await bus.publish(event)
            return text("Announced.")

        return run

    return Toolbox(
        {
            "test_trigger_tool_change": announcing(ToolsListChanged()),
            "test_trigger_prompt_change": announcing(PromptsListChanged()),
            "test_trigger_resource_update": announcing(ResourceUpdated(uri=WATCHED)),
        }
    )
