"""Tools that need something from the client before they can answer.

On a legacy session the old ones send a request down the open stream and wait. A modern call (2026-07-28, "Multi
Round-Trip Requests") returns `input_required`, forgets everything, and is made again with the answers.
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from tests.conformance import questions
from tests.conformance.catalogue import Wire
from tests.conformance.toolbox import Context, Outcome, Toolbox, text

TOOLS = Toolbox()


def said(message: types.CreateMessageResult) -> str:
    """What the client's model wrote."""
    return message.content.text if isinstance(message.content, types.TextContent) else "(no text)"


def required(state: str | None = None, **asked: Wire) -> types.InputRequiredResult:
    """Answer "not yet": what is asked under which name, and what to send back."""
    return types.InputRequiredResult.model_validate({"inputRequests": asked, "requestState": state})


def answered(params: types.InputResponseRequestParams, name: str) -> types.InputResponse | None:
    """What the client answered under `name`, whatever it is."""
    return (params.input_responses or {}).get(name)


def accepted(params: types.InputResponseRequestParams, name: str) -> dict[str, Any] | None:
    """The form filled in under `name`; None when it is missing or was declined."""
    answer = answered(params, name)
    return (answer.content or {}) if isinstance(answer, types.ElicitResult) and answer.action == "accept" else None


@TOOLS.add("test_sampling")
async def ask_model(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    asked = questions.sample(str((params.arguments or {}).get("prompt")))
    answer = answered(params, "model")
    if ctx.session.can_send_request:
        request = types.CreateMessageRequest.model_validate(asked)
        answer = await ctx.session.create_message(
            request.params.messages, max_tokens=request.params.max_tokens, related_request_id=ctx.request_id
        )
    if not isinstance(answer, types.CreateMessageResult):
        return required(model=asked)
    return text(f"LLM response: {said(answer)}")


async def fill_in(ctx: Context, params: types.CallToolRequestParams, asked: Wire) -> Outcome:
    """Ask in the way of the caller's era and repeat what was answered."""
    answer = answered(params, "person")
    if ctx.session.can_send_request:
        wanted = asked["params"]
        answer = await ctx.session.elicit_form(
            wanted["message"], wanted["requestedSchema"], related_request_id=ctx.request_id
        )
    if not isinstance(answer, types.ElicitResult):
        return required(person=asked)
    return text(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


@TOOLS.add("test_elicitation")
async def ask_person(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    return await fill_in(ctx, params, questions.identity(str((params.arguments or {}).get("message"))))


@TOOLS.add("test_elicitation_sep1034_defaults")
async def defaults(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    return await fill_in(ctx, params, questions.DEFAULTS)


@TOOLS.add("test_elicitation_sep1330_enums")
async def choices(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    return await fill_in(ctx, params, questions.CHOICES)


@TOOLS.add("test_input_required_result_elicitation")
async def elicitation(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    filled = accepted(params, "user_name")
    if filled is None:
        return required(user_name=questions.NAME)
    return text(f"Hello, {filled.get('name')}!")


@TOOLS.add("test_streaming_elicitation")
async def streaming(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    await ctx.session.report_progress(1, 2)
    return await elicitation(ctx, params)


@TOOLS.add("test_input_required_result_sampling")
async def sampling(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    answer = answered(params, "capital_question")
    if not isinstance(answer, types.CreateMessageResult):
        return required(capital_question=questions.CAPITAL)
    return text(f"The model says: {said(answer)}")


@TOOLS.add("test_input_required_result_list_roots")
async def roots(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    answer = answered(params, "client_roots")
    if not isinstance(answer, types.ListRootsResult):
        return required(client_roots=questions.ROOTS)
    return text("Roots: " + ", ".join(str(root.uri) for root in answer.roots))


@TOOLS.add("test_input_required_result_multiple_inputs")
async def several(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    asked = {"user_name": questions.NAME, "greeting": questions.GREETING, "client_roots": questions.ROOTS}
    if set(params.input_responses or {}) >= set(asked):
        return text("All three arrived.")
    return required("three things", **asked)


@TOOLS.add("test_input_required_result_capabilities")
async def fitting(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    asked: dict[str, Wire] = {}
    if declared.sampling is not None:
        asked["sample"] = questions.HELLO
    if declared.elicitation is not None:
        asked["name"] = questions.NAME
    return required("what fits", **asked)


@TOOLS.add("test_input_required_result_request_state")
async def state(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    if params.request_state == "first round" and accepted(params, "confirm") is not None:
        return text("state-ok")
    return required("first round", confirm=questions.CONFIRMATION)


@TOOLS.add("test_input_required_result_tampered_state")
async def tampered(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    if params.request_state is None:
        return required("untouched", confirm=questions.CONFIRMATION)
    return text(f"The state is {params.request_state}.")


@TOOLS.add("test_input_required_result_multi_round")
async def rounds(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    name, colour = accepted(params, "step1"), accepted(params, "step2")
    if colour is not None and params.request_state:
        return text(f"{params.request_state} likes {colour.get('color')}.")
    if name is not None:
        return required(str(name.get("name")), step2=questions.STEP_2)
    return required("nobody yet", step1=questions.STEP_1)
