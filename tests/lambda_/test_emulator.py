"""Our bootstrap and loop inside AWS's own Runtime Interface Emulator, which knows no streaming."""

import json
import sys

import pytest

from tests.lambda_.emulator import emulator
from tests.lambda_.events import http, rest
from tests.lambda_.fake_runtime_api import ROOT

DEPLOYED = {
    "REGISTRY_TABLE": "registry",
    "GRANTS_TABLE": "grants",
    "PUBLIC_URL": "https://gate.example",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "PYTHONPATH": str(ROOT),
}
"""A function's settings where no AWS answers."""

pytestmark = pytest.mark.tools


async def test_the_emulator_starts_the_loop_once_and_gets_an_answer_to_each_event():
    async with emulator("tests.lambda_.apps.echo") as function:
        cold = await function.invoke(rest("POST", "/research/weather/mcp", body="{}"))
        warm = await function.invoke(http("GET", "/healthz"))
        ended = await function.invoke({"requestContext": {"requestId": "c6af9ac6"}})
        seen = [json.loads(answer["body"]) for answer in (cold, warm)]
    assert [one["path"] for one in seen] == ["/research/weather/mcp", "/healthz"]
    assert seen[0]["process"] == seen[1]["process"]
    assert seen[0]["extensions"]["gatehouse.lambda"]["deadline_ms"] > 0
    assert ended == {}
    assert function.init_ms > 0


async def test_the_emulator_reports_an_app_that_fails_and_goes_on():
    async with emulator("tests.lambda_.apps.broken") as function:
        assert (await function.invoke(rest(path="/at-once")))["statusCode"] == 500
        assert (await function.invoke(rest(path="/mid-stream")))["statusCode"] == 500
        assert (await function.invoke(rest(path="/fine")))["body"] == '"fine"'
        assert '"event": "app_failed"' in function.log


async def test_an_app_that_cannot_be_loaded_fails_the_invocation_with_its_reason():
    async with emulator("tests.lambda_.apps.no_such_app") as function:
        answer = await function.invoke(rest())
    assert answer["errorType"] == "Runtime.AttributeError"


def sample(name: str) -> object:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


async def test_the_mcp_function_answers_the_emulator_in_the_form_that_sam_local_reads():
    async with emulator("handlers.mcp.app", DEPLOYED) as function:
        healthy = await function.invoke(sample("healthz"))
        unknown = await function.invoke(sample("mcp-unauthenticated"))
        # Without its store the function lets nobody in.
        closed = await function.invoke(sample("mcp-tools-call"))
        assert await function.invoke(sample("schedule")) == {}
    assert (healthy["statusCode"], healthy["body"], healthy["isBase64Encoded"]) == (200, '{"status":"ok"}', False)
    assert unknown["statusCode"] == 401
    assert "This gateway needs a credential" in unknown["body"]
    assert closed["statusCode"] == 503


async def test_the_admin_function_answers_under_the_runtime_client_that_aws_ships():
    program = (sys.executable, "-m", "awslambdaric", "handlers.api.handler")
    async with emulator("handlers.api.handler", DEPLOYED, program=program) as function:
        unknown = await function.invoke(sample("api-unauthenticated"))
        assert await function.invoke(sample("schedule")) == {}
    assert unknown["statusCode"] == 401
    assert "This needs the administrator's key" in unknown["body"]


async def test_the_sign_in_function_answers_under_the_runtime_client_that_aws_ships():
    program = (sys.executable, "-m", "awslambdaric", "handlers.oauth.handler")
    provider = {"OIDC_ISSUER": "https://idp.example", "OIDC_CLIENT_ID": "gatehouse"}
    async with emulator("handlers.oauth.handler", DEPLOYED | provider, program=program) as function:
        metadata = await function.invoke(sample("oauth-resource-metadata"))
        # Without its store the function starts no sign-in.
        closed = await function.invoke(sample("oauth-sign-in"))
        assert await function.invoke(sample("schedule")) == {}
    assert metadata["statusCode"] == 200
    assert json.loads(metadata["body"])["resource"] == "https://gate.example/research/weather/mcp"
    assert closed["statusCode"] == 503
