"""`auth` as people write it: what is taken, and what is refused beside its field, with what to write instead."""

from typing import Any

import pytest

from gateway_core.admin.forwarding_drafts import MAX_HEADERS
from gateway_core.admin.oauth_fields import MAX_PARAM, MAX_PARAMS, MAX_SCOPE_TEXT, MAX_SCOPES
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth, TokenExchange, UpstreamAuth
from tests.unit.admin.written import credentials, exchange, oauth, refusals, server

SECRET = {"secret": "s"}
KEY = {"secret": "k"}
METHOD = "token_endpoint_auth_method"


def static(count: int) -> dict[str, Any]:
    return {"auth": {"type": "headers", "headers": {f"X-{n}": "x" for n in range(count)}}}


KEPT: list[tuple[dict[str, Any], UpstreamAuth]] = [
    (oauth(), OAuth()),
    (oauth(granularity="organisation", resource_indicator="false"),
     OAuth(granularity="organisation", resource_indicator=False)),
    (oauth(client_id="us", client_secret=SECRET, token_endpoint_auth_method="client_secret_post"),
     OAuth(client_id="us", client_secret="s", token_endpoint_auth_method="client_secret_post")),
    (oauth(client_id="us", token_endpoint_auth_method="none"),
     OAuth(client_id="us", token_endpoint_auth_method="none")),
    (oauth(scopes=["read", "https://api.example/.default", "a:b!~[]"]),
     OAuth(scopes=("read", "https://api.example/.default", "a:b!~[]"))),
    (oauth(scopes=[]), OAuth(scopes=())),
    (oauth(authorization_params={"prompt": "consent", "access_type": "offline"}),
     OAuth(authorization_params=(("access_type", "offline"), ("prompt", "consent")))),
    (oauth(authorization_endpoint="https://a.example/authorize", token_endpoint="https://a.example/token"),
     OAuth(authorization_endpoint="https://a.example/authorize", token_endpoint="https://a.example/token")),
    (oauth(issuer="https://a.example", token_endpoint="https://a.example/token"),
     OAuth(issuer="https://a.example", token_endpoint="https://a.example/token")),
    (oauth(revocation_endpoint="https://a.example/revoke"), OAuth(revocation_endpoint="https://a.example/revoke")),
    (credentials(client_secret=SECRET), ClientCredentials("us", "s")),
    (credentials(client_secret=SECRET, granularity="workspace", token_endpoint="https://a.example/token"),
     ClientCredentials("us", "s", granularity="workspace", token_endpoint="https://a.example/token")),
    (credentials(private_key=KEY), ClientCredentials("us", None, "k")),
    (credentials(private_key=KEY, token_endpoint_auth_method="private_key_jwt"),
     ClientCredentials("us", None, "k", token_endpoint_auth_method="private_key_jwt")),
    (exchange(), TokenExchange("identity", issuer="https://a.example")),
    (exchange(issuer=None, token_endpoint="https://a.example/token"),
     TokenExchange("identity", token_endpoint="https://a.example/token")),
    (exchange(subject="bearer", audience="urn:them", client_id="us", client_secret=SECRET, scopes=["read"]),
     TokenExchange("bearer", "us", "s", issuer="https://a.example", audience="urn:them", scopes=("read",))),
]  # fmt: skip


