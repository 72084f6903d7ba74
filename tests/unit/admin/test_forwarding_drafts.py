"""`headers`, `forward_headers` and `identity` as people write them: what is taken, and what is refused and why."""

from typing import Any

import pytest

from gateway_core.admin.forwarding_drafts import MAX_HEADERS, MAX_RULES
from gateway_core.registry.forwarded import CLAIMS, HeaderForwarding, IdentityForwarding
from gateway_core.registry.upstream_auth import MAX_HEADER_VALUE
from tests.unit.admin.written import credentials, exchange, oauth, refusals, server

SECRET = {"secret": "s"}
STATIC = {"auth": {"type": "headers", "headers": {"X-Tenant": "acme", "Authorization": SECRET}}}


def passed(written: Any) -> HeaderForwarding | None:
    draft = server(forward_headers=written).forward_headers
    return None if draft is None else draft.forwarding()


def told(**written: Any) -> IdentityForwarding | None:
    draft = server(identity=written).identity
    return None if draft is None else draft.forwarding()


def test_headers_to_pass_on_are_a_list_with_or_without_new_names_in_any_order():
    kept = HeaderForwarding("allowlist", (("x-a", "x-b"), ("x-team", "x-team")))
    assert passed(["X-Team", {"from": "X-A", "to": "X-B"}]) == kept
    assert passed([{"from": "x-a", "to": "x-b"}, {"from": "x-team"}]) == kept
    assert passed({"headers": ["x-team", {"from": "x-a", "to": "x-b"}]}) == kept
    assert passed({"mode": "allowlist", "headers": ["x-team", {"from": "x-a", "to": "x-b"}]}) == kept
    # One header may go on under two names.
    twice = [{"from": "x-a", "to": "x-b"}, {"from": "x-a", "to": "x-c"}]
    assert passed(twice) == HeaderForwarding("allowlist", (("x-a", "x-b"), ("x-a", "x-c")))


def test_all_but_some_headers_are_passed_on_and_naming_one_that_never_is_does_no_harm():
    assert passed({"mode": "all-except", "headers": ["X-Debug", "cookie"]}) == HeaderForwarding(
        "all-except", (("cookie", "cookie"), ("x-debug", "x-debug"))
    )
    assert passed({"mode": "all-except", "headers": []}) == HeaderForwarding("all-except", ())


def test_who_calls_is_told_in_the_order_of_the_list_with_all_there_is_unless_some_is_named():
    assert told(method="jwt_header") == IdentityForwarding("jwt_header", None, CLAIMS)
    assert told(method="claims_header", header="X-Caller", claims=["email", "sub", "email"]) == IdentityForwarding(
        "claims_header", "x-caller", ("sub", "email")
    )
    assert told(method="jwt_header", header="X-User-JWT") == IdentityForwarding("jwt_header", "x-user-jwt", CLAIMS)
    assert told(method="bearer", header="Authorization") == IdentityForwarding("bearer", None, ())


