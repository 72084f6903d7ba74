"""What a token can be for."""

import pytest

from gateway_core.issuer.metadata import resource_metadata, server_metadata
from gateway_core.issuer.resources import Resource, admin_url, read_resource, within, workspace_url
from gateway_core.registry.client_policy import ClientPolicy

PUBLIC = "https://gw.example"


@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("/research/linear/mcp", "endpoint", ("research", "linear")),
        ("/research/linear/sse", "endpoint", ("research", "linear")),
        ("/linear/mcp", "name", ("linear",)),
        ("/research/mcp", "name", ("research",)),
        ("/api/v1", "admin", ()),
    ],
)
def test_each_url_of_the_gateway_is_read_as_what_it_is(text, kind, names):
    for spelled in (PUBLIC, "HTTPS://gw.example", "https://GW.EXAMPLE"):
        assert read_resource(spelled + text, PUBLIC) == Resource(PUBLIC + text, kind, names)


def test_a_gateway_without_a_public_url_has_no_resources():
    assert read_resource("https://gw.example/research/linear/mcp", "") is None


def test_a_grant_for_a_workspace_covers_its_endpoints_and_no_others():
    workspace = workspace_url(PUBLIC, "research")
    covered = {
        "/research/linear/mcp": True,
        "/research/linear/sse": True,
        "/research/mcp": True,
        "/sales/linear/mcp": False,
        "/linear/mcp": False,
        "/sales/mcp": False,
        "/research/sse": False,
        "/api/v1": False,
    }
    for path, expected in covered.items():
        resource = read_resource(PUBLIC + path, PUBLIC)
        assert resource is not None
        assert within(resource, workspace, PUBLIC) is expected, path


def test_the_metadata_of_an_endpoint_leads_to_this_very_issuer_and_names_the_url_byte_for_byte():
    assert resource_metadata("/research/linear/mcp", PUBLIC) == {
        "resource": f"{PUBLIC}/research/linear/mcp",
        "authorization_servers": [PUBLIC],
        "scopes_supported": ["mcp"],
        "bearer_methods_supported": ["header"],
        "resource_name": "linear · research",
    }
    assert server_metadata(PUBLIC, ClientPolicy())["issuer"] == PUBLIC


def test_the_metadata_of_the_admin_api_names_its_own_scope():
    found = resource_metadata("/api/v1", PUBLIC)
    assert found is not None
    assert (found["resource"], found["scopes_supported"]) == (admin_url(PUBLIC), ["admin"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/mcp",
        "/k/research/linear/mcp",
        "/research/linear/mcp/",
        "/research/../x/mcp",
        "x",
        "//research/mcp",
        "/research/linear/mcp?x",
        "@evil.example/research/mcp",
    ],
)
def test_there_is_no_metadata_where_there_can_be_no_resource(path):
    assert resource_metadata(path, PUBLIC) is None


def test_the_servers_metadata_is_what_clients_insist_on():
    found = server_metadata(PUBLIC, ClientPolicy())
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["token_endpoint_auth_methods_supported"] == ["none", "client_secret_post", "client_secret_basic"]
    assert found["client_id_metadata_document_supported"] is True
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["response_types_supported"] == ["code"]
    assert found["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert "offline_access" not in found["scopes_supported"]
    for name in ("authorization", "token", "registration", "revocation", "introspection"):
        assert found[f"{name}_endpoint"].startswith(f"{PUBLIC}/")
