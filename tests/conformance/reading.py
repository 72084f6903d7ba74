"""Resources, prompts and completions of the conformance server, out of the catalogue."""

from __future__ import annotations

import mcp_types as types
from mcp.shared.exceptions import MCPError

from tests.conformance import catalogue, questions
from tests.conformance.toolbox import Context
from tests.conformance.tools_asking import accepted, required

TTL_MS = 60_000
"""How long lists may be kept: long enough for a cache to be seen working in a test."""

RESOURCES = types.ListResourcesResult.model_validate({"resources": catalogue.RESOURCES})
TEMPLATES = types.ListResourceTemplatesResult.model_validate({"resourceTemplates": catalogue.TEMPLATES})
PROMPTS = types.ListPromptsResult.model_validate({"prompts": catalogue.PROMPTS})


async def list_resources(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    """Answer `resources/list`."""
    return RESOURCES


async def list_templates(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """Answer `resources/templates/list`."""
    return TEMPLATES


async def read(_ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    """Answer `resources/read`; an unknown address is an invalid parameter (2026-07-28 schema, SEP-2164)."""
    found = catalogue.contents(str(params.uri))
    if found is None:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", data={"uri": str(params.uri)})
    return types.ReadResourceResult.model_validate({"contents": [found]})


async def list_prompts(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    """Answer `prompts/list`."""
    return PROMPTS


async def get_prompt(
    _ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    """Answer `prompts/get`."""
    if params.name == catalogue.ASKING_PROMPT:
        filled = accepted(params, "user_context")
        if filled is None:
            return required(user_context=questions.CONTEXT)
        result = catalogue.messages(catalogue.text(f"Context: {filled.get('context')}"))
    else:
        fixed = catalogue.prompted(params.name, params.arguments or {})
        if fixed is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no prompt {params.name}.")
        result = fixed
    return types.GetPromptResult.model_validate(result)


async def complete(_ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Answer `completion/complete`."""
    return types.CompleteResult.model_validate(catalogue.completion(params.argument.value))


async def acknowledge(_ctx: Context, _params: types.RequestParams) -> types.EmptyResult:
    """Answer a request whose effect no scenario looks at."""
    return types.EmptyResult()
