"""The servers behind the matrix: each gives the same answers to its own era, and refuses the other as one in the field
would."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import mcp_types as types
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.sse import sse_client

from tests.conformance import catalogue
from tests.conformance.catalogue import Wire
from tests.processes import Kind, conformance_server

pytestmark = pytest.mark.tools

ASKED = {
    "test_sampling": "LLM response: Paris",
    "test_elicitation": "User response: action=accept",
    "test_input_required_result_elicitation": "Hello, Ana!",
    "test_streaming_elicitation": "Hello, Ana!",
    "test_input_required_result_sampling": "The model says: Paris",
    "test_input_required_result_list_roots": "Roots: file:///home",
    "test_input_required_result_multiple_inputs": "All three arrived.",
    "test_input_required_result_request_state": "state-ok",
    "test_input_required_result_tampered_state": "The state is untouched.",
    "test_input_required_result_multi_round": "Ana likes blue.",
}
"""What the tools that ask say in the end, whichever way they ask."""

FORM = {"name": "Ana", "color": "blue", "ok": True, "context": "home", "username": "ana", "email": "ana@example.com"}


async def sample(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    return types.CreateMessageResult(role="assistant", content=types.TextContent(text="Paris"), model="fake")


async def fill_in(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=FORM)


async def roots(context: ClientRequestContext) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri="file:///home")])


def client(url: str) -> Client:
    return Client(
        sse_client(url) if url.endswith("/sse") else url,
        sampling_callback=sample,
        elicitation_callback=fill_in,
        list_roots_callback=roots,
    )


@pytest.mark.parametrize("kind", ["legacy", "resumable", "sse", "modern"])
async def test_every_server_lists_the_catalogue_and_asks_in_its_own_way(kind: Kind, tmp_path: Path):
    with conformance_server(tmp_path, kind) as url:
        async with client(url) as session:
            assert [tool.name for tool in (await session.list_tools()).tools] == list(catalogue.TOOLS)
            for name, expected in ASKED.items():
                said = await session.call_tool(name, {"prompt": "?", "message": "?"})
                assert isinstance(said.content[0], types.TextContent)
                assert said.content[0].text.startswith(expected), name
            prompt = await session.get_prompt(catalogue.ASKING_PROMPT)
            assert "Context: home" in prompt.model_dump_json()


def sent(url: str, message: Wire | None = None, *, method: str = "POST", version: str = "") -> tuple[int, Wire]:
    """The status of one bare request, and its error if that is JSON."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if version:
        headers["MCP-Protocol-Version"] = version
    body = None if message is None else json.dumps({"jsonrpc": "2.0", "id": 7, **message}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as error:
        with error:
            told = error.headers.get_content_type() == "application/json"
            return error.code, json.load(error) if told else {}


OPENING = {
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.mark.parametrize("version", ["", "2025-11-25"])
def test_a_modern_server_refuses_to_open_a_session_and_names_its_version(version, tmp_path):
    with conformance_server(tmp_path, "modern") as url:
        status, answer = sent(url, OPENING, version=version)
        assert (status, answer["id"]) == (400, 7)
        assert answer["error"]["data"]["supported"] == ["2026-07-28"]
        assert [sent(url, method=method)[0] for method in ("GET", "DELETE")] == [405, 405]


def test_a_legacy_server_refuses_a_modern_request_without_a_modern_error(tmp_path):
    asked = {"method": "server/discover", "params": {"_meta": {}}}
    with conformance_server(tmp_path, "legacy") as url:
        status, answer = sent(url, asked, version="2026-07-28")
    assert status == 400
    assert answer["error"]["code"] not in (-32020, -32021, -32022)


def test_an_sse_server_takes_no_message_where_its_stream_is(tmp_path):
    with conformance_server(tmp_path, "sse") as url:
        assert sent(url, OPENING)[0] == 405
