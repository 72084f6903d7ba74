"""What servers want from people and models at the client, and what comes back."""

from typing import Any

import pytest

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol.bridge import asks

FORM: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {"message": "Who?", "requestedSchema": {"type": "object"}},
}
URL: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {"mode": "url", "message": "Sign in", "url": "https://a.example/"},
}
SAMPLE: dict[str, Any] = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}
ROOTS = {"method": "roots/list"}


@pytest.mark.parametrize(
    ("declared", "ask", "missing"),
    [
        ({}, FORM, "elicitation"),
        ({"elicitation": {}}, FORM, None),
        ({"elicitation": {"form": {}}}, FORM, None),
        ({"elicitation": {"url": {}}}, FORM, "elicitation.form"),
        ({}, URL, "elicitation.url"),
        ({"elicitation": {}}, URL, "elicitation.url"),
        ({"elicitation": {"url": {}}}, URL, None),
        ({"elicitation": True}, FORM, "elicitation"),
        ({}, SAMPLE, "sampling"),
        ({"sampling": {}}, SAMPLE, None),
        ({"sampling": {}}, {**SAMPLE, "params": {"tools": []}}, "sampling.tools"),
        ({"sampling": {}}, {**SAMPLE, "params": {"toolChoice": {}}}, "sampling.tools"),
        ({"sampling": {"tools": {}}}, {**SAMPLE, "params": {"tools": []}}, None),
        ({}, ROOTS, "roots"),
        ({"roots": {}}, ROOTS, None),
    ],
)
def test_a_client_is_asked_only_what_it_declared_and_else_the_server_learns_what_is_missing(declared, ask, missing):
    assert asks.lacking(declared, ask["method"], ask.get("params", {})) == missing


def test_a_missing_capability_is_named_as_clients_declare_it():
    assert asks.required("roots") == {"roots": {}}
    assert asks.required("elicitation.url") == {"elicitation": {"url": {}}}


def test_a_legacy_client_is_asked_with_a_request_and_an_address_gets_the_id_its_revision_wants():
    assert asks.to_legacy("a1", FORM) == {"jsonrpc": "2.0", "id": "a1", **FORM}
    opened = {"jsonrpc": "2.0", "id": 4, "method": URL["method"], "params": {**URL["params"], "elicitationId": "4"}}
    assert asks.to_legacy(4, URL) == opened
    assert asks.to_legacy(4, ROOTS) == {"jsonrpc": "2.0", "id": 4, **ROOTS}


def test_a_modern_client_is_asked_without_ids_tasks_or_progress():
    params = {**URL["params"], "elicitationId": "e", "task": {"ttl": 1}, "_meta": {"progressToken": 1, "x": 2}}
    request = {"jsonrpc": "2.0", "id": 4, "method": URL["method"], "params": params}
    assert asks.to_modern(request) == {**URL, "params": {**URL["params"], "_meta": {"x": 2}}}


def test_tools_for_a_modern_clients_model_say_nothing_of_tasks():
    tool = {"name": "a", "inputSchema": {"type": "object"}}
    params = {**SAMPLE["params"], "tools": [{**tool, "execution": {"taskSupport": "optional"}}]}
    assert asks.to_modern({**SAMPLE, "id": 1, "params": params})["params"]["tools"] == [tool]


def test_tools_for_a_legacy_clients_model_have_the_schemas_its_revision_can_hold():
    tools = [{"name": "a", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}}]
    said = [
        {"role": "user", "content": {"type": "tool_result", "toolUseId": "t", "content": [], "structuredContent": [1]}}
    ]
    asked = asks.to_legacy(1, {**SAMPLE, "params": {"messages": said, "maxTokens": 1, "tools": tools}})["params"]
    assert asked["tools"] == [{"name": "a", "inputSchema": {"type": "object"}}]
    used = {"type": "tool_result", "toolUseId": "t", "content": [{"type": "text", "text": "[1]"}]}
    assert asked["messages"] == [{"role": "user", "content": used}]


def test_an_input_required_result_is_read_and_written():
    asked = {"resultType": "input_required", "inputRequests": {"a": FORM, "b": ROOTS}, "requestState": "s"}
    assert asks.read_input_required(asked) == ({"a": FORM, "b": ROOTS}, "s")
    assert asks.input_required({"a": FORM, "b": ROOTS}, "s") == asked
    assert asks.read_input_required({"resultType": "input_required", "requestState": ""}) == ({}, "")
    assert asks.input_required({}, "s") == {"resultType": "input_required", "requestState": "s"}
    assert asks.read_input_required({"resultType": "input_required", "inputRequests": {}}) == ({}, None)
    assert asks.read_input_required({"resultType": "complete"}) is None
    assert asks.read_input_required({"inputRequests": {}}) is None


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({}, "neither what it needs nor how to go on"),
        ({"requestState": 1}, "requestState that is no text"),
        ({"inputRequests": [FORM]}, "no object"),
        ({"inputRequests": {"a": 1}}, "no request"),
        ({"inputRequests": {"a": {**FORM, "params": []}}}, "no request"),
        ({"inputRequests": {"a": {"method": "ping"}}}, "MCP does not know"),
        ({"inputRequests": {"a": {"method": ["roots/list"]}}}, "MCP does not know"),
        ({"inputRequests": {"a": {"method": "elicitation/create"}}}, "without saying what"),
        ({"inputRequests": {str(n): ROOTS for n in range(17)}}, "more than 16 things"),
    ],
)
def test_a_server_that_asks_in_a_broken_way_is_refused_with_what_is_wrong(broken, what):
    with pytest.raises(UpstreamGarbage, match=what):
        asks.read_input_required({"resultType": "input_required", **broken})


def test_a_person_who_does_not_answer_has_cancelled_and_a_model_that_does_not_has_no_answer():
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "User rejected"}}
    assert asks.response_of("elicitation/create", failed) == {"action": "cancel"}
    assert asks.response_of("sampling/createMessage", failed) is None
    assert asks.response_of("roots/list", failed) is None


def test_an_answer_keeps_what_the_other_era_has_a_place_for():
    accepted = {"result": {"action": "accept", "content": {"a": 1}, "_meta": {"x": 1}}}
    assert asks.response_of("elicitation/create", accepted) == {"action": "accept", "content": {"a": 1}}
    sampled = {"role": "assistant", "content": {"type": "text", "text": "Hi"}, "model": "m", "_meta": {"x": 1}}
    assert asks.response_of("sampling/createMessage", {"result": sampled}) == sampled
    assert asks.answer(3, {**sampled, "resultType": "complete"}) == {"jsonrpc": "2.0", "id": 3, "result": sampled}
