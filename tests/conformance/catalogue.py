"""What every conformance server offers, as plain data in wire form: tools, fixed answers, resources, prompts.

Addresses, names and texts are the ones that the official suite's scenarios ask for. Imports no SDK: the servers that
share it run under different versions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Wire = dict[str, Any]
"""A JSON object as MCP spells it."""

NAME = "gatehouse-conformance"

NO_ARGUMENTS: Wire = {"type": "object", "properties": {}}

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64."""

SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
"""A WAV file without a sample, in base64."""

STEP_S = 0.05
"""Pause between two notifications, so that a proxy that collects them is seen to."""

PROGRESS = (0, 50, 100)
"""What is reported, out of 100."""

LOG_LINES = ("Tool execution started", "Tool processing data", "Tool execution completed")

SCHEMA_2020_12: Wire = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

REGION: Wire = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "description": "Sent in a header too.", "x-mcp-header": "Region"},
    },
}


def one_text(name: str) -> Wire:
    """A schema of one required text."""
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it is listed under its name."""

    description: str
    schema: Mapping[str, Any]


def tool(description: str, schema: Wire = NO_ARGUMENTS) -> Tool:
    """A tool without arguments, unless `schema` says which."""
    return Tool(description, schema)


TOOLS = {
    # The first tool of the list takes no arguments: the suite's header scenarios call it with none.
    "test_simple_text": tool("Answers with one text."),
    "test_image_content": tool("Answers with a picture."),
    "test_audio_content": tool("Answers with a sound."),
    "test_embedded_resource": tool("Answers with a resource."),
    "test_multiple_content_types": tool("Answers with a text, a picture and a resource."),
    "test_error_handling": tool("Always fails."),
    "json_schema_2020_12_tool": tool("Its schema uses the words of JSON Schema 2020-12.", SCHEMA_2020_12),
    "test_tool_with_progress": tool("Reports 0, 50 and 100 of 100."),
    "test_tool_with_logging": tool("Logs three lines."),
    "test_logging_tool": tool("Logs a line if the caller wants logs."),
    "test_reconnection": tool("Closes its stream; the answer waits for the client to come back."),
    "test_x_mcp_header": tool("Its argument travels in a header too.", REGION),
    "test_missing_capability": tool("Serves only callers that can sample."),
    "test_trigger_tool_change": tool("Announces a changed list of tools."),
    "test_trigger_prompt_change": tool("Announces a changed list of prompts."),
    "test_trigger_resource_update": tool("Announces that the watched resource changed."),
    "test_sampling": tool("Asks the client's model.", one_text("prompt")),
    "test_elicitation": tool("Asks the person at the client.", one_text("message")),
    "test_elicitation_sep1034_defaults": tool("Asks with a default in every field."),
    "test_elicitation_sep1330_enums": tool("Asks with every kind of choice."),
    "test_input_required_result_elicitation": tool("Asks for a name."),
    "test_streaming_elicitation": tool("Reports progress, then asks for a name."),
    "test_input_required_result_sampling": tool("Asks the client's model."),
    "test_input_required_result_list_roots": tool("Asks for the client's roots."),
    "test_input_required_result_multiple_inputs": tool("Asks for three things at once."),
    "test_input_required_result_capabilities": tool("Asks only for what the client can do."),
    "test_input_required_result_request_state": tool("Wants its state back."),
    "test_input_required_result_tampered_state": tool("Notices when its state was changed."),
    "test_input_required_result_multi_round": tool("Asks for a name, then for a colour."),
}
"""Every tool, in the order of the list."""


def text(words: str) -> Wire:
    """One text block."""
    return {"type": "text", "text": words}


def embedded(uri: str, words: str, *, mime_type: str = "text/plain") -> Wire:
    """A text resource inside a content list."""
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": words}}


PICTURE: Wire = {"type": "image", "data": PIXEL, "mimeType": "image/png"}

ANSWERS: Mapping[str, Wire] = {
    "test_simple_text": {"content": [text("This is a simple text response for testing.")]},
    "test_image_content": {"content": [PICTURE]},
    "test_audio_content": {"content": [{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}]},
    "test_embedded_resource": {
        "content": [embedded("test://embedded-resource", "This is an embedded resource content.")]
    },
    "test_multiple_content_types": {
        "content": [
            text("Multiple content types test:"),
            PICTURE,
            embedded("test://mixed-content-resource", '{"test":"data","value":123}', mime_type="application/json"),
        ]
    },
    "test_error_handling": {
        "content": [text("This tool intentionally returns an error for testing")],
        "isError": True,
    },
    "json_schema_2020_12_tool": {"content": [text("Valid.")]},
}
"""The results of the tools that always answer the same."""

TEXT, BINARY, WATCHED = "test://static-text", "test://static-binary", "test://watched-resource"
TEMPLATE_HEAD, TEMPLATE_TAIL = "test://template/", "/data"

RESOURCES: list[Wire] = [
    {"uri": TEXT, "name": "text", "description": "A fixed text.", "mimeType": "text/plain"},
    {"uri": BINARY, "name": "picture", "description": "A fixed picture.", "mimeType": "image/png"},
    {"uri": WATCHED, "name": "watched", "description": "One to subscribe to.", "mimeType": "text/plain"},
]

TEMPLATES: list[Wire] = [
    {
        "uriTemplate": f"{TEMPLATE_HEAD}{{id}}{TEMPLATE_TAIL}",
        "name": "template",
        "description": "One record by its id.",
        "mimeType": "application/json",
    }
]


def contents(uri: str) -> Wire | None:
    """What stands at `uri`; None when nothing does."""
    if uri == BINARY:
        return {"uri": uri, "mimeType": "image/png", "blob": PIXEL}
    if uri == TEXT:
        return {"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}
    if uri == WATCHED:
        return {"uri": uri, "mimeType": "text/plain", "text": "Nothing happened yet."}
    if uri.startswith(TEMPLATE_HEAD) and uri.endswith(TEMPLATE_TAIL):
        wanted = uri.removeprefix(TEMPLATE_HEAD).removesuffix(TEMPLATE_TAIL)
        record = {"id": wanted, "templateTest": True, "data": f"Data for ID: {wanted}"}
        return {"uri": uri, "mimeType": "application/json", "text": json.dumps(record)}
    return None


ASKING_PROMPT = "test_input_required_result_prompt"


def prompt(name: str, description: str, *arguments: str) -> Wire:
    """A prompt all of whose arguments are required."""
    listed = [{"name": argument, "required": True} for argument in arguments]
    return {"name": name, "description": description, "arguments": listed}


PROMPTS: list[Wire] = [
    prompt("test_simple_prompt", "One fixed message."),
    prompt("test_prompt_with_arguments", "Repeats its arguments.", "arg1", "arg2"),
    prompt("test_prompt_with_embedded_resource", "Carries a resource.", "resourceUri"),
    prompt("test_prompt_with_image", "Carries a picture."),
    prompt(ASKING_PROMPT, "Asks for a context first."),
]


def prompted(name: str, arguments: Mapping[str, Any]) -> Wire | None:
    """The result of a prompt that asks nothing; None for another name."""
    if name == "test_simple_prompt":
        return messages(text("This is a simple prompt for testing."))
    if name == "test_prompt_with_arguments":
        return messages(text(f"Prompt with arguments: arg1='{arguments.get('arg1')}', arg2='{arguments.get('arg2')}'"))
    if name == "test_prompt_with_embedded_resource":
        resource = embedded(str(arguments.get("resourceUri")), "Embedded resource content for testing.")
        return messages(resource, text("Please process the embedded resource above."))
    if name == "test_prompt_with_image":
        return messages(PICTURE, text("Please analyze the image above."))
    return None


def messages(*blocks: Wire) -> Wire:
    """The result of a prompt: one message of the user per block."""
    return {"messages": [{"role": "user", "content": block} for block in blocks]}


def completion(begun: str) -> Wire:
    """The words of a short list that start with `begun`."""
    values = [word for word in ("paris", "park", "party") if word.startswith(begun)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}
