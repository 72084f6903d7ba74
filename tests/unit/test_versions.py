"""Our constants are the official SDK's."""

from mcp.shared import inbound as sdk_inbound
from mcp_types import jsonrpc, methods, version

from gateway_core.protocol import versions


def test_revisions_methods_and_codes_are_those_of_the_official_sdk():
    assert version.HANDSHAKE_PROTOCOL_VERSIONS == versions.LEGACY_VERSIONS
    assert version.MODERN_PROTOCOL_VERSIONS == versions.MODERN_VERSIONS
    assert dict(sdk_inbound.ERROR_CODE_HTTP_STATUS) == versions.MODERN_STATUS
    assert dict(sdk_inbound.NAME_BEARING_METHODS) == versions.NAMED_BY
    assert jsonrpc.HEADER_MISMATCH == versions.HEADER_MISMATCH
    assert jsonrpc.MISSING_REQUIRED_CLIENT_CAPABILITY == versions.MISSING_CLIENT_CAPABILITY
    assert jsonrpc.UNSUPPORTED_PROTOCOL_VERSION == versions.UNSUPPORTED_VERSION
    for era, ours in versions.REQUESTS.items():
        known = {method for method, revision in methods.CLIENT_REQUESTS if versions.era_of(revision) == era}
        assert {method for method in ours if not method.startswith("tasks/")} == known


def test_our_own_error_codes_stay_out_of_the_reserved_ranges():
    for ours in (versions.REFUSED_BY_POLICY, versions.UNAUTHENTICATED):
        assert not -32768 <= ours <= -32000
