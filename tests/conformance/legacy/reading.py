"""Resources, prompts, completions and log levels of the legacy server, out of the catalogue."""
# mypy: ignore-errors
# The module runs with the MCP SDK 1.x; the type checker sees 2.x.

from __future__ import annotations

from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from tests.conformance import catalogue, questions
from tests.conformance.legacy.asking import filled

RESOURCE_NOT_FOUND = -32002
"""2025-11-25 resources, "Error Handling"; later revisions use another code."""


def add(server: Server) -> None:
    """Let `server` answer everything that is not about tools."""
    server.request_handlers[types.ReadResourceRequest] = read
    _add_resources(server)
    _add_prompts(server)
    _add_subscriptions(server)

    @server.completion()
    async def complete(_ref: object, argument: types.CompletionArgument, _context: object) -> types.Completion:
        return types.Completion.model_validate(catalogue.completion(argument.value)["completion"])

    @server.set_logging_level()
    async def set_level(level: types.LoggingLevel) -> None:
        ctx = server.request_context
        ctx.lifespan_context.set_level(ctx.session, level)


async def read(request: types.ReadResourceRequest) -> types.ServerResult:
    """Answer `resources/read`; the SDK's own decorator would encode the picture a second time."""
    uri = str(request.params.uri)
    found = catalogue.contents(uri)
    if found is None:
        raise McpError(types.ErrorData(code=RESOURCE_NOT_FOUND, message="Resource not found", data={"uri": uri}))
    return types.ServerResult(types.ReadResourceResult.model_validate({"contents": [found]}))


def _add_resources(server: Server) -> None:
    @server.list_resources()
    async def list_resources() -> list[types.Resource]:
        return [types.Resource.model_validate(one) for one in catalogue.RESOURCES]

    @server.list_resource_templates()
    async def list_templates() -> list[types.ResourceTemplate]:
        return [types.ResourceTemplate.model_validate(one) for one in catalogue.TEMPLATES]


def _add_subscriptions(server: Server) -> None:
    @server.subscribe_resource()
    async def subscribe(uri: AnyUrl) -> None:
        ctx = server.request_context
        ctx.lifespan_context.watch(ctx.session, str(uri))

    @server.unsubscribe_resource()
    async def unsubscribe(uri: AnyUrl) -> None:
        ctx = server.request_context
        ctx.lifespan_context.unwatch(ctx.session, str(uri))


def _add_prompts(server: Server) -> None:
    @server.list_prompts()
    async def list_prompts() -> list[types.Prompt]:
        return [types.Prompt.model_validate(one) for one in catalogue.PROMPTS]

    @server.get_prompt()
    async def get_prompt(name: str, arguments: dict[str, str] | None) -> types.GetPromptResult:
        if name == catalogue.ASKING_PROMPT:
            context = await filled(server.request_context, questions.CONTEXT, "context")
            return types.GetPromptResult.model_validate(catalogue.messages(catalogue.text(f"Context: {context}")))
        fixed = catalogue.prompted(name, arguments or {})
        if fixed is None:
            raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message=f"Unknown prompt: {name}"))
        return types.GetPromptResult.model_validate(fixed)
