"""Servers in the store: what was written before a field existed is read as before, and names secrets alone."""

import json

import pytest

from gateway_core.registry import servers
from gateway_core.registry.forwarded import HeaderForwarding, IdentityForwarding
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import (
    ClientCredentials,
    Granularity,
    HeaderValue,
    NoAuth,
    OAuth,
    StaticHeaders,
    TokenExchange,
    UpstreamAuth,
    auth_from_data,
    auth_to_data,
    granularity_of,
    headers_of,
    secrets_of,
    type_of,
)

FIRST = {
    "id": "linear-22222222", "slug": "linear", "name": "Linear", "url": "https://mcp.example.com/mcp",
    "transport": "auto", "workspaces": ["ws-22222222"], "timeout_s": 60.0,
}  # fmt: skip
"""As the first version wrote it."""


@pytest.mark.parametrize(
    ("written", "auth"),
    [
        ({"type": "none"}, NoAuth()),
        (
            {"type": "headers", "headers": [["Authorization", None, "token"], ["X-Tenant", "acme", None]]},
            StaticHeaders((HeaderValue("Authorization", secret="token"), HeaderValue("X-Tenant", "acme"))),
        ),
    ],
)
def test_a_server_that_an_earlier_version_wrote_is_read_as_before(written: dict[str, object], auth: UpstreamAuth):
    assert servers.from_data({**FIRST, "auth": written}) == Server(
        id="linear-22222222",
        slug="linear",
        name="Linear",
        url="https://mcp.example.com/mcp",
        transport="auto",
        auth=auth,
        workspaces=frozenset({"ws-22222222"}),
    )


def test_all_that_goes_on_to_a_server_is_kept():
    kept = Server(
        **{**FIRST, "workspaces": "all"},  # type: ignore[arg-type]
        auth=OAuth(),
        forward_headers=HeaderForwarding("allowlist", (("x-a", "x-b"),)),
        headers=(HeaderValue("X-Env", "prod"),),
        identity=IdentityForwarding("jwt_header", "x-caller", ("sub",)),
    )
    assert servers.from_data(json.loads(json.dumps(servers.to_data(kept)))) == kept


ALL_SET: list[tuple[UpstreamAuth, str, Granularity | None, set[str], set[str]]] = [
    (NoAuth(), "none", None, set(), set()),
    (
        StaticHeaders((HeaderValue("X-Key", secret="a"), HeaderValue("X-B", "b"))),
        "headers", None, {"x-key", "x-b"}, {"a"},
    ),
    (
        OAuth(
            granularity="workspace", client_id="us", client_secret="a", token_endpoint_auth_method="client_secret_post",
            scopes=("read",), authorization_params=(("prompt", "consent"),), issuer="https://i", token_endpoint="https://t",
            authorization_endpoint="https://a", revocation_endpoint="https://r", resource_indicator=False,
        ),
        "oauth", "workspace", {"authorization"}, {"a"},
    ),
    (
        ClientCredentials(
            "us", None, "b", "workspace", "private_key_jwt", ("read",), "https://i", "https://t",
            resource_indicator=False,
        ),
        "client_credentials", "workspace", {"authorization"}, {"b"},
    ),
    (ClientCredentials("us", "a"), "client_credentials", "organisation", {"authorization"}, {"a"}),
    (
        TokenExchange(
            "bearer", "us", "a", "client_secret_basic", "https://t", "https://i", "urn:them", ("read",),
            resource_indicator=False,
        ),
        "token_exchange", None, {"authorization"}, {"a"},
    ),
    (OAuth(), "oauth", "user", {"authorization"}, set()),
    (OAuth(scopes=()), "oauth", "user", {"authorization"}, set()),
    (TokenExchange("identity"), "token_exchange", None, {"authorization"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "type_", "granularity", "headers", "secrets"), ALL_SET)
def test_every_way_is_kept_whole_with_its_type_its_account_its_headers_and_its_secrets(
    auth: UpstreamAuth, type_: str, granularity: Granularity | None, headers: set[str], secrets: set[str]
):
    data = json.loads(json.dumps(auth_to_data(auth)))
    assert auth_from_data(data) == auth
    assert data["type"] == type_ == type_of(auth)
    assert granularity_of(auth) == granularity
    assert (set(headers_of(auth)), set(secrets_of(auth))) == (headers, secrets)


def test_a_type_of_a_later_version_is_no_other_type():
    with pytest.raises(ValueError, match="'mutual_tls' is not known to this version"):
        auth_from_data({"type": "mutual_tls"})
