"""Reading what clients send, held against the standard library and the official SDK."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound as sdk

from gateway_core import json_text
from gateway_core.errors import BadRequest
from gateway_core.headers import read_headers
from gateway_core.protocol import header_values
from gateway_core.protocol.inbound import read_calls
from gateway_core.protocol.versions import METHOD_NOT_FOUND, REQUESTS

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_what_is_read_is_what_was_written_and_what_is_forwarded_means_the_same(value):
    body = json.dumps(value).encode()
    try:
        read = json_text.parse(body)
        forwarded = json_text.write(read)
    except BadRequest:
        assert "\\ud" in body.decode()
        return
    assert read == json.loads(body)
    assert json.loads(forwarded) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_json_rpc_code(body):
    assert _code(body, {}) in (0, -32700, -32600, -32602, -32601, -32020)


@pytest.mark.parametrize("depth", [64, 65])
def test_a_body_may_be_64_levels_deep_and_no_deeper(depth):
    body = b"[" * depth + b"]" * depth
    if depth == 64:
        assert json_text.parse(body) is not None
    else:
        with pytest.raises(BadRequest, match="deeper than 64 levels"):
            json_text.parse(body)


def test_a_body_full_of_names_is_read_in_time_that_grows_with_its_size_and_not_with_its_square():
    def seconds(names: int) -> float:
        body = "{" + ",".join(f'"n{n}":0' for n in range(names)) + ',"n0":0}'
        begun = time.process_time()
        with pytest.raises(BadRequest, match="appears twice"):
            json_text.parse(body.encode())
        return time.process_time() - begun

    seconds(1_000)
    assert seconds(80_000) < 16 * max(seconds(20_000), 0.005)


@given(st.text())
def test_a_header_value_is_encoded_as_the_official_sdk_does_and_comes_back_the_same(text):
    try:
        theirs = sdk.encode_header_value(text)
    except UnicodeEncodeError:
        return
    ours = header_values.encode(text)
    assert ours == theirs
    assert header_values.decode(ours) == text
    assert header_values.sendable(ours)


META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
metas = st.fixed_dictionaries(
    {},
    optional={
        "io.modelcontextprotocol/protocolVersion": st.sampled_from(["2026-07-28", "2025-11-25", "1900-01-01"]),
        "io.modelcontextprotocol/clientCapabilities": st.just({}),
        "io.modelcontextprotocol/clientInfo": st.just({"name": "x", "version": "1"}),
    },
)
headers = st.fixed_dictionaries(
    {"mcp-protocol-version": st.sampled_from(["2026-07-28", "1900-01-01"])},
    optional={
        "mcp-method": st.sampled_from(["tools/call", "tools/list", "resources/read"]),
        "mcp-name": st.sampled_from(["a", "b", "=?base64?YQ==?=", "=?base64?!?="]),
    },
)
bodies = st.fixed_dictionaries(
    {"method": st.sampled_from(["tools/call", "tools/list", "resources/read", "x/unknown"])},
    optional={"params": st.fixed_dictionaries({}, optional={"name": st.sampled_from(["a", "b"]), "_meta": metas})},
)


@given(bodies, headers)
def test_a_modern_request_is_accepted_or_refused_with_the_same_code_as_by_the_official_sdk(body, sent):
    message = {"jsonrpc": "2.0", "id": 1, **body}
    verdict = sdk.classify_inbound_request(message, headers=sent)
    code = _code(json.dumps(message).encode(), sent)
    if code in (0, METHOD_NOT_FOUND):
        assert isinstance(verdict, sdk.InboundModernRoute)
        assert (body["method"] in REQUESTS["modern"]) == (code == 0)
    else:
        assert isinstance(verdict, sdk.InboundLadderRejection)
        assert code == verdict.code


def _code(body: bytes, sent: dict[str, str]) -> int:
    """The code that a body is refused with, 0 for none."""
    try:
        read_calls(body, read_headers([(name.encode(), value.encode()) for name, value in sent.items()]))
    except BadRequest as problem:
        return problem.code
    return 0
