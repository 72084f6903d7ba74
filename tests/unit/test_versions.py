"""Our constants are the official SDK's."""

from typing import get_args

import mcp_types
import mcp_types._v2026_07_28 as v2026
from mcp.shared import inbound as sdk_inbound
from mcp_types import jsonrpc, methods, version

from gateway_core.protocol import versions
from gateway_core.protocol.bridge import errors, notifications, results


def test_revisions_methods_and_codes_are_those_of_the_official_sdk():
    assert version.HANDSHAKE_PROTOCOL_VERSIONS == versions.LEGACY_VERSIONS
    assert version.MODERN_PROTOCOL_VERSIONS == versions.MODERN_VERSIONS
    assert dict(sdk_inbound.ERROR_CODE_HTTP_STATUS) == versions.MODERN_STATUS
    assert dict(sdk_inbound.NAME_BEARING_METHODS) == versions.NAMED_BY
    assert jsonrpc.HEADER_MISMATCH == versions.HEADER_MISMATCH
    assert jsonrpc.MISSING_REQUIRED_CLIENT_CAPABILITY == versions.MISSING_CLIENT_CAPABILITY
    assert jsonrpc.UNSUPPORTED_PROTOCOL_VERSION == versions.UNSUPPORTED_VERSION
    assert jsonrpc.URL_ELICITATION_REQUIRED == versions.URL_ELICITATION_REQUIRED
    for era, ours in versions.REQUESTS.items():
        known = {method for method, revision in methods.CLIENT_REQUESTS if versions.era_of(revision) == era}
        assert {method for method in ours if not method.startswith("tasks/")} == known


def test_names_in_meta_and_methods_with_rules_of_their_own_are_those_of_the_official_sdk():
    assert mcp_types.PROTOCOL_VERSION_META_KEY == versions.META_VERSION
    assert mcp_types.CLIENT_INFO_META_KEY == versions.META_CLIENT_INFO
    assert mcp_types.CLIENT_CAPABILITIES_META_KEY == versions.META_CLIENT_CAPABILITIES
    assert mcp_types.LOG_LEVEL_META_KEY == versions.META_LOG_LEVEL
    assert versions.META_SUBSCRIPTION_ID in v2026.NotificationMetaObject.model_json_schema()["properties"]
    assert mcp_types.SERVER_INFO_META_KEY == versions.META_SERVER_INFO
    assert methods.CACHEABLE_METHODS == results.CACHEABLE
    assert methods.INPUT_REQUIRED_METHODS == errors.ASKING
    assert set(get_args(mcp_types.LoggingLevel)) == set(notifications.LEVELS)


def test_our_own_error_codes_stay_out_of_the_reserved_ranges():
    for ours in (versions.REFUSED_BY_POLICY, versions.UNAUTHENTICATED):
        assert not -32768 <= ours <= -32000
