"""Tools that need something from the client before they can answer.

Legacy ones send a request down the open stream and wait. Modern ones (2026-07-28, "Multi Round-Trip Requests")
return `input_required`, forget everything, and are called again with the answers.
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from tests.conformance.toolbox import Context, Outcome, Toolbox, text

TOOLS = Toolbox()


def form(**properties: Any) -> types.ElicitRequestedSchema:
    """A form in which every field must be filled in."""
    return {"type": "object", "properties": properties, "required": list(properties)}


NAME = form(name={"type": "string"})
CONFIRMATION = form(ok={"type": "boolean"})

DEFAULTS: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}

CHOICES = form(
    untitledSingle={"type": "string", "enum": ["red", "green", "blue"]},
    titledSingle={
        "type": "string",
        "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}],
    },
    legacyEnum={"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]},
    untitledMulti={"type": "array", "items": {"type": "string", "enum": ["read", "write"]}},
    titledMulti={
        "type": "array",
        "items": {"anyOf": [{"const": "bug", "title": "Bug"}, {"const": "docs", "title": "Documentation"}]},
    },
)


def said(message: types.CreateMessageResult) -> str:
    """What the client's model wrote."""
    return message.content.text if isinstance(message.content, types.TextContent) else "(no text)"


def prompt(words: str, *, max_tokens: int = 100) -> types.CreateMessageRequest:
    """Ask the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=words))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def question(words: str, schema: types.ElicitRequestedSchema) -> types.ElicitRequest:
    """Ask the person at the client."""
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=words, requested_schema=schema))


def required(state: str | None = None, **asked: types.InputRequest) -> types.InputRequiredResult:
    """Answer "not yet": what is asked under which name, and what to send back."""
    return types.InputRequiredResult(input_requests=dict(asked), request_state=state)


def accepted(params: types.InputResponseRequestParams, name: str) -> dict[str, Any] | None:
    """The form filled in under `name`; None when it is missing or was declined."""
    answer = (params.input_responses or {}).get(name)
    return (answer.content or {}) if isinstance(answer, types.ElicitResult) and answer.action == "accept" else None


@TOOLS.add(
    "test_sampling",
    "Asks the client's model.",
    {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
)
async def ask_model(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    asked = types.SamplingMessage(
        role="user", content=types.TextContent(text=str((params.arguments or {}).get("prompt")))
    )
    answer = await ctx.session.create_message([asked], max_tokens=100, related_request_id=ctx.request_id)
    return text(f"LLM response: {said(answer)}")


async def fill_in(ctx: Context, words: str, schema: types.ElicitRequestedSchema) -> Outcome:
    """Ask on the open stream and repeat what was answered."""
    answer = await ctx.session.elicit_form(words, schema, related_request_id=ctx.request_id)
    return text(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


@TOOLS.add(
    "test_elicitation",
    "Asks the person at the client.",
    {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
)
async def ask_person(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    fields = form(username={"type": "string"}, email={"type": "string"})
    return await fill_in(ctx, str((params.arguments or {}).get("message")), fields)


@TOOLS.add("test_elicitation_sep1034_defaults", "Asks with a default in every field.")
async def defaults(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return await fill_in(ctx, "Is this right?", DEFAULTS)


@TOOLS.add("test_elicitation_sep1330_enums", "Asks with every kind of choice.")
async def choices(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    return await fill_in(ctx, "Choose.", CHOICES)


@TOOLS.add("test_input_required_result_elicitation", "Asks for a name.")
async def elicitation(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    filled = accepted(params, "user_name")
    if filled is None:
        return required(user_name=question("What is your name?", NAME))
    return text(f"Hello, {filled.get('name')}!")


@TOOLS.add("test_streaming_elicitation", "Reports progress, then asks for a name.")
async def streaming(ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    await ctx.session.report_progress(1, 2)
    return await elicitation(ctx, params)


@TOOLS.add("test_input_required_result_sampling", "Asks the client's model.")
async def sampling(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    answer = (params.input_responses or {}).get("capital_question")
    if not isinstance(answer, types.CreateMessageResult):
        return required(capital_question=prompt("What is the capital of France?"))
    return text(f"The model says: {said(answer)}")


@TOOLS.add("test_input_required_result_list_roots", "Asks for the client's roots.")
async def roots(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    answer = (params.input_responses or {}).get("client_roots")
    if not isinstance(answer, types.ListRootsResult):
        return required(client_roots=types.ListRootsRequest())
    return text("Roots: " + ", ".join(str(root.uri) for root in answer.roots))


@TOOLS.add("test_input_required_result_multiple_inputs", "Asks for three things at once.")
async def several(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    asked: dict[str, types.InputRequest] = {
        "user_name": question("What is your name?", NAME),
        "greeting": prompt("Generate a greeting", max_tokens=50),
        "client_roots": types.ListRootsRequest(),
    }
    if set(params.input_responses or {}) >= set(asked):
        return text("All three arrived.")
    return required("three things", **asked)


@TOOLS.add("test_input_required_result_capabilities", "Asks only for what the client can do.")
async def fitting(ctx: Context, _params: types.CallToolRequestParams) -> Outcome:
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    asked: dict[str, types.InputRequest] = {}
    if declared.sampling is not None:
        asked["sample"] = prompt("Say hello", max_tokens=50)
    if declared.elicitation is not None:
        asked["name"] = question("What is your name?", NAME)
    return required("what fits", **asked)


@TOOLS.add("test_input_required_result_request_state", "Wants its state back.")
async def state(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    if params.request_state == "first round" and accepted(params, "confirm") is not None:
        return text("state-ok")
    return required("first round", confirm=question("Please confirm", CONFIRMATION))


@TOOLS.add("test_input_required_result_tampered_state", "Notices when its state was changed.")
async def tampered(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    if params.request_state is None:
        return required("untouched", confirm=question("Please confirm", CONFIRMATION))
    return text(f"The state is {params.request_state}.")


@TOOLS.add("test_input_required_result_multi_round", "Asks for a name, then for a colour.")
async def rounds(_ctx: Context, params: types.CallToolRequestParams) -> Outcome:
    name, colour = accepted(params, "step1"), accepted(params, "step2")
    if colour is not None and params.request_state:
        return text(f"{params.request_state} likes {colour.get('color')}.")
    if name is not None:
        asked = question("Step 2: What is your favorite color?", form(color={"type": "string"}))
        return required(str(name.get("name")), step2=asked)
    return required("nobody yet", step1=question("Step 1: What is your name?", NAME))
