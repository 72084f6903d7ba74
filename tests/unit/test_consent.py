"""Which client is told in which way that an account is wanted, and what stands in it."""

import json
from typing import Any

import mcp_types
import pytest
from mcp.shared.exceptions import UrlElicitationRequiredError

from gateway_core.errors import ConsentRequired
from gateway_core.headers import read_headers
from gateway_core.protocol import consent
from gateway_core.protocol.inbound import Call, read_calls
from tests.flows.gateways import INITIALIZE, MODERN_META

LINK = "https://gateway.example.com/connect/x"
NEEDED = ConsentRequired("Linear acts as you.", url=LINK, elicitation_id="e1")
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
URLS: Any = {"elicitation": {"form": {}, "url": {}}}


def legacy(method: str) -> Call:
    params = {"name": "forecast", "uri": "a:b"}
    return read(INITIALIZE if method == "initialize" else {**INITIALIZE, "method": method, "params": params})


def modern(method: str, capabilities: Any) -> Call:
    params = {"name": "forecast", "uri": "a:b", "_meta": {**MODERN_META, CAPABILITIES: capabilities}}
    named = {"tools/call": "forecast", "prompts/get": "forecast", "resources/read": "a:b"}.get(method)
    fields = {"mcp-protocol-version": "2026-07-28", "mcp-method": method} | ({"mcp-name": named} if named else {})
    return read({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, fields)


def read(message: Any, fields: dict[str, str] | None = None) -> Call:
    raw = [(name.encode(), value.encode()) for name, value in (fields or {}).items()]
    found = read_calls(json.dumps(message).encode(), read_headers(raw))
    assert isinstance(found, Call)
    return found


ASKABLE = ("tools/call", "prompts/get", "resources/read")
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "completion/complete")


@pytest.mark.parametrize("method", [*ASKABLE, *LISTS])
def test_a_legacy_client_gets_the_error_that_its_revision_has_for_this(method):
    assert consent.signal(legacy(method), "flow", "") == "url_elicitation_required"


@pytest.mark.parametrize("method", ASKABLE)
@pytest.mark.parametrize(
    ("capabilities", "signal"),
    [
        (URLS, "input_required"),
        ({"elicitation": {"url": {}}}, "input_required"),
        ({"elicitation": {}}, "missing_capability"),
        ({"elicitation": {"form": {}}}, "missing_capability"),
        ({"elicitation": None}, "missing_capability"),
        ({}, "missing_capability"),
        ([], "missing_capability"),
    ],
)
def test_a_modern_client_is_asked_where_it_can_be_and_told_what_it_lacks_where_not(method, capabilities, signal):
    assert consent.signal(modern(method, capabilities), "flow", "") == signal


@pytest.mark.parametrize("method", LISTS)
def test_a_modern_client_is_not_asked_where_the_revision_has_no_questions(method):
    assert consent.signal(modern(method, URLS), "flow", "") == "refused"


@pytest.mark.parametrize("client", ["flow", "copilot-cli"])
def test_at_connect_every_client_gets_an_error_that_it_shows(client):
    assert consent.signal(legacy("initialize"), client, "") == "refused"
    assert consent.signal(modern("server/discover", URLS), client, "") == "refused"


@pytest.mark.parametrize("capabilities", [URLS, {}])
def test_a_program_that_cannot_do_what_it_declares_gets_what_it_can(capabilities):
    called = modern("tools/call", capabilities)
    assert consent.signal(called, "copilot-cli", "copilot-cli/1.0.102") == "url_elicitation_required"


@pytest.mark.parametrize(
    ("client", "agent", "signal"),
    [
        ("claude-code", "claude-code/2.1.329 (sdk-cli)", "refused"),
        ("claude-code", "claude-code/2.1.329 (cli)", "url_elicitation_required"),
        ("claude-code", "", "url_elicitation_required"),
        ("other", "claude-code/2.1.329 (sdk-cli)", "url_elicitation_required"),
        ("inspector-cli", "node", "refused"),
    ],
)
def test_a_program_that_loses_a_link_gets_it_in_words_in_the_era_in_which_it_does(client, agent, signal):
    assert consent.signal(legacy("tools/call"), client, agent) == signal
    assert consent.signal(modern("tools/call", URLS), client, agent) == "input_required"


def test_the_official_sdk_reads_the_error_and_the_question():
    told = consent.data(NEEDED, "url_elicitation_required")
    error = mcp_types.ErrorData(code=-32042, message=NEEDED.message, data=told)
    (asked,) = UrlElicitationRequiredError.from_error(error).elicitations
    assert (asked.mode, asked.url, asked.message, asked.elicitation_id) == ("url", LINK, "Linear acts as you.", "e1")
    question = mcp_types.ElicitRequestURLParams.model_validate(consent.question(NEEDED)["params"])
    assert (question.mode, question.url) == ("url", LINK)
    assert question.message == "Linear acts as you. Open this page, then continue."


@pytest.mark.parametrize("signal", consent.CODES)
def test_every_error_names_the_link_by_both_names_and_in_words(signal):
    told = consent.data(NEEDED, signal)
    assert told["authorization_url"] == told["authorizationUrl"] == LINK
    assert NEEDED.message == f"Linear acts as you. authorization_url: {LINK} — open it, then call again."
    lacks: Any = {"elicitation": {"url": {}}}
    assert told.get("requiredCapabilities") == (lacks if signal == "missing_capability" else None)
