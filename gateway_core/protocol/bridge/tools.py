"""Definitions of tools, as tools/list gives them and as sampling hands them to a model. Pure."""

from typing import Any

from gateway_core.protocol import param_headers


def to_modern(tool: Any) -> Any:
    """A legacy tool without `execution`, which speaks of the tasks of 2025-11-25 alone."""
    return {key: value for key, value in tool.items() if key != "execution"} if isinstance(tool, dict) else tool


def to_legacy(tool: Any) -> Any:
    """A modern tool, without an `outputSchema` that legacy revisions cannot hold."""
    tool = to_modern(tool)
    schema = tool.get("outputSchema") if isinstance(tool, dict) else None
    if schema is None or (isinstance(schema, dict) and schema.get("type") == "object"):
        return tool
    # Legacy knows objects alone (2025-11-25 schema, Tool), and strict clients lose the whole list over another root.
    # Wrapping it would break the `$ref`s inside and demand an object that an `anyOf` root does not always give.
    return {key: value for key, value in tool.items() if key != "outputSchema"}


def only_as_task(tool: Any) -> bool:
    """True for a tool that refuses ordinary calls (2025-11-25 tasks, Tool-Level Negotiation)."""
    execution = tool.get("execution") if isinstance(tool, dict) else None
    return isinstance(execution, dict) and execution.get("taskSupport") == "required"


def refusal(tool: Any) -> str | None:
    """Why a client over HTTP must leave a tool out (2026-07-28 streamable-http, Schema Extension); None to keep it."""
    try:
        param_headers.read(tool if isinstance(tool, dict) else {})
    except ValueError as error:
        return str(error)
    return None
