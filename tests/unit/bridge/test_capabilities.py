"""What each side is told about the other."""

from typing import Any

from gateway_core.protocol.bridge import capabilities
from gateway_core.protocol.versions import META_SERVER_INFO

WEATHER = {"name": "weather", "version": "3"}
APPS = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
TASKS: dict[str, Any] = {"io.modelcontextprotocol/tasks": {}}


def test_a_server_learns_what_the_client_can_be_asked_and_nothing_of_tasks_or_changing_roots():
    declared = {"roots": {"listChanged": True}, "tasks": {"list": {}}, "elicitation": {}, "sampling": {"tools": {}}}
    told: dict[str, Any] = {"roots": {}, "elicitation": {}, "sampling": {"tools": {}}}
    assert capabilities.client_to_modern(declared) == told
    assert capabilities.client_to_legacy(declared) == told


def test_of_extensions_only_apps_cross_because_they_are_the_same_in_both_eras():
    declared = {"extensions": {**APPS, **TASKS, "com.example/x": {}}}
    for cross in (capabilities.client_to_modern, capabilities.client_to_legacy):
        assert cross(declared) == {"extensions": APPS}
        assert cross({"extensions": TASKS}) == {}
    assert capabilities.server_to_legacy(declared, listening=True) == {"extensions": APPS}
    assert capabilities.server_to_modern(declared, listening=False) == {"extensions": APPS}


def test_without_a_stream_no_server_promises_to_tell_of_changes():
    offered = {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True, "com.example/x": 1},
        "resources": {"listChanged": True, "subscribe": True},
        "logging": {},
        "completions": {},
        "experimental": {"listChanged": {"x": 1}},
    }
    silent = {
        "tools": {},
        "prompts": {"com.example/x": 1},
        "resources": {},
        "logging": {},
        "completions": {},
        "experimental": {"listChanged": {"x": 1}},
    }
    for cross in (capabilities.server_to_legacy, capabilities.server_to_modern):
        assert cross(offered, listening=True) == offered
        assert cross(offered, listening=False) == silent


def test_a_legacy_client_gets_an_initialize_result_with_the_name_and_instructions_of_the_modern_server():
    discovered = {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "instructions": "Ask for the weather.",
        "ttlMs": 3600000,
        "cacheScope": "public",
        "com.example/x": 1,
        "_meta": {META_SERVER_INFO: WEATHER},
    }
    assert capabilities.initialize_result(discovered, version="2025-06-18", name="x", listening=False) == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": WEATHER,
        "instructions": "Ask for the weather.",
        "com.example/x": 1,
    }


def test_a_server_that_does_not_name_itself_is_called_by_its_name_here():
    for info in (None, "weather", {"name": "weather"}, {"name": 1, "version": "1"}):
        discovered = {"_meta": {META_SERVER_INFO: info}}
        result = capabilities.initialize_result(discovered, version="2025-11-25", name="wetter", listening=False)
        assert result["serverInfo"] == {"name": "wetter", "version": "unknown"}
        assert result["capabilities"] == {}


def test_a_modern_client_discovers_a_legacy_server_and_caches_nothing():
    initialized = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {"listChanged": True}, "tasks": {}},
        "serverInfo": WEATHER,
        "instructions": "Ask.",
        "ttlMs": 5,
    }
    assert capabilities.discover_result(initialized, listening=True) == {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": True}},
        "instructions": "Ask.",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {META_SERVER_INFO: WEATHER},
    }
