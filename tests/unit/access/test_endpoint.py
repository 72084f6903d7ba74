"""Which tokens an endpoint takes: compared as exact strings, and none at a URL for keys alone."""

import pytest

from gateway_core.access.endpoint import Endpoint

PUBLIC = "https://gateway.example"


@pytest.mark.parametrize(
    ("endpoint", "resources"),
    [
        (Endpoint("research", "linear"), {"/research/linear/mcp", "/research/mcp"}),
        (Endpoint("research", "linear", "sse"), {"/research/linear/sse", "/research/mcp"}),
        (Endpoint(None, "linear"), {"/linear/mcp"}),
        (Endpoint(None, "linear", "sse"), {"/linear/sse"}),
        (Endpoint("research", "linear", key_only=True), set()),
        (Endpoint(None, "linear", key_only=True), set()),
    ],
)
def test_an_endpoint_takes_tokens_for_itself_and_for_the_workspace_in_its_url(endpoint, resources):
    every = {"", "/", "/mcp", "/None/mcp", "/none/mcp", "/linear/mcp", "/linear/sse", "/research/mcp", "/research/sse",
             "/research/linear/mcp", "/research/linear/sse", "/research/linear/mcp/", "/research/linear",
             "/k/research/linear/mcp", "/k/linear/mcp", "/k/mcp", "/api/v1", "/sales/linear/mcp"}  # fmt: skip
    assert {path for path in every if endpoint.takes(PUBLIC + path, PUBLIC)} == resources
    for path in every:
        assert not endpoint.takes(path, "")
        assert not endpoint.takes(PUBLIC + path, "")
        assert not endpoint.takes(f"https://other.example{path}", PUBLIC)
        assert not endpoint.takes(f"{PUBLIC}:443{path}", PUBLIC)


def test_where_to_sign_in_is_said_where_somebody_can_alone():
    assert Endpoint("a", "b").metadata_url(PUBLIC) == f"{PUBLIC}/.well-known/oauth-protected-resource/a/b/mcp"
    assert Endpoint(None, "b", "sse").metadata_url(PUBLIC) == f"{PUBLIC}/.well-known/oauth-protected-resource/b/sse"
    assert Endpoint("a", "b", key_only=True).metadata_url(PUBLIC) is None
    assert Endpoint("a", "b").metadata_url("") is None
    assert Endpoint("a", "b", "sse", key_only=True).path == "/k/a/b/sse"
