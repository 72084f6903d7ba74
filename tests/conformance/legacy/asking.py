"""The tools of the legacy server that need something from the client: each asks in mid-call, on the stream of the call,
and waits (2025-11-25 transports, "Sending Messages to the Server", item 6)."""
# mypy: ignore-errors
# The module runs with the MCP SDK 1.x; the type checker sees 2.x.

from __future__ import annotations

import json
from typing import Any

import anyio
from mcp import types
from mcp.shared.message import ServerMessageMetadata

from tests.conformance import questions
from tests.conformance.catalogue import Wire
from tests.conformance.legacy.sessions import Context
from tests.conformance.legacy.tools import Arguments, Tools, report, text

ASKING = Tools()

RESULTS = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


async def ask(ctx: Context, request: Wire) -> Any:
    """What the client answers to `request`.

    Raises:
        McpError: It answered with an error.
    """
    return await ctx.session.send_request(
        types.ServerRequest.model_validate(request),
        RESULTS[request["method"]],
        # `session.list_roots()` would send it on the standalone stream instead.
        metadata=ServerMessageMetadata(related_request_id=ctx.request_id),
    )


async def ask_all(ctx: Context, requests: list[Wire]) -> None:
    """Ask everything at once and wait for all of it."""
    async with anyio.create_task_group() as group:
        for request in requests:
            group.start_soon(ask, ctx, request)


@ASKING.add("test_missing_capability")
async def demanding(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    # It asks without looking at what the client declared, as `create_message` of this SDK does.
    await ask(ctx, questions.HELLO)
    return text("The client can sample.")


def said(message: types.CreateMessageResult) -> str:
    """What the client's model wrote."""
    return message.content.text if isinstance(message.content, types.TextContent) else "(no text)"


@ASKING.add("test_sampling")
async def ask_model(ctx: Context, arguments: Arguments) -> types.CallToolResult:
    return text(f"LLM response: {said(await ask(ctx, questions.sample(arguments['prompt'])))}")


async def fill_in(ctx: Context, asked: Wire) -> types.CallToolResult:
    """Ask and repeat what was answered."""
    answer = await ask(ctx, asked)
    return text(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


@ASKING.add("test_elicitation")
async def ask_person(ctx: Context, arguments: Arguments) -> types.CallToolResult:
    return await fill_in(ctx, questions.identity(arguments["message"]))


@ASKING.add("test_elicitation_sep1034_defaults")
async def defaults(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    return await fill_in(ctx, questions.DEFAULTS)


@ASKING.add("test_elicitation_sep1330_enums")
async def choices(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    return await fill_in(ctx, questions.CHOICES)


async def filled(ctx: Context, asked: Wire, field: str) -> Any:
    """What the person wrote into `field`; "(no answer)" when they declined."""
    answer = await ask(ctx, asked)
    return (answer.content or {}).get(field, "(no answer)")


@ASKING.add("test_input_required_result_elicitation")
async def elicitation(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    return text(f"Hello, {await filled(ctx, questions.NAME, 'name')}!")


@ASKING.add("test_streaming_elicitation")
async def streaming(ctx: Context, arguments: Arguments) -> types.CallToolResult:
    await report(ctx, 1, 2)
    return await elicitation(ctx, arguments)


@ASKING.add("test_input_required_result_sampling")
async def sampling(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    return text(f"The model says: {said(await ask(ctx, questions.CAPITAL))}")


@ASKING.add("test_input_required_result_list_roots")
async def roots(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    answer = await ask(ctx, questions.ROOTS)
    return text("Roots: " + ", ".join(str(root.uri) for root in answer.roots))


@ASKING.add("test_input_required_result_multiple_inputs")
async def several(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await ask_all(ctx, [questions.NAME, questions.GREETING, questions.ROOTS])
    return text("All three arrived.")


@ASKING.add("test_input_required_result_capabilities")
async def fitting(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    declared = ctx.session.client_params.capabilities
    asked = {"sampling": questions.HELLO, "elicitation": questions.NAME}
    await ask_all(ctx, [request for name, request in asked.items() if getattr(declared, name) is not None])
    return text("Everything arrived that the client can do.")


@ASKING.add("test_input_required_result_request_state")
async def state(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await ask(ctx, questions.CONFIRMATION)
    return text("state-ok")


@ASKING.add("test_input_required_result_tampered_state")
async def tampered(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    await ask(ctx, questions.CONFIRMATION)
    return text("The state is untouched.")


@ASKING.add("test_input_required_result_multi_round")
async def rounds(ctx: Context, _arguments: Arguments) -> types.CallToolResult:
    name = await filled(ctx, questions.STEP_1, "name")
    return text(f"{name} likes {await filled(ctx, questions.STEP_2, 'color')}.")
