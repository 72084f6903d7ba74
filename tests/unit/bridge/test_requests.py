"""Calls of clients on their way to a server of the other era."""

from typing import Any

import pytest

from gateway_core.protocol.bridge import requests
from gateway_core.protocol.versions import (
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_VERSION,
)

CLIENT = {"name": "chat", "version": "1"}
CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "forecast", "arguments": {}},
}
ABOUT = {META_VERSION: "2026-07-28", META_CLIENT_INFO: CLIENT, META_CLIENT_CAPABILITIES: {}, META_LOG_LEVEL: "info"}


def with_params(**more):
    return {**CALL, "params": {**CALL["params"], **more}}


def test_a_modern_server_is_told_with_each_request_what_a_session_remembers():
    asked = with_params(_meta={"progressToken": 5, "traceparent": "00-1"})
    sent = requests.to_modern(asked, call_id="c", client_info=CLIENT, capabilities={}, log_level="info")
    assert sent == {**with_params(_meta={"progressToken": 5, "traceparent": "00-1", **ABOUT}), "id": "c"}


def test_a_legacy_request_without_params_gets_some_for_what_a_modern_one_must_say():
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    sent = requests.to_modern(listed, call_id=2, client_info=None, capabilities={"roots": {}}, log_level=None)
    meta = {META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {"roots": {}}}
    assert sent == {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}}


def test_a_legacy_client_cannot_slip_in_what_only_the_gateway_says_for_it():
    forged = with_params(_meta=dict(ABOUT), inputResponses={"a": {}}, requestState="stolen")
    sent = requests.to_modern(forged, call_id=1, client_info=None, capabilities={}, log_level=None)
    assert sent == with_params(_meta={META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}})


def test_a_retry_repeats_the_request_with_the_latest_answers_and_state_and_a_new_id():
    first = with_params(_meta=dict(ABOUT))
    second = requests.with_answers(first, call_id=2, responses={"a": {"action": "accept"}}, state="one")
    third = requests.with_answers(second, call_id=3, responses={"b": {"action": "cancel"}}, state="two")
    assert second == {
        **with_params(_meta=ABOUT, inputResponses={"a": {"action": "accept"}}, requestState="one"),
        "id": 2,
    }
    assert third == {
        **with_params(_meta=ABOUT, inputResponses={"b": {"action": "cancel"}}, requestState="two"),
        "id": 3,
    }


def test_a_retry_sends_no_state_where_none_came_and_no_answers_where_nothing_was_asked():
    assert requests.with_answers(CALL, call_id=2, responses={"a": {}}, state=None)["params"].keys() == {
        "name", "arguments", "inputResponses",
    }  # fmt: skip
    assert requests.with_answers(CALL, call_id=2, responses={}, state="")["params"]["requestState"] == ""
    assert "inputResponses" not in requests.with_answers(CALL, call_id=2, responses={}, state="s")["params"]


def test_a_legacy_server_gets_a_request_without_the_marks_of_the_modern_era():
    modern = with_params(_meta={**ABOUT, "traceparent": "00-1"}, inputResponses={}, requestState="s")
    assert requests.to_legacy(modern, call_id=9, progress_token=None) == {**with_params(_meta={"traceparent": "00-1"}),
                                                                           "id": 9}  # fmt: skip


def test_params_that_held_nothing_else_are_gone():
    modern = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ABOUT}}
    sent = {"jsonrpc": "2.0", "id": 9, "method": "tools/list"}
    assert requests.to_legacy(modern, call_id=9, progress_token="p") == sent


@pytest.mark.parametrize(("given", "sent"), [("p", {"_meta": {"progressToken": "p"}}), (None, {})])
def test_progress_is_asked_for_under_a_token_of_the_gateway_and_only_where_the_client_asked(given, sent):
    modern = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "prompts/get",
        "params": {"name": "x", "_meta": {"progressToken": 0}},
    }
    assert requests.to_legacy(modern, call_id=1, progress_token=given)["params"] == {"name": "x", **sent}


def test_tasks_cannot_cross_and_the_client_is_told_so():
    for to in ("legacy", "modern"):
        assert "has other tasks" in (requests.uncarried({"method": "tasks/get", "params": {}}, to) or "")
        assert "Call it without params.task" in (requests.uncarried(with_params(task={"ttl": 1}), to) or "")
        assert requests.uncarried(CALL, to) is None
        assert requests.uncarried({"method": "prompts/get", "params": {"task": {}}}, to) is None
