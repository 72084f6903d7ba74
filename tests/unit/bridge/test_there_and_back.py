"""What crosses is valid in the other era, and what crosses back has kept every field that both eras have."""

import copy
import json
from typing import Any

import mcp_types._v2025_11_25 as v2025
import mcp_types._v2026_07_28 as v2026
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import methods as sdk

from gateway_core.protocol.bridge import asks, content, errors, meta, notifications, requests, results
from gateway_core.protocol.versions import (
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_SERVER_INFO,
    META_SUBSCRIPTION_ID,
    RESOURCE_NOT_FOUND,
    URL_ELICITATION_REQUIRED,
)
from tests.unit.bridge import drawing
from tests.unit.bridge.comparing import LEGACY, MODERN, drawn, signed, tidy, valid, without

BOTH = sorted({method for method, version in sdk.CLIENT_REQUESTS if version == LEGACY}
              & {method for method, version in sdk.CLIENT_REQUESTS if version == MODERN})  # fmt: skip
per_method = pytest.mark.parametrize("method", BOTH)


def tidy_request(message: Any) -> Any:
    return tidy({**message, "params": tidy(message.get("params", {}))})


@per_method
@drawn
@given(data=st.data())
def test_a_legacy_request_crosses_and_comes_back(method, data):
    request = data.draw(drawing.of(sdk.CLIENT_REQUESTS[method, LEGACY]))
    client, level = data.draw(drawing.of(v2026.Implementation)), data.draw(st.none() | st.just("error"))
    before = copy.deepcopy(request)
    crossed = requests.to_modern(request, call_id=7, client_info=client, capabilities={}, log_level=level)
    assert valid(sdk.CLIENT_REQUESTS[method, MODERN], crossed)
    token = request.get("params", {}).get("_meta", {}).get("progressToken")
    back = requests.to_legacy(crossed, call_id=request["id"], progress_token=token)
    assert back == tidy_request(before)
    assert request == before


@per_method
@drawn
@given(data=st.data())
def test_a_modern_request_crosses_and_comes_back(method, data):
    request = data.draw(drawing.of(sdk.CLIENT_REQUESTS[method, MODERN]))
    before, about = copy.deepcopy(request), request["params"]["_meta"]
    crossed = requests.to_legacy(request, call_id=7, progress_token=about.get("progressToken"))
    assert valid(sdk.CLIENT_REQUESTS[method, LEGACY], crossed)
    back = requests.to_modern(
        crossed,
        call_id=request["id"],
        client_info=about.get(META_CLIENT_INFO),
        capabilities=about[META_CLIENT_CAPABILITIES],
        log_level=about.get(META_LOG_LEVEL),
    )
    about_now = {**about, "io.modelcontextprotocol/protocolVersion": MODERN}
    kept = without(before["params"], "inputResponses", "requestState")
    assert back == {**before, "params": {**kept, "_meta": about_now}}
    assert request == before


@per_method
@drawn
@given(data=st.data())
def test_a_legacy_result_crosses_and_comes_back(method, data):
    result = data.draw(drawing.of(sdk.SERVER_RESULTS[method, LEGACY]))
    info = data.draw(st.none() | drawing.of(v2025.Implementation))
    before = copy.deepcopy(result)
    crossed = results.to_modern(method, result, server_info=info)
    sdk.validate_server_result(method, MODERN, crossed)
    expected = dict(before) if info is None else tidy(before)
    if method == "tools/list":
        callable_here = [t for t in before["tools"] if t.get("execution", {}).get("taskSupport") != "required"]
        expected["tools"] = [without(tool, "execution") for tool in callable_here]
    assert results.to_legacy(method, crossed, version=LEGACY) == expected
    assert result == before


@per_method
@drawn
@given(data=st.data())
def test_a_modern_result_crosses_and_comes_back(method, data):
    result = data.draw(drawing.of(sdk.SERVER_RESULTS[method, MODERN]))
    if "inputRequests" in result or "requestState" in result or (method in errors.ASKING and set(result) <= OF_ANY):
        return
    result["resultType"] = "complete"
    result = signed(result, data.draw(st.none() | drawing.of(v2026.Implementation)))
    before = copy.deepcopy(result)
    crossed = results.to_legacy(method, result, version=LEGACY)
    sdk.validate_server_result(method, LEGACY, crossed)
    info = meta.read(before).get(META_SERVER_INFO)
    back = results.to_modern(method, crossed, server_info=info)
    expected = dict(before)
    if method in results.CACHEABLE:
        expected |= {"ttlMs": 0, "cacheScope": "private"}
    if method == "tools/list":
        expected["tools"] = [
            tool if tool.get("outputSchema", {}).get("type") == "object" else without(tool, "outputSchema")
            for tool in before["tools"]
        ]
    if not isinstance(before.get("structuredContent", {}), dict):
        assert content.says(back["content"], before["structuredContent"])
        expected = without(expected, "structuredContent") | {"content": back["content"]}
        assert back["content"][: len(before["content"])] == before["content"]
    assert back == expected
    assert result == before


OF_ANY = {"_meta", "resultType", drawing.UNKNOWN}


