"""Which headers no setting sends, which are never passed on from a caller, and that each has its reason."""

import pytest

from gateway_core.access.credentials import KEY_HEADERS
from gateway_core.egress.requests import OWN_HEADERS
from gateway_core.registry.forwarded import USUAL_HEADERS, IdentityForwarding, reserved, unpassable, withheld

RESERVED = [
    *sorted(OWN_HEADERS), "accept", "content-type", "cookie", "last-event-id", "traceparent", "tracestate",
    "user-agent", "via", "forwarded", "x-forwarded-for", "x-forwarded-user", "x-amz-date", "x-amzn-trace-id",
    "mcp-session-id", "mcp-protocol-version", "mcp-method", "proxy-authorization", "sec-fetch-site",
    "cloudfront-viewer-address", "x-gatehouse-edge",
]  # fmt: skip
WITHHELD = [
    *KEY_HEADERS, "authorization", "set-cookie", "api-key", "apikey", "x-auth-token", "x-access-token",
    "x-user-claims", "x-user-jwt", "remote-user", "x-remote-user", "x-real-ip", "true-client-ip", "x-client-ip",
    "cf-connecting-ip", "x-http-method", "x-http-method-override", "x-method-override", "x-original-url",
    "x-rewrite-url",
]  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
def test_what_frames_the_protocol_or_a_hop_no_setting_sends_and_no_caller_hands_on(name: str):
    for spelled in (name, name.upper(), name.replace("-", "_")):
        assert reserved(spelled), spelled
        assert withheld(spelled) == reserved(spelled)


@pytest.mark.parametrize("name", WITHHELD)
def test_a_callers_credential_and_identity_stay_here_while_a_setting_may_send_its_own(name: str):
    for spelled in (name, name.title(), name.replace("-", "_")):
        assert withheld(spelled), spelled
        assert reserved(spelled) is None


@pytest.mark.parametrize(
    "name", ["x-team", "x-request-id", "accept-language", "mcp", "x-api-key-2", "cookies", "x-via"]
)
def test_a_header_that_only_resembles_one_of_those_is_free(name: str):
    assert withheld(name) is None
    assert unpassable(name) is None


def test_a_name_that_many_servers_read_as_another_is_never_passed_on():
    assert withheld("x_team") is None
    assert unpassable("x_team")
    assert all(unpassable(name) == withheld(name) for name in (*RESERVED, *WITHHELD))


def test_who_calls_is_told_in_the_usual_header_of_the_method_unless_another_is_named():
    assert IdentityForwarding("claims_header", None, ()).sent_as == "x-user-claims"
    assert IdentityForwarding("jwt_header", None, ()).sent_as == "x-user-jwt"
    assert IdentityForwarding("bearer", None, ()).sent_as == "authorization"
    assert IdentityForwarding("jwt_header", "x-caller", ()).sent_as == "x-caller"
    assert all(withheld(name) for name in USUAL_HEADERS.values())
