"""What ends the search for a log-in before it begins: no MCP server there, a redirect, a server that is not well."""

from collections.abc import AsyncIterator

import pytest

from gateway_core.errors import UpstreamUnreachable
from tests.evil import closed_port
from tests.flows.searching import Scene, searching
from tests.flows.sites import Said


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with searching() as made:
        yield made


@pytest.mark.parametrize("status", [404, 405, 410])
async def test_where_nothing_answers_as_an_mcp_server_the_url_is_what_to_check(scene, status):
    scene.server.publish("POST /mcp", status=status)
    problem = await scene.failed()
    assert problem.message == (
        f"There is no MCP server at '{scene.server.url}/mcp' (HTTP {min(status, 404)}): check the path in `url`."
    )
    assert [step.name for step in problem.steps] == ["challenge"]


async def test_a_404_with_an_error_of_mcp_is_the_answer_of_an_mcp_server(scene):
    error = {"code": -32601, "message": "no such method"}
    scene.server.publish("POST /mcp", {"jsonrpc": "2.0", "id": "gatehouse-knock", "error": error}, 404)
    assert (await scene.failed()).steps[0].told == "Linear answers without a log-in (HTTP 404)."


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/mcp/", "redirects to '{server}/mcp/', which is not followed: enter '{server}/mcp/' as `url`."),
        ("https://mcp.example/v2", "redirects to 'https://mcp.example/v2', which is not followed: enter "
         "'https://mcp.example/v2' as `url`."),
        ("/login?key=s3cret", "redirects to '{server}/login?…', which is not followed: enter the URL of its MCP "
         "server as `url`."),
        ("https://user@mcp.example/", "redirects (HTTP 307), which is not followed: enter the URL of its MCP server "
         "as `url`."),
        ("javascript:alert(1)", "redirects (HTTP 307), which is not followed: enter the URL of its MCP server as "
         "`url`."),
    ],
)  # fmt: skip
async def test_a_redirect_is_not_followed_and_where_it_leads_is_what_to_enter_if_that_may_be_shown(
    scene, location, told
):
    scene.server.publish("POST /mcp", status=307, location=location)
    problem = await scene.failed()
    assert problem.message == f"Linear {told.format(server=scene.server.url)}"
    assert len(problem.steps) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_is_not_well_is_not_said_to_need_no_log_in(scene, status):
    scene.server.pages["GET /mcp"] = scene.server.pages["POST /mcp"] = Said(b"", status, {})
    told = (await scene.failed()).steps[0].told
    assert told == f"Linear did not say whether it demands a log-in (HTTP {status})."


async def test_an_authorization_server_that_cannot_be_reached_is_told_as_that_and_nothing_is_to_be_entered(scene):
    gone = f"http://127.0.0.1:{closed_port()}"
    scene.publish(resource={"authorization_servers": [gone]})
    problem = await scene.failed()
    assert isinstance(problem, UpstreamUnreachable)
    assert problem.message == f"The authorization server '{gone}' of Linear cannot be reached."