@drawn
@given(st.sampled_from(BOTH), st.integers(-32800, -31900), drawing.words, drawing.json_values)
def test_an_error_crosses_either_way_with_its_message_and_data(method, code, text, detail):
    error = {"code": code, "message": text, "data": detail, drawing.UNKNOWN: 1}
    modern, legacy = errors.to_modern(method, error), errors.to_legacy(method, error)
    assert without(modern, "code") == without(legacy, "code") == without(error, "code")
    assert modern["code"] not in (RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED)
    assert modern["code"] not in errors.RESERVED
    if code not in errors.RESERVED and code != RESOURCE_NOT_FOUND:
        assert modern["code"] == legacy["code"] == code


@pytest.mark.parametrize("method", sorted(asks.ASKS))
@drawn
@given(data=st.data())
def test_what_a_legacy_server_asks_crosses_and_comes_back(method, data):
    request = data.draw(drawing.of(sdk.SERVER_REQUESTS[method, LEGACY]))
    before = copy.deepcopy(request)
    entry = asks.to_modern(request)
    asked = asks.input_required({"a": entry}, "state")
    assert valid(v2026.InputRequiredResult, asked)
    assert asks.read_input_required(asked) == ({"a": entry}, "state")
    back = asks.to_legacy("ask-1", entry)
    expected = {**before, "id": "ask-1"}
    if "params" in before:
        expected["params"] = tidy(without(before["params"], "task"))
        about = without(before["params"].get("_meta", {}), "progressToken")
        if about != before["params"].get("_meta", {}):
            expected["params"] = tidy(expected["params"] | {"_meta": about})
        if "elicitationId" in expected["params"]:
            expected["params"]["elicitationId"] = "ask-1"
        if "tools" in before["params"]:
            expected["params"]["tools"] = [without(tool, "execution") for tool in before["params"]["tools"]]
    assert tidy_ask(back) == tidy_ask(expected)
    assert request == before


def tidy_ask(request: Any) -> Any:
    return {**request, "params": tidy(request["params"])} if "params" in request else request


@drawn
@given(drawing.of(v2026.InputRequest), st.integers(0, 9) | drawing.words)
def test_what_a_modern_server_asks_crosses_and_comes_back(entry, ask_id):
    before = copy.deepcopy(entry)
    request = asks.to_legacy(ask_id, entry)
    assert valid(sdk.SERVER_REQUESTS[entry["method"], LEGACY], request)
    assert asks.to_modern(request) == legacy_sampling(before)
    assert entry == before


def legacy_sampling(entry: Any) -> Any:
    """An ask without what 2025-11-25 cannot hold: output schemas and structured results that are no objects."""
    entry = copy.deepcopy(entry)
    params = entry.get("params", {})
    for tool in params.get("tools", []):
        if tool.get("outputSchema", {}).get("type") != "object":
            tool.pop("outputSchema", None)
    for message in params.get("messages", []):
        legacy_blocks(message["content"])
    return entry


def legacy_blocks(said: Any) -> None:
    for block in said if isinstance(said, list) else [said]:
        if not isinstance(block.get("structuredContent", {}), dict):
            value = block.pop("structuredContent")
            if not content.says(block["content"], value):
                block["content"].append({"type": "text", "text": json.dumps(value, ensure_ascii=False)})


@pytest.mark.parametrize("method", sorted(asks.ASKS))
@drawn
@given(data=st.data())
def test_what_a_client_answers_crosses_and_comes_back(method, data):
    legacy = data.draw(drawing.of(sdk.CLIENT_RESULTS[method, LEGACY]))
    response = {"jsonrpc": "2.0", "id": 1, "result": legacy}
    before = copy.deepcopy(response)
    value = asks.response_of(method, response)
    assert valid(v2026.InputResponse, value)
    alone = () if method == "sampling/createMessage" else ("_meta",)
    assert asks.answer(1, value or {}) == {**before, "result": without(legacy, *alone)}
    assert response == before


@drawn
@given(drawing.of(v2026.CreateMessageResult))
def test_what_a_modern_client_samples_is_valid_for_a_legacy_server(sampled):
    before = copy.deepcopy(sampled)
    answered = asks.answer(1, sampled)
    assert valid(sdk.CLIENT_RESULTS["sampling/createMessage", LEGACY], answered["result"])
    expected = copy.deepcopy(before)
    legacy_blocks(expected["content"])
    assert answered["result"] == expected
    assert sampled == before


@drawn
@given(data=st.data())
def test_a_notification_crosses_and_comes_back(data):
    method = data.draw(st.sampled_from(sorted({m for m, version in sdk.SERVER_NOTIFICATIONS if version == MODERN})))
    told = data.draw(drawing.of(sdk.SERVER_NOTIFICATIONS[method, MODERN]))
    before = copy.deepcopy(told)
    crossed = notifications.to_legacy(told)
    assert told == before
    if crossed is None:
        assert method in ("notifications/subscriptions/acknowledged", "notifications/cancelled")
        return
    assert valid(sdk.SERVER_NOTIFICATIONS[method, LEGACY], crossed)
    plain = {**before, "params": tidy(meta.lacking(before.get("params", {}), {META_SUBSCRIPTION_ID}))}
    back = notifications.to_modern(crossed, log_level="debug") or listened(crossed)
    assert valid(sdk.SERVER_NOTIFICATIONS[method, MODERN], back)
    returned = notifications.to_legacy(back)
    assert returned is not None
    assert tidy_request(returned) == tidy(plain)


def listened(notification: Any) -> Any:
    uri = notification.get("params", {}).get("uri")
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    return notifications.for_subscription(
        notification, subscription_id=3, wanted={**wanted, "resourceSubscriptions": [uri]}
    )
