"""Who the gateway says it is: judged by the rules that it holds clients of its own to."""

import json

import pytest

from gateway_core.connect.client_metadata import OwnClient
from gateway_core.issuer.metadata_documents import client_of, is_document_url


@pytest.mark.parametrize(
    ("public_url", "configured", "document"),
    [
        ("https://gateway.example", "", "https://gateway.example/oauth/client-metadata.json"),
        ("https://gateway.example:8443", "", "https://gateway.example:8443/oauth/client-metadata.json"),
        ("https://gateway.example", "https://elsewhere.example/gateway.json", "https://elsewhere.example/gateway.json"),
        ("http://127.0.0.1:8787", "https://elsewhere.example/gateway.json", "https://elsewhere.example/gateway.json"),
        ("https://gateway.example", "none", None),
        ("http://127.0.0.1:8787", "", None),
        ("http://localhost:8787", "", None),
        ("https://localhost:8787", "", None),
        ("https://[::1]:8787", "", None),
    ],
)
def test_our_document_is_where_others_can_read_it_or_there_is_none(public_url, configured, document):
    own = OwnClient.at(public_url, configured)
    assert own.document_url == document
    made = own.document("Acme")
    assert (made is None) == (document is None)
    if made is not None and document is not None:
        assert is_document_url(document)
        client = client_of(document, made)
        assert (client.redirect_uris, client.auth_method) == ((f"{public_url}/oauth/upstream-callback",), "none")
        assert "refresh_token" in made["grant_types"]


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8787", "http://localhost:1", "https://[::1]:8787"])
def test_a_gateway_on_this_machine_is_a_native_application(public_url):
    made = OwnClient.at(public_url).metadata("Acme")
    assert made["application_type"] == "native"
    assert "client_uri" not in made
    assert OwnClient.at("https://10.0.0.8").metadata("Acme")["application_type"] == "web"


def test_the_name_says_whose_gateway_it_is_and_a_document_stays_under_5_kib():
    own = OwnClient.at("https://gateway.example")
    assert own.metadata("Acme GmbH")["client_name"] == "Gatehouse (Acme GmbH)"
    assert own.metadata("")["client_name"] == "Gatehouse"
    assert own.metadata("A\u202ec\nme")["client_name"] == "Gatehouse (Acme)"
    assert own.metadata("x" * 10_000)["client_name"] == f"Gatehouse ({'x' * 80})"
    assert len(json.dumps(own.document("ü" * 10_000)).encode()) < 5_000
