"""Settings: what cannot be used is told by name, with what it takes."""

from pathlib import Path

import pytest

from gateway_core.compose_lean import policy
from gateway_core.errors import Invalid
from gateway_core.settings import Settings, read_settings


def test_without_any_variable_the_gateway_is_local_and_public_on_loopback():
    assert read_settings({}) == Settings(public_url="http://127.0.0.1:8787")
    assert read_settings({"PORT": "9000", "GATEHOUSE_DATA": "/srv/data"}) == Settings(
        public_url="http://127.0.0.1:9000", port=9000, gatehouse_data=Path("/srv/data")
    )
    assert read_settings({"REGISTRY_TABLE": "r"}).local is False
    assert read_settings({"REGISTRY_TABLE": "r"}).public_url == ""
    assert read_settings({"ALLOWED_ORIGINS": "vscode-webview://x *"}).allowed_origins == ("vscode-webview://x", "*")
    assert read_settings({"PUBLIC_URL": "https://mcp.example.com/"}).public_url == "https://mcp.example.com"


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787", "http://LOCALHOST:80",
     "https://mcp.example.com:8443", "https://10.0.0.8", "https://[fd00::8]:8443"],
)  # fmt: skip
def test_the_public_url_is_an_origin_and_without_tls_only_on_the_machine_itself(url):
    assert read_settings({"PUBLIC_URL": url}).public_url == url


@pytest.mark.parametrize("url", ["", "none", "https://x.example/a.json", "https://x.example:8443/oauth/a-b/c_d.json"])
def test_the_metadata_document_is_where_an_operator_says_or_nowhere(url):
    assert read_settings({"CLIENT_METADATA_URL": url}).client_metadata_url == url


PLAIN = "http is for this machine alone (127.0.0.1, localhost, [::1]); else https"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "http", "PORT='http': give a whole number from 1 to 65535."),
        ("PORT", "0", "give a whole number from 1 to 65535."),
        ("PORT", "65536", "give a whole number from 1 to 65535."),
        ("BODY_LIMIT", "4194305", "BODY_LIMIT='4194305': give a whole number from 1024 to 4194304."),
        ("LISTEN_S", "-1", "LISTEN_S='-1': give a whole number from 0 to 840."),
        ("EGRESS_PORTS", "443 x", "EGRESS_PORTS='x': give a whole number from 1 to 65535."),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL='LOUD': give one of DEBUG, INFO, WARNING, ERROR."),
        ("PUBLIC_URL", "mcp.example.com", "PUBLIC_URL='mcp.example.com': give the URL that clients use"),
        ("PUBLIC_URL", "/", "give the URL that clients use"),
        ("ALLOWED_ORIGINS", "app.example.com", "ALLOWED_ORIGINS='app.example.com': give web origins"),
        ("PUBLIC_URL", "http://[", "give the URL that clients use"),
        ("PUBLIC_URL", "https://mcp.example.com:port", "give the URL that clients use"),
        ("PUBLIC_URL", "https://a@mcp.example.com", "give the URL that clients use"),
        ("PUBLIC_URL", "https://mcp.example.com/prod", "give the URL that clients use, like https://mcp.example.com"),
        ("PUBLIC_URL", "https://mcp.example.com//", "without a path"),
        ("PUBLIC_URL", "https://mcp.example.com?x", "without a path"),
        ("PUBLIC_URL", "http://gateway.example", PLAIN),
        ("PUBLIC_URL", "http://10.0.0.8:8787", PLAIN),
        ("PUBLIC_URL", "http://127.0.0.1.example.com", PLAIN),
        ("PUBLIC_URL", "http://localhost.example.com:8787", PLAIN),
        ("PUBLIC_URL", "http://127.0.0.2", PLAIN),
        ("PUBLIC_URL", "http://[::2]", PLAIN),
        (
            "CLIENT_METADATA_URL",
            "http://x.example/a.json",
            "CLIENT_METADATA_URL='http://x.example/a.json': give the https",
        ),
        ("CLIENT_METADATA_URL", "https://x.example", "with a path"),
        ("CLIENT_METADATA_URL", "https://x.example/", "with a path"),
        ("CLIENT_METADATA_URL", "https://x.example/../a", "with a path"),
        ("CLIENT_METADATA_URL", "https://x.example/a?b=c", "with a path"),
        ("CLIENT_METADATA_URL", "https://u@x.example/a", "with a path"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_by_name_with_what_it_takes(name, value, told):
    with pytest.raises(Invalid) as problem:
        read_settings({name: value})
    assert told in problem.value.message


def test_a_network_that_is_none_is_told_before_the_first_call():
    with pytest.raises(Invalid, match=r"EGRESS_ALLOW: '10\.0\.0\.0/33' is not a network"):
        policy(read_settings({"EGRESS_ALLOW": "10.0.0.0/33"}))
