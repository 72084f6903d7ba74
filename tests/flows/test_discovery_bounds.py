"""What finding out asks for and how far it goes: scopes, documents too large or too late, exchanges to look at."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway_core.connect.asking import MAX_BYTES
from gateway_core.registry.upstream_auth import ClientCredentials
from tests.canary.marks import MARK, marked
from tests.flows.searching import OAUTH, PRM, Scene, searching
from tests.flows.sites import Said
from tests.flows.upstreams import serving


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with searching() as made:
        yield made


@pytest.mark.parametrize(
    ("scope", "listed", "supported", "asked"),
    [
        ("mcp:basic", ["mcp:read"], None, ("mcp:basic",)),
        ("", ["mcp:basic", "mcp:read", "mcp:write"], None, ("mcp:basic", "mcp:read", "mcp:write")),
        ("", None, None, ()),
        ("", None, ["offline_access", "openid"], ()),
        ("", ["mcp:basic"], ["mcp:basic", "offline_access"], ("mcp:basic", "offline_access")),
        ("a offline_access", None, ["offline_access"], ("a", "offline_access")),
        ("", ["mcp:basic", "mcp:read"], ["mcp:basic", "mcp:read"], ("mcp:basic", "mcp:read")),
    ],
)
async def test_scopes_are_those_of_the_challenge_else_of_the_server_and_offline_access_where_it_is_offered(
    scene, scope, listed, supported, asked
):
    scene.publish(scope=scope, resource={"scopes_supported": listed}, said={"scopes_supported": supported})
    found = await scene.found()
    assert found.scopes == asked


async def test_an_account_of_the_gateway_itself_needs_a_token_endpoint_and_no_browser(scene):
    scene.publish(
        scope="mcp:basic",
        said={"authorization_endpoint": None, "code_challenge_methods_supported": None,
              "scopes_supported": ["offline_access"]},
    )  # fmt: skip
    found = await scene.found(scene.of(ClientCredentials("id", client_secret="upstream-secret")))
    assert (found.authorization_endpoint, found.token_endpoint) == ("", f"{scene.auth.url}/token")
    assert found.scopes == ("mcp:basic",)
    assert "pkce" not in [step.name for step in found.steps]
    assert "has no `authorization_endpoint`" in (await scene.failed()).message


async def test_redirects_are_not_followed(scene):
    scene.publish()
    scene.server.publish(f"GET {PRM}/mcp", status=302, location=f"{scene.auth.url}/elsewhere?key=s3cret")
    problem = await scene.failed()
    [step] = [step for step in problem.steps if step.name == "resource" and "redirects" in step.told]
    assert ("location", f"{scene.auth.url}/elsewhere?…") in step.exchange.headers
    assert scene.auth.asked == []


@pytest.mark.parametrize("packed", [False, True])
async def test_a_document_has_64_kib_at_most_however_it_is_packed(scene, packed):
    scene.publish()
    body, headers = b" " * MAX_BYTES + b"{}", {"content-encoding": "gzip"}
    scene.server.pages[f"GET {PRM}/mcp"] = Said(gzip.compress(body), headers=headers) if packed else Said(body)
    problem = await scene.failed()
    assert any("is larger than 65536 bytes" in step.told for step in problem.steps)


async def silent(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def test_nobody_is_waited_for_beyond_the_time_of_one_answer_or_of_all_together(scene):
    clock = asyncio.get_running_loop().time
    async with serving(silent) as port:
        other = f"http://127.0.0.1:{port}"
        scene.publish(resource={"authorization_servers": [other, scene.auth.url]})
        before = clock()
        assert (await scene.found(answer_s=0.2)).issuer == scene.auth.url
        assert clock() - before < 3
        scene.publish(
            resource={"authorization_servers": [*(f"{other}/{number}" for number in range(4)), scene.auth.url]}
        )
        before = clock()
        problem = await scene.failed(answer_s=0.2, whole_s=0.7)
        assert clock() - before < 2
        assert "The time for this call ran out before the server was asked" in problem.steps[-2].told


async def test_an_administrator_sees_each_exchange_without_secrets_and_without_what_does_not_print(scene):
    scene.publish(
        said={"client_secret": marked("1"), "deep": [{"access_token": marked("2")}], "note": "x\u202e\u0007y"}
    )
    scene.server.publish(f"GET {PRM}/mcp", f"token={marked('3')}&a=b".encode() + b"z" * 5_000)
    scene.server.publish(f"GET {PRM}", {"resource": scene.server.url, "authorization_servers": [scene.auth.url]})
    found = await scene.found()
    shown = [step.exchange for step in found.steps if step.exchange is not None]
    assert [(one.request, one.status) for one in shown] == [
        (f"POST {scene.server.url}/mcp", 401),
        (f"GET {scene.server.url}{PRM}/mcp", 200),
        (f"GET {scene.server.url}{PRM}", 200),
        (f"GET {scene.auth.url}{OAUTH}", 200),
    ]
    assert dict(shown[0].headers)["www-authenticate"].startswith("Bearer resource_metadata=")
    assert MARK not in repr(found.steps)
    assert shown[1].body.startswith("token=(removed)&a=b")
    assert len(shown[1].body) == 2_048
    assert '"issuer"' in shown[3].body
    assert "\u202e" not in shown[3].body
    assert "\u0007" not in shown[3].body