FORWARDED: dict[str, tuple[Any, str, str]] = {
    "a text": ("x-team", "", "write a list of header names, like [x-team], or {mode: all-except, headers: [x-team]}"),
    "nothing": ([], "headers", "this names no header: leave forward_headers out to pass none on"),
    "no name": (["X Team"], "headers.0.from", "A header's name may hold letters, digits"),
    "a line break": ([{"from": "x-a", "to": "x-b\r\nx-c"}], "headers.0.to", "A header's name may hold"),
    "a credential": (["x-a", "X-Api-Key"], "headers.1", "x-api-key is never passed on: it carries what the caller"),
    "an underscore": (["x_api_key"], "headers.0", "x_api_key is never passed on"),
    "a credential by another name": ([{"from": "authorization", "to": "x-a"}], "headers.0", "authorization is never"),
    "a made credential": ([{"from": "x-a", "to": "authorization"}], "headers.0", "authorization is never passed on"),
    "a made identity": ([{"from": "x-a", "to": "X-User-JWT"}], "headers.0", "x-user-jwt is never passed on: servers"),
    "the protocol": (["mcp-session-id"], "headers.0", "the gateway itself speaks with the server in it"),
    "a proxy's word": (["x-forwarded-for"], "headers.0", "servers believe what their own proxies write there"),
    "a cookie": (["cookie"], "headers.0", "Leave it out"),
    "a name that servers read as another": (["x_team"], "headers.0", "x_team is never passed on: many servers take _"),
    "a made one": ([{"from": "x-a", "to": "x_b"}], "headers.0", "x_b is never passed on: many servers take _ in a"),
    "an edge's word": (["cloudfront-viewer-address"], "headers.0", "servers believe what their own proxies write"),
    "another method": (["x-http-method-override"], "headers.0", "servers take what stands there for the request's own"),
    "two ends": (["x-b", {"from": "x-a", "to": "X-B"}], "headers.1", "two entries end as x-b: leave one of them out"),
    "twice": (["x-a", "x-a"], "headers.1", "two entries end as x-a"),
    "twice to be left out": ({"mode": "all-except", "headers": ["x-a", "X-A"]}, "headers.1", "two entries end as x-a"),
    "a new name for the rest": (
        {"mode": "all-except", "headers": [{"from": "x-a", "to": "x-b"}]}, "headers.0",
        "all-except gives no new names: write the name alone, or mode: allowlist",
    ),
    "another mode": ({"mode": "denylist", "headers": ["x-a"]}, "mode", "'allowlist' or 'all-except'"),
    "another field": ([{"from": "x-a", "as": "x-b"}], "headers.0.as", "unknown field 'as' (there is: from, to)"),
    "too many": ([f"x-{n}" for n in range(MAX_RULES + 1)], "headers", f"at most {MAX_RULES} items"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARDED)
def test_what_may_not_be_passed_on_is_refused_with_the_reason(name: str):
    written, where, words = FORWARDED[name]
    ((place, said),) = refusals(forward_headers=written)
    assert (place.removeprefix("forward_headers").strip("."), words in said) == (where, True), (place, said)


PLAIN: dict[str, tuple[dict[str, Any], str, str]] = {
    "a secret by its name": ({"X-Api-Key": "x"}, ".X-Api-Key", "the value of X-Api-Key is a secret, and here stand"),
    "a secret by reference": ({"X-Env": SECRET}, ".X-Env", "a secret is written as auth: {type: headers, headers:"),
    "an identity": ({"X-User-Claims": "{}"}, ".X-User-Claims", "X-User-Claims cannot be set here: servers believe"),
    "the protocol": ({"Mcp-Name": "x"}, ".Mcp-Name", "Mcp-Name cannot be set: the gateway itself"),
    "a hop": ({"Te": "x"}, ".Te", "The gateway writes the header 'te' itself."),
    "no name": ({"X Env": "x"}, ".X Env", "A header's name may hold"),
    "twice": ({"X-Env": "x", "x-env": "y"}, ".x-env", "appears twice"),
    "an injection": ({"X-Env": "a\r\nX-B: b"}, ".X-Env", "a header value is visible ASCII in one line"),
    "another script": ({"X-Env": "müller"}, ".X-Env", "a header value is visible ASCII in one line"),
    "too long": ({"X-Env": "x" * (MAX_HEADER_VALUE + 1)}, ".X-Env", f"at most {MAX_HEADER_VALUE} characters"),
    "too many": ({f"X-{n}": "x" for n in range(MAX_HEADERS + 1)}, "", f"at most {MAX_HEADERS} items"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_header_that_is_not_plain_is_refused_beside_its_name(name: str):
    written, where, words = PLAIN[name]
    ((place, said),) = refusals(headers=written)
    assert (place, words in said) == (f"headers{where}", True), (place, said)


IDENTITY: dict[str, tuple[dict[str, Any], str, str]] = {
    "a bearer elsewhere": ({"method": "bearer", "header": "X-Caller"}, ".header", "leave header out"),
    "a token in Authorization": (
        {"method": "jwt_header", "header": "Authorization"}, ".header", "goes into Authorization with method: bearer",
    ),
    "the protocol": ({"method": "jwt_header", "header": "Mcp-Caller"}, ".header", "Write a header of its own"),
    "a cookie": ({"method": "claims_header", "header": "Cookie"}, ".header", "cookie cannot be set"),
    "a credential": ({"method": "jwt_header", "header": "X-Access-Token"}, ".header", "x-access-token cannot be set"),
    "another spelling": ({"method": "jwt_header", "header": "X_User_JWT"}, ".header", "x_user_jwt cannot be set"),
    "a name that servers read as another": (
        {"method": "jwt_header", "header": "X_Caller"}, ".header", "x_caller cannot be set: many servers take _ in a",
    ),
    "claims of a token that is another's": (
        {"method": "bearer", "claims": ["sub"]}, ".claims", "passes on the caller's own token as it is: leave claims",
    ),
    "no name": ({"method": "claims_header", "header": "X Caller"}, ".header", "A header's name may hold"),
    "an unknown claim": (
        {"method": "jwt_header", "claims": ["sub", "groups"]}, ".claims.1",
        "'groups' is nothing that can be told: use sub, email, user_id, name, workspace_id, workspace, organisation, ",
    ),
    "no claims": ({"method": "jwt_header", "claims": []}, ".claims", "at least 1 item"),
    "another method": ({"method": "saml"}, ".method", "'claims_header', 'jwt_header' or 'bearer'"),
    "no method": ({}, ".method", "Field required"),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTITY)
def test_what_cannot_be_told_is_refused_beside_its_field(name: str):
    written, where, words = IDENTITY[name]
    ((place, said),) = refusals(identity=written)
    assert (place, words in said) == (f"identity{where}", True), (place, said)


@pytest.mark.parametrize("auth", [oauth(), credentials(client_secret=SECRET), exchange(), STATIC])
def test_two_settings_do_not_both_write_authorization(auth: dict[str, Any]):
    ((place, said),) = refusals(**auth, identity={"method": "bearer"})
    type_ = auth["auth"]["type"]
    assert (place, said) == (
        "identity", f"auth: {{type: {type_}}} sends authorization too: use another method, or another header",
    )  # fmt: skip
    server(**auth, identity={"method": "jwt_header"}, headers={"X-Env": "prod"}, forward_headers=["x-team"])


def test_no_header_is_written_by_two_settings_of_one_server():
    assert refusals(**STATIC, headers={"x-tenant": "other"}) == [
        ("headers.x-tenant", "auth sends x-tenant too: leave it out here")
    ]
    assert refusals(headers={"X-Caller": "me"}, identity={"method": "jwt_header", "header": "x-caller"}) == [
        ("headers.X-Caller", "identity sends x-caller too: leave it out here")
    ]
    assert refusals(**STATIC, identity={"method": "claims_header", "header": "x-tenant"}) == [
        ("identity", "auth: {type: headers} sends x-tenant too: use another method, or another header")
    ]


@pytest.mark.parametrize("rule", ["x-caller", {"from": "x-a", "to": "x-caller"}, {"from": "x-caller", "to": "x-a"}])
def test_what_a_caller_sends_is_never_taken_for_who_they_are(rule: Any):
    identity = {"method": "jwt_header", "header": "X-Caller"}
    assert refusals(forward_headers=["x-b", rule], identity=identity) == [
        ("forward_headers.headers.1", "x-caller is never passed on: identity says there who calls. Leave it out")
    ]
    server(forward_headers={"mode": "all-except", "headers": ["x-caller"]}, identity=identity)
