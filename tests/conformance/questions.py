"""What the conformance servers ask their clients, in wire form: the same whether it is sent or returned.

Imports no SDK: the servers that share it run under different versions.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.catalogue import Wire


def form(**properties: Any) -> Wire:
    """A form in which every field must be filled in."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def question(words: str, schema: Wire) -> Wire:
    """Ask the person at the client."""
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": words, "requestedSchema": schema},
    }


def sample(words: str, *, max_tokens: int = 100) -> Wire:
    """Ask the client's model."""
    message = {"role": "user", "content": {"type": "text", "text": words}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}}


def identity(words: str) -> Wire:
    """Ask who the person is."""
    return question(words, form(username={"type": "string"}, email={"type": "string"}))


NAME = question("What is your name?", form(name={"type": "string"}))
CONFIRMATION = question("Please confirm", form(ok={"type": "boolean"}))
STEP_1 = question("Step 1: What is your name?", form(name={"type": "string"}))
STEP_2 = question("Step 2: What is your favorite color?", form(color={"type": "string"}))
CONTEXT = question("What context should the prompt use?", form(context={"type": "string"}))
CAPITAL = sample("What is the capital of France?")
GREETING = sample("Generate a greeting", max_tokens=50)
HELLO = sample("Say hello", max_tokens=50)
ROOTS: Wire = {"method": "roots/list"}

DEFAULTS = question(
    "Is this right?",
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        },
    },
)

CHOICES = question(
    "Choose.",
    form(
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
    ),
)
