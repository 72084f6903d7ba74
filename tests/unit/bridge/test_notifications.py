"""What servers tell, and on which stream a client of the other era hears it."""

import pytest

from gateway_core.protocol.bridge import notifications
from gateway_core.protocol.versions import META_SUBSCRIPTION_ID

PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 2}}
TOOLS = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
ALL = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
OFFERED = {"tools": {"listChanged": True}, "prompts": {"listChanged": True},
           "resources": {"listChanged": True, "subscribe": True}}  # fmt: skip


def message(level):
    return {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": "x"}}


def updated(uri):
    return {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}


def test_a_modern_client_always_hears_of_the_progress_of_its_request():
    assert notifications.to_modern(PROGRESS, log_level=None) == PROGRESS


@pytest.mark.parametrize(
    ("asked", "level", "heard"),
    [
        (None, "emergency", False), ("warning", "notice", False), ("warning", "warning", True),
        ("warning", "error", True), ("debug", "debug", True), ("debug", "loud", False), ("loud", "error", False),
        ("debug", ["debug"], False),
    ],
)  # fmt: skip
def test_a_modern_client_hears_log_messages_from_the_level_on_that_its_request_asked_for(asked, level, heard):
    assert (notifications.to_modern(message(level), log_level=asked) == message(level)) is heard


@pytest.mark.parametrize("method", [
    "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
    "notifications/resources/updated", "notifications/elicitation/complete", "notifications/tasks/status",
    "notifications/cancelled", "notifications/com.example/x",
])  # fmt: skip
def test_nothing_else_comes_on_the_stream_of_a_modern_request(method):
    assert notifications.to_modern({"jsonrpc": "2.0", "method": method}, log_level="debug") is None


def test_a_legacy_client_hears_of_changes_and_nothing_of_subscriptions():
    tagged = {**TOOLS, "params": {"_meta": {META_SUBSCRIPTION_ID: 1}}}
    assert notifications.to_legacy(tagged) == TOOLS
    assert notifications.to_legacy({**PROGRESS, "x": 1}) == {**PROGRESS, "x": 1}
    params = {"uri": "a", "_meta": {META_SUBSCRIPTION_ID: 1, "y": 2}}
    kept = {**updated("a"), "params": {"uri": "a", "_meta": {"y": 2}}}
    assert notifications.to_legacy({**updated("a"), "params": params}) == kept
    for method in ("notifications/subscriptions/acknowledged", "notifications/cancelled"):
        assert notifications.to_legacy({"jsonrpc": "2.0", "method": method, "params": {}}) is None


def test_a_subscription_delivers_what_its_filter_wants_tagged_with_its_id():
    told = notifications.for_subscription(TOOLS, subscription_id="s", wanted={"toolsListChanged": True})
    assert told == {**TOOLS, "params": {"_meta": {META_SUBSCRIPTION_ID: "s"}}}
    for wanted in ({}, {"toolsListChanged": False}, {"toolsListChanged": 1}, {"promptsListChanged": True}):
        assert notifications.for_subscription(TOOLS, subscription_id="s", wanted=wanted) is None
    assert notifications.for_subscription(PROGRESS, subscription_id="s", wanted=ALL) is None


@pytest.mark.parametrize(
    ("uri", "heard"),
    [("file:///a", True), ("file:///a/b", True), ("file:///ab", False), ("file:///", False), (None, False)],
)
def test_a_subscription_to_a_resource_covers_it_and_what_lies_beneath(uri, heard):
    wanted = {"resourceSubscriptions": ["file:///x", "file:///a"]}
    told = notifications.for_subscription(updated(uri), subscription_id=0, wanted=wanted)
    assert (told is not None) is heard
    if told is not None:
        assert told["params"] == {"uri": uri, "_meta": {META_SUBSCRIPTION_ID: 0}}


def test_a_subscription_is_honoured_as_far_as_the_server_can():
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["a", 1], "other": True}
    assert notifications.honoured(wanted, OFFERED) == {"toolsListChanged": True, "resourceSubscriptions": ["a"]}
    assert notifications.honoured(wanted, {"tools": {}}) == {}
