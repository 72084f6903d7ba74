"""Finding out how an account is connected, at real servers: where they publish it, and what stops the search."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import ClientCredentials, HeaderValue, NoAuth, OAuth
from tests.flows.searching import OAUTH, OPENID, PRM, Scene, searching
from tests.flows.sites import Said, site
from tests.flows.upstreams import Asked, unaided


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with searching() as made:
        yield made


@pytest.mark.parametrize(
    ("prm", "named", "metadata", "tenant", "asked"),
    [
        (f"{PRM}/mcp", True, OAUTH, "", [f"{PRM}/mcp", OAUTH]),
        (f"{PRM}/mcp", False, OPENID, "", [f"{PRM}/mcp", OAUTH, OPENID]),
        (PRM, False, f"{OAUTH}/tenant1", "/tenant1", [f"{PRM}/mcp", PRM, f"{OAUTH}/tenant1"]),
        ("/custom/metadata/location.json", True, f"/tenant1{OPENID}", "/tenant1",
         ["/custom/metadata/location.json", f"{OAUTH}/tenant1", f"{OPENID}/tenant1", f"/tenant1{OPENID}"]),
        (f"{PRM}/mcp", True, f"{OPENID}/tenant1", "/tenant1", [f"{PRM}/mcp", f"{OAUTH}/tenant1", f"{OPENID}/tenant1"]),
    ],
)  # fmt: skip
async def test_metadata_is_looked_for_in_the_order_of_the_specification_and_nowhere_else(
    scene, prm, named, metadata, tenant, asked
):
    scene.publish(prm=prm, named=named, metadata=metadata, tenant=tenant)
    found = await scene.found()
    assert [*scene.server.asked, *scene.auth.asked] == ["POST /mcp", *(f"GET {path}" for path in asked)]
    assert found.issuer == scene.auth.url + tenant
    assert found.authorization_endpoint == f"{found.issuer}/authorize"
    assert found.token_endpoint == f"{found.issuer}/token"
    assert found.resource == (scene.server.url if prm == PRM else f"{scene.server.url}/mcp")


async def test_the_first_request_shows_no_credential_and_says_which_of_several_servers_is_meant(scene):
    scene.publish()
    auth = ClientCredentials("id", client_secret="upstream-secret")
    await scene.found(scene.of(auth, headers=(HeaderValue("X-Env", "prod"),)))
    assert scene.server.headers[0]["x-env"] == "prod"
    for sent in [*scene.server.headers, *scene.auth.headers]:
        assert not {"authorization", "cookie"} & sent.keys()
        assert sent["accept-encoding"] == "identity"
    assert all("x-env" not in sent for sent in [*scene.server.headers[1:], *scene.auth.headers])


async def test_a_refusal_that_should_have_been_a_401_is_one_if_it_says_how_to_log_in(scene):
    scene.publish(scope="mcp:basic")
    refused = scene.server.pages["POST /mcp"]
    scene.server.pages["POST /mcp"] = replace(refused, status=403)
    assert (await scene.found()).scopes == ("mcp:basic",)
    scene.server.publish("POST /mcp", status=403)
    assert "answers without a log-in (HTTP 403)" in (await scene.found()).steps[0].told


@pytest.mark.parametrize("endpoint", ["http://auth.example.com/token", "https://u@auth.example.com/", "javascript:x"])
async def test_a_server_without_tls_may_name_nothing_without_tls_but_on_this_machine(scene, endpoint):
    scene.publish(said={"token_endpoint": endpoint})
    assert "has a `token_endpoint` that" in (await scene.failed()).message


async def test_a_url_that_was_entered_wrong_is_told_before_anybody_is_asked(scene):
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        wrong: dict[str, Any] = {name: "auth.example.com"}
        problem = await scene.failed(scene.of(OAuth(**wrong)))
        assert problem.message == (
            f"In the auth of Linear, `{name}` is no URL that can be read in exactly one way. Enter another URL."
        )
    assert scene.server.asked == []


async def test_a_server_that_opens_sessions_for_everybody_is_asked_for_its_tools_and_the_session_is_ended(scene):
    scene.publish(scope="mcp:basic")
    refused = scene.server.pages["POST /mcp"]
    assert isinstance(refused, Said)
    challenge = refused.headers

    async def answer(asked: Asked) -> None:
        if asked.rpc == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            opened = {"jsonrpc": "2.0", "id": asked.message["id"], "result": result}
            await asked.respond.json(opened, headers={"mcp-session-id": "open-to-all"})
        elif asked.method == "POST" and asked.rpc == "tools/list":
            await asked.respond.raw(b"", 401, dict(challenge))
        else:
            await asked.respond.raw(b"", 204 if asked.method == "DELETE" else 404)

    async with unaided(answer) as upstream:
        server = Server("s1", "linear", "Linear", upstream.url, "http", OAuth(), "all", era="legacy")
        with pytest.raises(DiscoveryFailed, match="does not belong"):
            # The metadata that it names is that of the site beside it: the challenge was read.
            await scene.found(server)
        assert [(one.method, one.rpc) for one in upstream.seen] == [
            ("POST", "initialize"), ("POST", "tools/list"), ("DELETE", "")
        ]  # fmt: skip
        assert upstream.seen[1].headers["mcp-session-id"] == upstream.seen[2].headers["mcp-session-id"] == "open-to-all"


async def test_a_server_that_speaks_only_http_sse_is_asked_for_its_stream_and_nothing_waits_for_the_end_of_one(scene):
    scene.publish()
    scene.server.pages["GET /mcp"] = scene.server.pages.pop("POST /mcp")
    assert (await scene.found(scene.of(transport="sse"))).issuer == scene.auth.url
    assert scene.server.asked[0] == "GET /mcp"
    assert (await scene.found()).issuer == scene.auth.url

    async def answer(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event("endless")
        await asyncio.Event().wait()

    async with unaided(answer) as upstream:
        server = Server("s1", "linear", "Linear", upstream.url, "sse", OAuth(), "all")
        problem = await scene.failed(server)
        assert "Linear demands no log-in" in problem.message
        assert problem.steps[0].told == "Linear answers without a log-in (HTTP 200)."
        await asyncio.wait_for(upstream.gone.wait(), 5)


async def test_a_server_that_needs_no_log_in_is_told_to_be_one(scene):
    scene.server.publish("POST /mcp", {"jsonrpc": "2.0", "id": "gatehouse-knock", "result": {}})
    for auth in (OAuth(), NoAuth()):
        problem = await scene.failed(scene.of(auth))
        assert problem.message == (
            "Linear demands no log-in, and names no authorization server. If it needs none, set its auth to `none`; "
            "else enter `issuer`, or `authorization_endpoint` and `token_endpoint`."
        )
        assert problem.steps[0].told == "Linear answers without a log-in (HTTP 200)."
        assert scene.auth.asked == []


async def test_a_server_that_lists_tools_for_everybody_and_names_where_to_log_in_is_believed(scene):
    scene.publish(named=False)
    scene.server.publish("POST /mcp", {"jsonrpc": "2.0", "id": "gatehouse-knock", "result": {}})
    found = await scene.found()
    assert found.issuer == scene.auth.url
    assert [(step.name, step.outcome) for step in found.steps][:2] == [("challenge", "warning"), ("resource", "ok")]


async def test_a_server_that_cannot_be_reached_is_asked_for_nothing_else(scene):
    server = Server("s1", "linear", "Linear", "http://127.0.0.1:9/mcp", "auto", OAuth(), "all")
    problem = await scene.failed(server)
    assert problem.message == "Linear cannot be reached. Check its URL in the configuration."
    assert len(problem.steps) == 1


@pytest.mark.parametrize("resource", ["https://evil.example.com/mcp", "{server}/mcp2", "{server}/mcp/x", "{auth}/mcp"])
async def test_metadata_of_another_resource_stops_before_anybody_is_asked_to_log_in(scene, resource):
    scene.publish(resource={"resource": resource.format(server=scene.server.url, auth=scene.auth.url)})
    problem = await scene.failed()
    assert problem.steps[-1].name == "resource"
    assert "to which its URL" in problem.message
    assert "Register the URL that the server publishes, or tell whoever runs it." in problem.message
    assert scene.auth.asked == []


async def test_metadata_of_another_issuer_is_never_used(scene):
    scene.publish(said={"issuer": "https://attacker.example.com"})
    problem = await scene.failed()
    assert scene.auth.asked == [f"GET {OAUTH}", f"GET {OPENID}"]
    assert "is the metadata of 'https://attacker.example.com', not of" in problem.message
    assert "enter `authorization_endpoint` and `token_endpoint` in the server's auth" in problem.message


async def test_an_issuer_is_compared_byte_for_byte(scene):
    scene.publish(said={"issuer": f"{scene.auth.url}/"})
    assert (await scene.failed()).message.endswith(
        f"not of '{scene.auth.url}'. The two differ by the slash at the end alone. Write `issuer` as "
        f"'{scene.auth.url}/' in the server's auth."
    )
    assert (await scene.found(scene.of(OAuth(issuer=f"{scene.auth.url}/")))).issuer == f"{scene.auth.url}/"
    scene.publish(resource={"authorization_servers": [f"{scene.auth.url}/"]}, said={"issuer": f"{scene.auth.url}/"})
    assert (await scene.found()).issuer == f"{scene.auth.url}/"


async def test_the_first_authorization_server_that_can_be_used_is(scene):
    async with site() as older:
        older.publish(f"GET {OAUTH}", {"issuer": older.url, "token_endpoint": f"{older.url}/token"})
        listed = ["not a url", f"{scene.auth.url}/?tenant=1", older.url, older.url, scene.auth.url]
        scene.publish(resource={"authorization_servers": listed})
        found = await scene.found()
        assert found.issuer == scene.auth.url
        assert older.asked == [f"GET {OAUTH}", f"GET {OPENID}"]
        told = [step.told for step in found.steps if step.name == "server"]
        assert told[:2] == [
            "The issuer 'not a url' is no URL that can be read in exactly one way.",
            f"The issuer '{scene.auth.url}/?…' has a query.",
        ]


async def test_no_more_than_five_authorization_servers_are_tried(scene):
    listed = [f"{scene.auth.url}/{number}" for number in range(50)]
    scene.publish(resource={"authorization_servers": [*listed, scene.auth.url]})
    await scene.failed()
    assert {page.rsplit("/", 1)[1] for page in scene.auth.asked if page.startswith(f"GET {OAUTH}/")} == set("01234")


async def test_a_server_of_2025_03_26_is_its_own_authorization_server(scene):
    origin = scene.server.url
    scene.server.publish("POST /mcp", status=401)
    endpoints = {name: f"{origin}/oauth/{name}" for name in ("authorization_endpoint", "token_endpoint")}
    for issuer in (origin, f"{origin}/"):
        document = {"issuer": issuer, "code_challenge_methods_supported": ["S256"], **endpoints}
        scene.server.publish(f"GET {OAUTH}", document)
        found = await scene.found()
        assert (found.issuer, found.resource) == (issuer, f"{origin}/mcp")
    scene.server.publish(f"GET {OAUTH}", {**document, "issuer": f"{origin}/mcp"})
    assert "is the metadata of" in (await scene.failed()).message


async def test_without_pkce_nobody_is_sent_to_log_in_unless_both_endpoints_were_entered(scene):
    for methods in (None, [], ["plain"], "S256"):
        scene.publish(said={"code_challenge_methods_supported": methods})
        assert "does not say that PKCE with S256 is taken" in (await scene.failed()).message
        half = OAuth(authorization_endpoint=f"{scene.auth.url}/elsewhere")
        assert "does not say that PKCE with S256 is taken" in (await scene.failed(scene.of(half))).message
    both = OAuth(authorization_endpoint=f"{scene.auth.url}/by-hand", token_endpoint=f"{scene.auth.url}/by-hand/token")
    found = await scene.found(scene.of(both))
    assert found.authorization_endpoint == f"{scene.auth.url}/by-hand"
    assert ("pkce", "warning") in [(step.name, step.outcome) for step in found.steps]


async def test_what_an_administrator_entered_wins_and_is_told(scene):
    scene.publish(scope="mcp:read", said={"revocation_endpoint": f"{scene.auth.url}/revoke"})
    async with site() as other:
        other.publish(f"GET {OAUTH}", {
            "issuer": other.url, "authorization_endpoint": f"{other.url}/a", "token_endpoint": f"{other.url}/t",
            "code_challenge_methods_supported": ["S256"], "scopes_supported": ["offline_access"],
        })  # fmt: skip
        auth = OAuth(issuer=other.url, token_endpoint="https://tokens.example.com/t", scopes=("own",),
                     revocation_endpoint="https://tokens.example.com/r")  # fmt: skip
        found = await scene.found(scene.of(auth))
        assert (found.issuer, found.authorization_endpoint) == (other.url, f"{other.url}/a")
        assert found.token_endpoint == "https://tokens.example.com/t"
        assert found.revocation_endpoint == "https://tokens.example.com/r"
        assert found.scopes == ("own",)
        told = [step.told for step in found.steps]
        assert f"The configuration says {other.url!r}; Linear itself names {scene.auth.url!r}." in told
        assert "Entered by hand: token_endpoint, revocation_endpoint." in told
        assert "From the configuration: own." in told
        assert scene.auth.asked == []


async def test_endpoints_entered_for_a_provider_that_knows_no_mcp_need_no_metadata_at_all(scene):
    scene.server.publish("POST /mcp", status=401)
    at = "https://github.example"
    auth = OAuth(client_id="app", authorization_endpoint=f"{at}/authorize", token_endpoint=f"{at}/token")
    found = await scene.found(scene.of(auth))
    assert (found.issuer, found.resource) == ("https://github.example", f"{scene.server.url}/mcp")
    assert (found.iss_supported, found.registration_endpoint, found.scopes) == (False, None, ())
    named = await scene.found(scene.of(auth._replace(issuer=scene.auth.url)))
    assert named.issuer == scene.auth.url
    assert scene.auth.asked == [f"GET {OAUTH}", f"GET {OPENID}"]
    # Metadata of another resource is not used either, and does not stand in the way.
    scene.publish(resource={"resource": "https://evil.example.com/mcp"})
    assert (await scene.found(scene.of(auth))).resource == f"{scene.server.url}/mcp"
