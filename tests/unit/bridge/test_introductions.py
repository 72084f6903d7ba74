"""What clients and servers say of themselves is valid in the other era, and keeps every field that both eras have."""

import copy

import mcp_types._v2025_11_25 as v2025
import mcp_types._v2026_07_28 as v2026
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.protocol.bridge import capabilities, meta
from gateway_core.protocol.versions import META_SERVER_INFO
from tests.unit.bridge import drawing
from tests.unit.bridge.comparing import LEGACY, MODERN, drawn, signed, tidy, valid, without


@drawn
@given(drawing.of(v2025.ClientCapabilities), drawing.of(v2026.ClientCapabilities))
def test_a_clients_capabilities_cross_and_come_back(legacy, modern):
    before = copy.deepcopy((legacy, modern))
    crossed = capabilities.client_to_modern(legacy)
    assert valid(v2026.ClientCapabilities, crossed)
    expected = without(legacy, "tasks")
    if "roots" in legacy:
        expected["roots"] = without(legacy["roots"], "listChanged")
    assert capabilities.client_to_legacy(crossed) == expected
    crossed = capabilities.client_to_legacy(modern)
    assert valid(v2025.ClientCapabilities, crossed)
    assert capabilities.client_to_modern(crossed) == without(modern, "extensions")
    assert (legacy, modern) == before


@drawn
@given(drawing.of(v2025.InitializeResult))
def test_an_initialize_result_crosses_and_comes_back(initialized):
    before = copy.deepcopy(initialized)
    discovered = capabilities.discover_result(initialized, listening=True)
    assert valid(v2026.DiscoverResult, discovered)
    back = capabilities.initialize_result(discovered, version=before["protocolVersion"], name="x", listening=True)
    assert back == tidy(before) | {"capabilities": without(before["capabilities"], "tasks")}
    assert initialized == before


@drawn
@given(drawing.of(v2026.DiscoverResult), st.none() | drawing.of(v2026.Implementation))
def test_a_discover_result_crosses_and_comes_back(discovered, info):
    discovered = signed(discovered, info)
    before = copy.deepcopy(discovered)
    initialized = capabilities.initialize_result(discovered, version=LEGACY, name="weather", listening=True)
    assert valid(v2025.InitializeResult, initialized)
    back = capabilities.discover_result(initialized, listening=True)
    named = {META_SERVER_INFO: {"name": "weather", "version": "unknown"}, **meta.read(before)}
    made_anew = {"resultType": "complete", "supportedVersions": [MODERN], "ttlMs": 0, "cacheScope": "private"}
    assert back == before | made_anew | {
        "_meta": named,
        "capabilities": without(before["capabilities"], "extensions"),
    }
    assert discovered == before
