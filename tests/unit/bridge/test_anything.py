"""Whatever a hostile server or client sends as JSON: nothing is mutated and nothing breaks in an unnamed way."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol import param_headers
from gateway_core.protocol.bridge import asks, capabilities, errors, notifications, requests, results
from gateway_core.protocol.versions import META_SERVER_INFO, META_SUBSCRIPTION_ID
from tests.unit.bridge import drawing

NAMES = [
    "_meta", "arguments", "capabilities", "code", "content", "data", "elicitation", "elicitations", "execution",
    "experimental", "extensions", "inputRequests", "inputSchema", "items", "level", "messages", "method", "mode",
    "outputSchema", "params", "progressToken", "prompts", "properties", "requestState", "resourceSubscriptions",
    "resources", "result", "resultType", "roots", "sampling", "serverInfo", "structuredContent", "subscribe", "task",
    "taskSupport", "text", "tools", "toolsListChanged", "type", "uri", "url", "x-mcp-header", META_SERVER_INFO,
    META_SUBSCRIPTION_ID,
]  # fmt: skip
WORDS = [
    "complete", "elicitation/create", "input_required", "integer", "notifications/message",
    "notifications/resources/updated", "notifications/tools/list_changed", "object", "required", "roots/list", "string",
    "url", "warning",
]  # fmt: skip
leaves = st.sampled_from(WORDS) | st.sampled_from([-32002, -32042, -32602, -32020, True, None]) | drawing.json_values
objects = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)
CALLS: dict[str, Callable[[Any], object]] = {
    "asks.input_required": lambda it: asks.input_required(it, "s"),
    "asks.lacking elicitation": lambda it: asks.lacking(it, "elicitation/create", it),
    "asks.lacking sampling": lambda it: asks.lacking(it, "sampling/createMessage", it),
    "asks.read_input_required": lambda it: asks.read_input_required({**it, "resultType": "input_required"}),
    "asks.response_of": lambda it: asks.response_of("elicitation/create", it),
    "asks.to_legacy": lambda it: asks.to_legacy(1, it),
    "asks.to_modern": asks.to_modern,
    "capabilities.client": lambda it: (capabilities.client_to_modern(it), capabilities.client_to_legacy(it)),
    "capabilities.discover_result": lambda it: capabilities.discover_result(it, listening=False),
    "capabilities.initialize_result": lambda it: capabilities.initialize_result(
        it, version="2025-11-25", name="x", listening=False
    ),
    "capabilities.server": lambda it: capabilities.server_to_legacy(it, listening=False),
    "errors.to_legacy": lambda it: errors.to_legacy("resources/read", it),
    "errors.to_modern": lambda it: errors.to_modern("tools/call", it),
    "errors.url_elicitations": lambda it: errors.url_elicitations({**it, "code": -32042}),
    "notifications.for_subscription": lambda it: notifications.for_subscription(it, subscription_id=1, wanted=it),
    "notifications.honoured": lambda it: notifications.honoured(it, it),
    "notifications.to_legacy": notifications.to_legacy,
    "notifications.to_modern": lambda it: notifications.to_modern(it, log_level="info"),
    "requests.to_legacy": lambda it: requests.to_legacy(it, call_id=1, progress_token=2),
    "requests.to_modern": lambda it: requests.to_modern(
        it, call_id=1, client_info=it, capabilities=it, log_level="info"
    ),
    "requests.uncarried": lambda it: requests.uncarried(it, "modern"),
    "requests.with_answers": lambda it: requests.with_answers(it, call_id=1, responses=it, state=None),
    "results.dropped_tools": results.dropped_tools,
    "results.to_legacy prompts/get": lambda it: results.to_legacy("prompts/get", it, version="2024-11-05"),
    "results.to_legacy tools/call": lambda it: results.to_legacy("tools/call", it, version="2024-11-05"),
    "results.to_legacy tools/list": lambda it: results.to_legacy("tools/list", it, version="2025-11-25"),
    "results.to_modern": lambda it: results.to_modern("tools/list", it, server_info=it),
}
FOR_ANY_ANSWER: dict[str, Callable[[Any], object]] = {
    "asks.read_input_required": asks.read_input_required,
    "errors.to_legacy": lambda it: errors.to_legacy("tools/call", it),
    "errors.to_modern": lambda it: errors.to_modern("tools/call", it),
    "errors.url_elicitations": errors.url_elicitations,
    "results.to_modern": lambda it: results.to_modern("tools/call", it, server_info=None),
}
"""What takes `result` or `error` of a message before anybody has looked into it."""
MAY_REFUSE = {name for name in CALLS if name.startswith(("asks.read", "results.to"))}


@pytest.mark.parametrize("name", sorted(CALLS))
@settings(max_examples=60, deadline=None)
@given(it=objects)
def test_any_json_object_crosses_or_is_refused_by_name_and_is_never_mutated(name, it):
    before = copy.deepcopy(it)
    with contextlib.suppress(*([UpstreamGarbage] if name in MAY_REFUSE else [])):
        CALLS[name](it)
    assert it == before


@pytest.mark.parametrize("name", sorted(FOR_ANY_ANSWER))
@settings(max_examples=30, deadline=None)
@given(it=leaves)
def test_an_answer_that_is_no_object_is_refused_by_name_or_stands_for_a_failure(name, it):
    with contextlib.suppress(*([UpstreamGarbage] if name in MAY_REFUSE else [])):
        FOR_ANY_ANSWER[name](it)


@settings(max_examples=200, deadline=None)
@given(objects, objects)
def test_any_tool_has_headers_or_a_reason_why_not(tool, arguments):
    with contextlib.suppress(ValueError):
        param_headers.fields(param_headers.read(tool), arguments)
