"""Errors of servers on their way to a client of the other era."""

from typing import Any

import pytest

from gateway_core.protocol.bridge import errors

MISSING = {"code": -32002, "message": "Resource not found", "data": {"uri": "file:///a"}}
OPEN = {"mode": "url", "url": "https://a.example/", "elicitationId": "7", "message": "Sign in"}
SIGN_IN: dict[str, Any] = {"code": -32042, "message": "Sign in first", "data": {"elicitations": [OPEN], "x": 1}}


def test_a_resource_that_is_not_there_has_the_code_of_the_clients_era():
    modern = {**MISSING, "code": -32602}
    assert errors.to_modern("resources/read", MISSING) == modern
    assert errors.to_legacy("resources/read", modern) == MISSING


def test_that_code_means_nothing_a_modern_client_knows_where_no_resource_was_read():
    assert errors.to_modern("tools/call", MISSING)["code"] == -32603


@pytest.mark.parametrize("data", [None, {}, {"uri": 1}, {"uri": "a", "field": "uri"}, "file:///a"])
def test_invalid_parameters_of_another_kind_stay_what_they_are(data):
    error = {"code": -32602, "message": "Invalid", "data": data}
    assert errors.to_legacy("resources/read", error) == error
    assert errors.to_legacy("tools/call", {**error, "data": {"uri": "file:///a"}})["code"] == -32602


def test_a_modern_client_that_cannot_open_addresses_is_told_so_and_still_sees_the_address():
    told = errors.to_modern("tools/call", SIGN_IN)
    assert told["code"] == -32021
    assert told["data"] == {**SIGN_IN["data"], "requiredCapabilities": {"elicitation": {"url": {}}}}


def test_the_retired_code_for_opening_addresses_never_reaches_a_modern_client():
    assert errors.to_modern("tools/list", SIGN_IN)["code"] == -32603
    assert errors.to_modern("tools/call", {"code": -32042, "message": "x"})["code"] == -32603


@pytest.mark.parametrize("code", [-32020, -32021, -32022, -32050, -32099])
def test_a_legacy_server_cannot_use_codes_that_modern_mcp_keeps_for_itself(code):
    assert errors.to_modern("tools/call", {"code": code, "message": "x"}) == {"code": -32603, "message": "x"}


@pytest.mark.parametrize("code", [-32000, -32019, -32100, -32601, -31003, 1, "odd"])
def test_other_codes_cross_either_way(code):
    error = {"code": code, "message": "x", "data": [1]}
    assert errors.to_modern("tools/call", error) == errors.to_legacy("tools/call", error) == error


def test_what_a_modern_server_says_of_the_gateways_own_envelope_is_an_internal_error_to_a_legacy_client():
    for code in (-32020, -32022):
        assert errors.to_legacy("tools/call", {"code": code, "message": "x"}) == {"code": -32603, "message": "x"}
    lacking = {"code": -32021, "message": "x", "data": {"requiredCapabilities": {"sampling": {}}}}
    assert errors.to_legacy("tools/call", lacking) == lacking


def test_an_error_that_is_no_error_is_a_failure_without_words():
    unsaid = {"code": -32603, "message": "The server failed and did not say why."}
    assert errors.to_modern("tools/call", "oops") == errors.to_legacy("tools/call", None) == unsaid  # type: ignore[arg-type]


def test_the_addresses_to_open_are_read_from_that_error_alone():
    assert errors.url_elicitations(SIGN_IN) == [OPEN]
    assert errors.url_elicitations({**SIGN_IN, "code": -32000}) == []
    listed = [{"url": "https://b.example/"}, {"mode": "form", "url": "x"}, {"mode": "url"}, 1]
    odd = {**SIGN_IN, "data": {"elicitations": listed}}
    assert errors.url_elicitations(odd) == [{"mode": "url", "url": "https://b.example/", "message": "Sign in first"}]
