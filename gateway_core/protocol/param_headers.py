"""`Mcp-Param-*` headers: which arguments of a tool a client repeats in headers, and how. Pure.

Source of every rule: 2026-07-28 streamable-http, Custom Headers from Tool Parameters.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_core.json_text import MAX_DEPTH
from gateway_core.protocol import header_values
from gateway_core.protocol.inbound import PARAM_PREFIX

ANNOTATION: Final = "x-mcp-header"
SAFE: Final = 2**53 - 1
"""Largest integer that every JSON parser reads as written."""

_PRIMITIVE: Final = frozenset({"string", "integer", "boolean"})
_ONE: Final = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LISTED: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"})
"""Keywords whose value is a schema, a list of schemas, or schemas by name (JSON Schema 2020-12 core, section 10, and
draft-07). In any other keyword, `default` or `const`, the annotation's name would be data."""

Path = tuple[str, ...]
_Position = tuple[Path | None, Mapping[str, Any]]
"""A schema and the chain of `properties` keys to it; None once anything else was passed."""


def read(tool: Mapping[str, Any]) -> dict[Path, str]:
    """Property path → name behind `Mcp-Param-`, for each annotated parameter of `tool`.

    Raises:
        ValueError: An annotation breaks a constraint, so the whole tool is invalid. Says which.
    """
    found: dict[Path, str] = {}
    taken: dict[str, Path] = {}
    for path, schema in _positions(tool.get("inputSchema")):
        if ANNOTATION not in schema:
            continue
        if not path:
            raise ValueError(f"{ANNOTATION} stands where no chain of properties leads")
        name = _name(path, schema)
        if name.lower() in taken:
            raise ValueError(f"{_shown(path)} and {_shown(taken[name.lower()])} have the same {ANNOTATION}")
        taken[name.lower()] = path
        found[path] = name
    return found


def fields(paths: Mapping[Path, str], arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Header lines for a tool's annotated parameters. Null, absent and structured values give none.

    Args:
        paths: From `read`.
        arguments: Of the call.

    Raises:
        ValueError: A number that other parsers might read differently, or text that is no Unicode.
    """
    lines = []
    for path, name in paths.items():
        text = _text(path, _value(arguments, path))
        if text is not None:
            lines.append((f"{PARAM_PREFIX}{name.lower()}", header_values.encode(text)))
    return lines


def _positions(root: Any) -> Iterator[_Position]:
    """Every schema in `root`, itself first."""
    level: list[_Position] = [((), root)] if isinstance(root, dict) else []
    for _ in range(MAX_DEPTH):
        yield from level
        children = (child for path, schema in level for child in _children(path, schema))
        level = [(path, node) for path, node in children if isinstance(node, dict)]
    if level:
        raise ValueError(f"its inputSchema is nested deeper than {MAX_DEPTH} levels")


def _children(path: Path | None, schema: Mapping[str, Any]) -> Iterator[tuple[Path | None, Any]]:
    for keyword, value in schema.items():
        if keyword == "properties" and isinstance(value, dict):
            yield from ((None if path is None else (*path, name), child) for name, child in value.items())
        elif keyword in _ONE and isinstance(value, dict):
            yield None, value
        elif keyword in _LISTED and isinstance(value, list):
            yield from ((None, child) for child in value)
        elif keyword in _NAMED and isinstance(value, dict):
            yield from ((None, child) for child in value.values())


def _name(path: Path, schema: Mapping[str, Any]) -> str:
    name, kind = schema[ANNOTATION], schema.get("type")
    if not isinstance(name, str) or not header_values.TOKEN.fullmatch(name):
        raise ValueError(f"the {ANNOTATION} of {_shown(path)} is no header name")
    if not isinstance(kind, str) or kind not in _PRIMITIVE:
        raise ValueError(f"{_shown(path)} has an {ANNOTATION} and is no string, integer or boolean")
    return name


def _shown(path: Path) -> str:
    return ".".join(path)[:128]


def _value(arguments: Mapping[str, Any], path: Path) -> Any:
    node: Any = arguments
    for name in path:
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def _text(path: Path, value: Any) -> str | None:
    """A value in the words of the section Value Encoding, None for one that has none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        return None
    if abs(value) > SAFE:
        raise ValueError(f"{_shown(path)} is outside the integers that a header can carry")
    # 42.0 is an integer to JSON Schema. A fraction is for the server to refuse, with the tool's own words.
    return str(int(value)) if value == int(value) else json.dumps(value)
