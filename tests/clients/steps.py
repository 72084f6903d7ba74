"""What every client does on a visit, and what it must find: the same for every client and every kind of upstream.

Pure data. The few differences between kinds of upstreams are at the end, each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Era = Literal["legacy", "modern"]
Kind = Literal["dual", "legacy", "modern", "sse"]
"""What an upstream speaks: both eras, one of them, or HTTP+SSE (2024-11-05 transports), which is legacy too."""

NEWEST: Mapping[Era, str] = {"legacy": "2025-11-25", "modern": "2026-07-28"}
"""The revision that a client of each era ends up with."""

LIVE_S = 0.07
"""The tool pauses for 0.15 s between its first report and its answer; a gateway that held reports back shows none."""

ANSWERS = {
    "form": {
        "username": "ana",
        "email": "ana@example.com",
        "name": "Ana",
        "color": "blue",
        "ok": True,
        "context": "tea",
    },
    "model": "Paris",
    "root": "file:///work",
}
"""What every client answers: each field that a form names, one sentence of its model, one root."""

INVALID_PARAMS, RESOURCE_NOT_FOUND = -32602, -32002


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: `do` is what the programs call it, `ask` what it takes, `found` what must come of it."""

    name: str
    do: str
    ask: Mapping[str, Any]
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Error:
    """An error with one of `codes`, whose message holds `words`, whatever the client puts around them."""

    codes: tuple[int, ...]
    words: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.get("code") in self.codes and self.words in str(other.get("message"))


@dataclass(frozen=True, slots=True)
class Holding:
    """A list with at least these."""

    wanted: frozenset[str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and self.wanted <= set(other) and len(set(other)) == len(other)


def listed(name: str, *wanted: str) -> Step:
    """List everything there is, all pages; nothing twice."""
    return Step(f"list {name}", "list", {"what": name}, {"names": Holding(frozenset(wanted))})


def called(name: str, tool: str, text: str, *, arguments: Mapping[str, Any] | None = None, **heard: Any) -> Step:
    """Call a tool that answers with `text`; what else is heard during the call is in `heard`, and nothing more."""
    silent = {"progress": [], "logs": [], "asked": []}
    return Step(name, "call", {"tool": tool, "arguments": dict(arguments or {})}, silent | {"text": text} | heard)


SAME: tuple[Step, ...] = (
    Step("log level", "level", {"level": "info"}, {}),
    listed("tools", "test_simple_text", "test_x_mcp_header", "json_schema_2020_12_tool"),
    listed("resources", "test://static-text", "test://static-binary", "test://watched-resource"),
    listed("templates", "test://template/{id}/data"),
    listed("prompts", "test_simple_prompt", "test_prompt_with_arguments"),
    called("call", "test_simple_text", "This is a simple text response for testing."),
    called("progress", "test_tool_with_progress", "All three steps reported.", progress=[0, 50, 100]),
    called(
        "logs",
        "test_tool_with_logging",
        "Three lines logged.",
        logs=["Tool execution started", "Tool processing data", "Tool execution completed"],
    ),
    called("header", "test_x_mcp_header", "region=Zürich", arguments={"region": "Zürich"}),
    called("failing tool", "test_error_handling", "This tool intentionally returns an error for testing", failed=True),
    Step(
        "prompt",
        "prompt",
        {"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}},
        {"text": "Prompt with arguments: arg1='a', arg2='b'"},
    ),
    Step(
        "resource",
        "read",
        {"uri": "test://static-text"},
        {"text": "This is the content of the static text resource."},
    ),
    Step(
        "filled template",
        "read",
        {"uri": "test://template/42/data"},
        {"text": '{"id": "42", "templateTest": true, "data": "Data for ID: 42"}'},
    ),
    Step(
        "completion",
        "complete",
        {"prompt": "test_prompt_with_arguments", "argument": "arg1", "value": "par"},
        {"values": ["paris", "park", "party"]},
    ),
    called(
        "question",
        "test_elicitation",
        'User response: action=accept, content={"username": "ana", "email": "ana@example.com"}',
        arguments={"message": "Who are you?"},
        asked=["Who are you?"],
    ),
    called(
        "sampling",
        "test_sampling",
        "LLM response: Paris",
        arguments={"prompt": "What is the capital of France?"},
        asked=["What is the capital of France?"],
    ),
    called("roots", "test_input_required_result_list_roots", "Roots: file:///work", asked=["roots"]),
    called(
        "three questions at once",
        "test_input_required_result_multiple_inputs",
        "All three arrived.",
        asked=["Generate a greeting", "What is your name?", "roots"],
    ),
    called(
        "question after question",
        "test_input_required_result_multi_round",
        "Ana likes blue.",
        asked=["Step 1: What is your name?", "Step 2: What is your favorite color?"],
    ),
    called("state", "test_input_required_result_request_state", "state-ok", asked=["Please confirm"]),
    Step(
        "asking prompt",
        "prompt",
        {"name": "test_input_required_result_prompt", "arguments": {}},
        {"text": "Context: tea", "asked": ["What context should the prompt use?"]},
    ),
    Step("changed tools", "watch", {"what": "tools", "trigger": "test_trigger_tool_change"}, {"changed": True}),
    Step("changed prompts", "watch", {"what": "prompts", "trigger": "test_trigger_prompt_change"}, {"changed": True}),
    Step(
        "changed resource",
        "watch",
        {"what": "test://watched-resource", "trigger": "test_trigger_resource_update"},
        {"changed": True},
    ),
)


def unknown_tool(kind: Kind) -> Step:
    """SDK 1.x, of which the legacy upstreams are made, calls a tool that it does not know a tool that failed."""
    ask = {"tool": "nobody", "arguments": {}}
    if kind in ("legacy", "sse"):
        return called("unknown tool", "nobody", "Unknown tool: nobody", failed=True)
    return Step("unknown tool", "call", ask, {"error": Error((INVALID_PARAMS,), "There is no tool nobody.")})


def unknown_resource(era: Era) -> Step:
    """An unknown address is -32602 since 2026-07-28 (SEP-2164); a client of before knows -32002 as well."""
    codes = (INVALID_PARAMS,) if era == "modern" else (INVALID_PARAMS, RESOURCE_NOT_FOUND)
    error = Error(codes, "Resource not found")
    return Step("unknown resource", "read", {"uri": "test://nowhere"}, {"error": error})


ONLY_MODERN: Mapping[str, str] = {
    "roots": "the dual upstream has no legacy tool that asks for them",
    "three questions at once": "the tool knows only input_required",
    "question after question": "the tool knows only input_required",
    "state": "the tool knows only input_required",
    "asking prompt": "the prompt knows only input_required",
    "changed tools": "the dual upstream tells modern listeners only",
    "changed prompts": "the dual upstream tells modern listeners only",
    "changed resource": "the dual upstream tells modern listeners only",
}
"""What the dual upstream itself does not do for a legacy client, with or without a gateway between."""


def steps(kind: Kind, era: Era) -> tuple[Step, ...]:
    """Everything that a client of one era does with an upstream of a kind."""
    every = (*SAME, unknown_tool(kind), unknown_resource(era))
    return tuple(one for one in every if not (kind == "dual" and era == "legacy" and one.name in ONLY_MODERN))
