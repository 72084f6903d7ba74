"""Arguments in headers: what a tool may annotate, held against the official SDK, and how the values are written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared import inbound as sdk

from gateway_core.protocol import header_values, param_headers

REGION = {"type": "string", "x-mcp-header": "Region"}


def tool(**properties):
    return {"name": "t", "inputSchema": {"type": "object", "properties": properties}}


def test_annotated_parameters_are_found_at_any_depth_of_properties():
    nested = {"type": "object", "properties": {"id": {"type": "integer", "x-mcp-header": "Tenant-Id"}}}
    paths = param_headers.read(tool(region=REGION, tenant=nested, plain={"type": "string"}))
    assert paths == {("region",): "Region", ("tenant", "id"): "Tenant-Id"}


def test_a_parameter_may_be_called_like_the_annotation():
    named = tool(**{"x-mcp-header": {"type": "string", "default": {"x-mcp-header": "data"}}})
    assert param_headers.read(named) == {}


@pytest.mark.parametrize("name", ["", "a b", "a\r\nb", "ü", 5, None, ["A"]])
def test_a_header_name_is_a_token(name):
    with pytest.raises(ValueError, match="is no header name"):
        param_headers.read(tool(a={"type": "string", "x-mcp-header": name}))


@pytest.mark.parametrize("kind", ["number", "object", "array", "null", None, ["string", "null"]])
def test_only_strings_integers_and_booleans_go_into_headers(kind):
    with pytest.raises(ValueError, match="is no string, integer or boolean"):
        param_headers.read(tool(a={"type": kind, "x-mcp-header": "A"}))


def test_two_parameters_cannot_share_a_header_in_any_case():
    with pytest.raises(ValueError, match="have the same x-mcp-header"):
        param_headers.read(tool(a=REGION, b={"type": "string", "x-mcp-header": "REGION"}))


@pytest.mark.parametrize(
    "schema",
    [
        REGION,
        {"properties": {"a": {"items": REGION}}},
        {"properties": {"a": {"items": [REGION]}}},
        {"oneOf": [{"properties": {"a": REGION}}]},
        {"if": {"properties": {"a": REGION}}},
        {"$defs": {"a": REGION}},
        {"patternProperties": {"a": REGION}},
        {"properties": {"a": {"additionalProperties": REGION}}},
        {"dependencies": {"a": {"properties": {"b": REGION}}}},
    ],
)
def test_an_annotation_where_no_chain_of_properties_leads_makes_the_tool_invalid(schema):
    with pytest.raises(ValueError, match="no chain of properties leads"):
        param_headers.read({"inputSchema": schema})


@pytest.mark.parametrize("schema", [None, True, [], "x", {}, {"properties": []}])
def test_a_schema_without_annotations_needs_no_headers(schema):
    assert param_headers.read({"inputSchema": schema}) == {}


@pytest.mark.parametrize("depth", [63, 64, 10_000])
def test_a_schema_may_be_64_levels_deep_and_no_deeper(depth):
    schema: dict[str, Any] = {"type": "string", "x-mcp-header": "A"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    if depth < 64:
        assert param_headers.read({"inputSchema": schema}) == {("a",) * depth: "A"}
    else:
        with pytest.raises(ValueError, match="deeper than 64 levels"):
            param_headers.read({"inputSchema": schema})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("us-west1", "us-west1"), ("", ""), ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="), ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), (42, "42"), (-7, "-7"), (True, "true"),
        (False, "false"), (2**53 - 1, "9007199254740991"), (42.0, "42"), (0.5, "0.5"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_the_specification_says(value, written):
    assert param_headers.fields({("a", "b"): "Region"}, {"a": {"b": value}}) == [("mcp-param-region", written)]


@pytest.mark.parametrize("arguments", [{}, {"a": None}, {"a": {"b": None}}, {"a": "text"}, {"a": {"b": [1]}}])
def test_a_value_that_is_absent_or_null_has_no_header(arguments):
    assert param_headers.fields({("a", "b"): "Region"}, arguments) == []


@pytest.mark.parametrize("value", [2**53, -(2**53), 1e300, float("inf"), float("nan"), "\ud800"])
def test_a_value_that_parsers_read_differently_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        param_headers.fields({("a",): "A"}, {"a": value})


names = st.sampled_from(["A", "a", "B", "", "no token", 5])
annotated = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", ["string"]]),
        "x-mcp-header": names,
        "default": st.just({"x-mcp-header": "A"}),
    },
)
schemas = st.recursive(
    annotated,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b", "x-mcp-header"]), inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "$defs": st.dictionaries(st.sampled_from(["a", "x-mcp-header"]), inner, max_size=1),
            "type": st.just("object"),
        },
    ),
    max_leaves=6,
)
arguments = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "x-mcp-header"]), inner, max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(schemas, arguments.filter(lambda value: isinstance(value, dict)))
def test_the_same_tools_are_valid_as_for_the_official_sdk_and_have_the_same_headers(schema, sent):
    try:
        paths = param_headers.read({"inputSchema": schema})
    except ValueError:
        assert sdk.find_invalid_x_mcp_header(schema) is not None
        return
    assert sdk.find_invalid_x_mcp_header(schema) is None
    assert paths == sdk.x_mcp_header_map(schema)
    try:
        theirs = sdk.mcp_param_headers(paths, sent)
    except UnicodeEncodeError:
        return
    assert dict(param_headers.fields(paths, sent)) == {name.lower(): value for name, value in theirs.items()}
    assert all(header_values.sendable(value) for value in theirs.values())