@pytest.mark.parametrize(("written", "kept"), KEPT)
def test_what_is_written_is_what_is_kept(written: dict[str, Any], kept: UpstreamAuth):
    assert server(**written).auth.auth() == kept


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a secret of no client": (oauth(client_secret=SECRET), "auth.client_secret", "write client_id too"),
    "a method of no client": (oauth(token_endpoint_auth_method="none"), f"auth.{METHOD}", "write client_id too"),
    "a secret of no client, exchanging": (exchange(client_secret=SECRET), "auth.client_secret", "write client_id too"),
    "a public client with a secret": (
        oauth(client_id="us", client_secret=SECRET, token_endpoint_auth_method="none"),
        f"auth.{METHOD}", "none sends no secret, and client_secret names one: leave one of them out",
    ),
    "a method that sends a secret, without one": (
        oauth(client_id="us", token_endpoint_auth_method="client_secret_basic"),
        f"auth.{METHOD}", "client_secret_basic sends a secret: write client_secret: {secret: NAME}, or none",
    ),
    "a key where nobody has one": (
        oauth(client_id="us", token_endpoint_auth_method="private_key_jwt"),
        f"auth.{METHOD}", "private_key_jwt takes a private_key, and only type: client_credentials has one",
    ),
    "neither secret nor key": (
        credentials(), "auth.client_secret", "write one of client_secret and private_key, each as {secret: NAME}",
    ),
    "secret and key": (
        credentials(client_secret=SECRET, private_key=KEY), "auth.client_secret", "write one of client_secret and",
    ),
    "an assertion without a key": (
        credentials(client_secret=SECRET, token_endpoint_auth_method="private_key_jwt"),
        f"auth.{METHOD}", "private_key_jwt signs with a key: write private_key in place of client_secret",
    ),
    "a key that is not sent": (
        credentials(private_key=KEY, token_endpoint_auth_method="client_secret_post"),
        f"auth.{METHOD}", "client_secret_post sends no key: write private_key_jwt, or client_secret in place of",
    ),
    "a public client of its own account": (
        credentials(client_secret=SECRET, token_endpoint_auth_method="none"), f"auth.{METHOD}", "none sends no secret",
    ),
    "its own account for each person": (
        credentials(client_secret=SECRET, granularity="user"), "auth.granularity",
        "write organisation or workspace, or type: oauth where each member has an account",
    ),
    "nowhere to get a token": (
        oauth(authorization_endpoint="https://a.example/authorize"), "auth.authorization_endpoint",
        "write token_endpoint too, or issuer, whose metadata says the other",
    ),
    "nowhere to log in": (
        oauth(token_endpoint="https://a.example/token"), "auth.token_endpoint",
        "write authorization_endpoint too, or issuer",
    ),
    "an issuer with a query": (oauth(issuer="https://a.example?tenant=1"), "auth.issuer", "an issuer has no query"),
    "the field of another type": (
        credentials(client_secret=SECRET, authorization_params={}), "auth.authorization_params",
        "unknown field 'authorization_params' (there is: client_secret, token_endpoint_auth_method, scopes, ",
    ),
    "a field of nobody": (oauth(scope="read"), "auth.scope", "unknown field 'scope' (there is: "),
    "a secret in the file": (
        oauth(client_id="us", client_secret="s3cret"), "auth.client_secret", "write {secret: NAME}, and set it with",
    ),
    "nobody to exchange with": (
        exchange(issuer=None), "auth.issuer",
        "write issuer or token_endpoint: whom a server names by itself is told nobody's identity",
    ),
    "nothing to exchange": ({"auth": {"type": "token_exchange"}}, "auth.subject", "Field required"),
    "no client": ({"auth": {"type": "client_credentials", "client_secret": SECRET}}, "auth.client_id", "required"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_beside_its_field_with_what_to_write_instead(name: str):
    written, where, words = CONTRADICTIONS[name]
    ((place, said),) = refusals(**written)
    assert (place, words in said) == (where, True), (place, said)


def test_all_unknown_fields_are_told_at_once():
    assert [place for place, _ in refusals(**oauth(a="1", b="2"))] == ["auth.a", "auth.b"]


LONG = "x" * (MAX_SCOPE_TEXT // 2)
SCOPES: dict[str, tuple[Any, str, str]] = {
    "a text": ("read write", "auth.scopes", "write a list of scopes, like [read, write], or [] to ask for none"),
    "two in one": (["read write"], "auth.scopes.0", "each scope has an entry of its own: write [read, write]"),
    "none in one": (["read", ""], "auth.scopes.1", "'' is no scope"),
    "a quote": (['a"b'], "auth.scopes.0", "is no scope"),
    "a backslash": (["a\\b"], "auth.scopes.0", "is no scope"),
    "a line break": (["a\n"], "auth.scopes.0", "is no scope"),
    "another script": (["чтение"], "auth.scopes.0", "is no scope"),
    "twice": (["read", "write", "read"], "auth.scopes.2", "'read' appears twice"),
    "too many": ([f"s{n}" for n in range(MAX_SCOPES + 1)], "auth.scopes", "at most 100 items"),
    "too long": ([LONG, f"{LONG[1:]}y"], "auth.scopes", "longer than 4,096 characters in all"),
}


@pytest.mark.parametrize("name", SCOPES)
def test_what_is_no_list_of_scopes_is_refused(name: str):
    scopes, where, words = SCOPES[name]
    for written in (oauth(scopes=scopes), credentials(client_secret=SECRET, scopes=scopes), exchange(scopes=scopes)):
        ((place, said),) = refusals(**written)
        assert (place, words in said) == (where, True), (place, said)


@pytest.mark.parametrize(
    "within",
    [
        oauth(scopes=[f"s{n}" for n in range(MAX_SCOPES)]),
        oauth(scopes=[LONG, LONG[1:]]),
        oauth(authorization_params={f"p{n}": "x" * MAX_PARAM for n in range(MAX_PARAMS)}),
        oauth(authorization_params={"x" * 64: ""}),
        oauth(client_id="x" * 2048, client_secret=SECRET),
        exchange(audience="x" * 2048),
        static(MAX_HEADERS),
    ],
)
def test_what_is_within_the_bounds_is_taken(within: dict[str, Any]):
    server(**within)


OWN = (
    "client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "iss", "nonce", "redirect_uri",
    "request", "request_uri", "resource", "response_mode", "response_type", "scope", "state",
)  # fmt: skip


@pytest.mark.parametrize("name", [*OWN, "Client_ID", "STATE"])
def test_a_parameter_that_the_gateway_writes_cannot_be_written_beside_it(name: str):
    ((place, said),) = refusals(**oauth(authorization_params={name: "x"}))
    assert place == f"auth.authorization_params.{name}"
    assert said.startswith(f"{name} is the gateway's own to write: ")


def test_what_the_gateway_writes_is_told_with_the_field_that_says_it():
    said = dict(refusals(**oauth(authorization_params={"scope": "x", "resource": "x", "client_id": "x", "nonce": "x"})))
    at = "auth.authorization_params"
    assert said[f"{at}.scope"].endswith(": write scopes beside authorization_params")
    assert said[f"{at}.resource"].endswith(": resource_indicator says whether it is sent")
    assert said[f"{at}.client_id"].endswith(": write client_id beside authorization_params")
    assert said[f"{at}.nonce"].endswith(": leave it out")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"a b": "x"}, "is no name of a parameter: up to 64 letters"),
        ({"a&b": "x"}, "is no name of a parameter"),
        ({"": "x"}, "is no name of a parameter"),
        ({"x" * 65: "x"}, "is no name of a parameter"),
        ({"a": "x\n"}, "should match pattern"),
        ({"a": "ü"}, "should match pattern"),
        ({"a": "x" * (MAX_PARAM + 1)}, f"at most {MAX_PARAM} characters"),
        ({f"p{n}": "x" for n in range(MAX_PARAMS + 1)}, f"at most {MAX_PARAMS} items"),
    ],
)
def test_parameters_that_no_request_could_hold_are_refused(params: dict[str, str], words: str):
    ((_, said),) = refusals(**oauth(authorization_params=params))
    assert words in said


@pytest.mark.parametrize(
    "beyond",
    [
        oauth(client_id="x" * 2049, client_secret=SECRET),
        oauth(client_id=""),
        oauth(client_id="a\nb"),
        exchange(audience="x" * 2049),
        exchange(audience=""),
        oauth(issuer="https://a.example/" + "x" * 2048),
        oauth(granularity="team"),
        exchange(subject="token"),
        oauth(client_id="us", token_endpoint_auth_method="client_secret_jwt"),
        static(0),
        static(MAX_HEADERS + 1),
    ],
)
def test_what_is_beyond_a_bound_is_refused(beyond: dict[str, Any]):
    assert len(refusals(**beyond)) == 1
