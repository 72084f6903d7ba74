"""The table behind `tools/list` and `tools/call` of the conformance server: one function per tool.

Holds no tool itself: `tools_plain` and `tools_asking` fill it, in the words of the catalogue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from tests.conformance import catalogue

Context = ServerRequestContext[Any, Any]
Outcome = types.CallToolResult | types.InputRequiredResult
Run = Callable[[Context, types.CallToolRequestParams], Awaitable[Outcome]]

LISTED = [
    types.Tool(name=name, description=tool.description, input_schema=dict(tool.schema))
    for name, tool in catalogue.TOOLS.items()
]


def text(words: str) -> types.CallToolResult:
    """A result of one text block."""
    return types.CallToolResult(content=[types.TextContent(text=words)])


@dataclass(slots=True)
class Toolbox:
    """What runs under the names of the catalogue."""

    runs: dict[str, Run] = field(default_factory=dict)

    def add(self, name: str) -> Callable[[Run], Run]:
        """Register the decorated function under `name`."""

        def register(run: Run) -> Run:
            self.runs[name] = run
            return run

        return register

    def __or__(self, other: Toolbox) -> Toolbox:
        return Toolbox(self.runs | other.runs)

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """The schema by which the SDK checks `Mcp-Param-*` headers; None for an unknown tool."""
        tool = catalogue.TOOLS.get(name)
        return None if tool is None else tool.schema

    async def listed(self, _ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Answer `tools/list`."""
        return types.ListToolsResult(tools=LISTED)

    async def call(self, ctx: Context, params: types.CallToolRequestParams) -> Outcome:
        """Answer `tools/call`."""
        run = self.runs.get(params.name)
        if run is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name}.")
        return await run(ctx, params)
