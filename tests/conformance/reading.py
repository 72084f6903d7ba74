"""Resources, prompts and completions of the conformance server.

Addresses, names and texts are the ones that the official suite's scenarios ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from tests.conformance.toolbox import Context
from tests.conformance.tools_asking import accepted, form, question, required
from tests.conformance.tools_plain import PIXEL, embedded

TEXT, BINARY, WATCHED = "test://static-text", "test://static-binary", "test://watched-resource"
TEMPLATE_HEAD, TEMPLATE_TAIL = "test://template/", "/data"

TTL_MS = 60_000
"""How long lists may be kept: long enough for a cache to be seen working in a test."""

RESOURCES = [
    types.Resource(uri=TEXT, name="text", description="A fixed text.", mime_type="text/plain"),
    types.Resource(uri=BINARY, name="picture", description="A fixed picture.", mime_type="image/png"),
    types.Resource(uri=WATCHED, name="watched", description="One to subscribe to.", mime_type="text/plain"),
]


def prompt(name: str, description: str, *arguments: str) -> types.Prompt:
    """A prompt all of whose arguments are required."""
    listed = [types.PromptArgument(name=argument, required=True) for argument in arguments]
    return types.Prompt(name=name, description=description, arguments=listed)


PROMPTS = [
    prompt("test_simple_prompt", "One fixed message."),
    prompt("test_prompt_with_arguments", "Repeats its arguments.", "arg1", "arg2"),
    prompt("test_prompt_with_embedded_resource", "Carries a resource.", "resourceUri"),
    prompt("test_prompt_with_image", "Carries a picture."),
    prompt("test_input_required_result_prompt", "Asks for a context first."),
]


async def list_resources(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    """Answer `resources/list`."""
    return types.ListResourcesResult(resources=RESOURCES)


async def list_templates(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """Answer `resources/templates/list`."""
    template = types.ResourceTemplate(
        uri_template=f"{TEMPLATE_HEAD}{{id}}{TEMPLATE_TAIL}",
        name="template",
        description="One record by its id.",
        mime_type="application/json",
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read(_ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    """Answer `resources/read`; an unknown address is an invalid parameter (2026-07-28 schema, SEP-2164)."""
    uri = str(params.uri)
    if uri == BINARY:
        return types.ReadResourceResult(
            contents=[types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)]
        )
    if uri == TEXT:
        return readable(uri, "This is the content of the static text resource.")
    if uri == WATCHED:
        return readable(uri, "Nothing happened yet.")
    if uri.startswith(TEMPLATE_HEAD) and uri.endswith(TEMPLATE_TAIL):
        wanted = uri.removeprefix(TEMPLATE_HEAD).removesuffix(TEMPLATE_TAIL)
        record = {"id": wanted, "templateTest": True, "data": f"Data for ID: {wanted}"}
        return readable(uri, json.dumps(record), mime_type="application/json")
    raise MCPError(types.INVALID_PARAMS, "Resource not found", data={"uri": uri})


def readable(uri: str, words: str, *, mime_type: str = "text/plain") -> types.ReadResourceResult:
    """One text as the whole content of a resource."""
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)])


async def list_prompts(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    """Answer `prompts/list`."""
    return types.ListPromptsResult(prompts=PROMPTS)


async def get_prompt(
    _ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    """Answer `prompts/get`."""
    if params.name == "test_input_required_result_prompt":
        filled = accepted(params, "user_context")
        if filled is None:
            asked = question("What context should the prompt use?", form(context={"type": "string"}))
            return required(user_context=asked)
        return messages(types.TextContent(text=f"Context: {filled.get('context')}"))
    contents = fixed_prompt(params.name, params.arguments or {})
    if contents is None:
        raise MCPError(types.INVALID_PARAMS, f"There is no prompt {params.name}.")
    return messages(*contents)


def fixed_prompt(name: str, arguments: Mapping[str, Any]) -> list[types.ContentBlock] | None:
    """The contents of a prompt that asks nothing; None for an unknown name."""
    if name == "test_simple_prompt":
        return [types.TextContent(text="This is a simple prompt for testing.")]
    if name == "test_prompt_with_arguments":
        words = f"Prompt with arguments: arg1='{arguments.get('arg1')}', arg2='{arguments.get('arg2')}'"
        return [types.TextContent(text=words)]
    if name == "test_prompt_with_embedded_resource":
        return [
            embedded(str(arguments.get("resourceUri")), "Embedded resource content for testing."),
            types.TextContent(text="Please process the embedded resource above."),
        ]
    if name == "test_prompt_with_image":
        return [
            types.ImageContent(data=PIXEL, mime_type="image/png"),
            types.TextContent(text="Please analyze the image above."),
        ]
    return None


def messages(*contents: types.ContentBlock) -> types.GetPromptResult:
    """A prompt of one user message per content."""
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=one) for one in contents])


async def complete(_ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Answer `completion/complete` from a short list."""
    known = ("paris", "park", "party")
    values = [word for word in known if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


async def acknowledge(_ctx: Context, _params: types.RequestParams) -> types.EmptyResult:
    """Answer a request whose effect no scenario looks at."""
    return types.EmptyResult()
