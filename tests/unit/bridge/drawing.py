"""Messages of both eras, drawn from the official SDK's own models, with fields that neither era knows among them."""

import functools
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

Draw = st.SearchStrategy[Any]

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
json_values: Draw = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9).map(lambda x: x + 0.5) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
UNKNOWN = "com.example/unknown"
"""A field of no revision: it crosses untouched."""


@functools.cache
def of(model: Any) -> Draw:
    """Valid messages of a model of the SDK, as they go over the wire: what is not there is absent, never null."""
    schema = TypeAdapter(model).json_schema(by_alias=True)
    return _Schemas(schema.get("$defs", {})).draw(schema)


class _Schemas:
    """The part of JSON Schema that pydantic writes for the SDK's models."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._drawn: dict[str, Draw] = {}

    def draw(self, schema: Any) -> Draw:
        if "$ref" in schema:
            return self._named(schema["$ref"].removeprefix("#/$defs/"))
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            return st.one_of([self.draw(arm) for arm in schema["anyOf"] if arm != {"type": "null"}])
        return self._typed(schema)

    def _named(self, name: str) -> Draw:
        if name not in self._drawn:
            self._drawn[name] = st.deferred(lambda: self.draw(self._definitions[name]))
        return self._drawn[name]

    def _typed(self, schema: Any) -> Draw:
        least, most = schema.get("minimum", 0), schema.get("maximum", 10**6)
        drawn: dict[Any, Callable[[], Draw]] = {
            "string": lambda: words,
            "boolean": st.booleans,
            "integer": lambda: st.integers(least, most),
            "number": lambda: st.floats(least, most),
            "array": lambda: st.lists(self.draw(schema["items"]), max_size=2),
            "object": lambda: self._object(schema),
            None: lambda: json_values,
        }
        return drawn[schema.get("type")]()

    def _object(self, schema: Any) -> Draw:
        if "properties" not in schema:
            free = schema.get("additionalProperties", True)
            return st.dictionaries(words, json_values if free is True else self.draw(free), max_size=2)
        needed = set(schema.get("required", ()))
        drawn = {name: self.draw(part) for name, part in schema["properties"].items()}
        return st.fixed_dictionaries(
            {name: draw for name, draw in drawn.items() if name in needed},
            optional={name: draw for name, draw in drawn.items() if name not in needed} | {UNKNOWN: json_values},
        )
