"""The table behind the tools of the legacy server, and those that ask nothing."""
# mypy: ignore-errors
# The module runs with the MCP SDK 1.x; the type checker sees 2.x.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp import types
from mcp.server.session import ServerSession
from pydantic import AnyUrl

from tests.conformance import catalogue
from tests.conformance.catalogue import STEP_S, Wire
from tests.conformance.legacy.sessions import Context

Arguments = Mapping[str, Any]
Run = Callable[[Context, Arguments], Awaitable[types.CallToolResult]]

LISTED = [
    types.Tool(name=name, description=tool.description, inputSchema=dict(tool.schema))
    for name, tool in catalogue.TOOLS.items()
]


class Tools(dict[str, Run]):
    """What runs under the names of the catalogue."""

    def add(self, name: str) -> Callable[[Run], Run]:
        """Register the decorated function under `name`."""

        def register(run: Run) -> Run:
            self[name] = run
            return run

        return register


PLAIN = Tools()


def text(words: str) -> types.CallToolResult:
    """A result of one text block."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=words)])


def always(answer: Wire) -> Run:
    """A tool with one answer."""

    async def run(_ctx: Context, _arguments: Arguments) -> types.CallToolResult:
        return types.CallToolResult.model_validate(answer)

    return run


for fixed, answer in catalogue.ANSWERS.items():
    PLAIN[fixed] = always(answer)


async def log(ctx: Context, words: str) -> None:
    """Send a log message on the stream of the call, if the session wants it."""
    if ctx.lifespan_context.wants(ctx.session, "info"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)


async def report(ctx: Context, done: float, total: float) -> None:
    """Report progress on the stream of the call, if the caller asked for it."""
    if ctx.meta is not None and ctx.meta.progressToken is not None:
        await ctx.session.send_progress_notification(
            ctx.meta.progressToken, done, total, f"{done} of {total}", related_request_id=str(ctx.request_id)
        )


@PLAIN.add("test_tool_with_progress")
async def progress(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    for done in catalogue.PROGRESS:
        await report(ctx, done, 100)
        await anyio.sleep(STEP_S)
    return text("All three steps reported.")


@PLAIN.add("test_tool_with_logging")
async def logging(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    for line in catalogue.LOG_LINES:
        await log(ctx, line)
        await anyio.sleep(STEP_S)
    return text("Three lines logged.")


@PLAIN.add("test_logging_tool")
async def quiet(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await log(ctx, "For every caller that did not set a higher level")
    return text("Done.")


@PLAIN.add("test_reconnection")
async def reconnection(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await log(ctx, "before the stream closes")
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(4 * STEP_S)
    await log(ctx, "while nobody listens")
    return text("The call outlived its stream.")


@PLAIN.add("test_x_mcp_header")
async def mirrored(_ctx: Context, arguments: Arguments) -> types.CallToolResult:
    return text(f"region={arguments.get('region', 'nowhere')}")


@PLAIN.add("test_trigger_tool_change")
async def tool_change(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await ctx.lifespan_context.tell(ServerSession.send_tool_list_changed)
    return text("Announced.")


@PLAIN.add("test_trigger_prompt_change")
async def prompt_change(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await ctx.lifespan_context.tell(ServerSession.send_prompt_list_changed)
    return text("Announced.")


@PLAIN.add("test_trigger_resource_update")
async def resource_update(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    async def send(session: ServerSession) -> None:
        await session.send_resource_updated(AnyUrl(catalogue.WATCHED))

    await ctx.lifespan_context.tell(send, watching=catalogue.WATCHED)
    return text("Announced.")
