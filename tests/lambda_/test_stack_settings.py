"""Settings that the stack writes when it is complete: read beside requests, and closed until they are there."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.aws.stack_settings import read_parameter
from gateway_core.compose_stack import (
    completed,
)
from gateway_core.errors import StoreUnavailable
from gateway_core.settings import Settings
from tests.contracts.aws import json_api
from tests.lambda_.control_plane import answers, answers_and_log
from tests.lambda_.events import rest
from tests.lambda_.fake_runtime_api import runtime
from tests.lambda_.test_events import deployment, sample

NAME = "/gatehouse/gatehouse/settings"
WRITTEN = {
    "PUBLIC_URL": "https://d111111abcdef8.cloudfront.net",
    "OIDC_ISSUER": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
    "OIDC_CLIENT_ID": "1h57kf5cpq17m0eml12EXAMPLE",
}
DEPLOYED = Settings(public_url="", registry_table="r", grants_table="g", settings_parameter=NAME)


def patient(environment: dict[str, str]) -> JsonApi:
    """An AWS that may take its time: the first call of a service makes moto load it, for which a function would not
    wait."""
    return replace(json_api(environment["AWS_ENDPOINT_URL"], lambda: 0), attempt_s=60)


async def write(environment: dict[str, str], value: str) -> dict[str, str]:
    """The environment of a function whose stack has written `value`."""
    api = patient(environment)
    await api.call("ssm", "PutParameter", {"Name": NAME, "Value": value, "Type": "String", "Overwrite": True})
    await api.call("ssm", "GetParameter", {"Name": NAME})
    return {name: text for name, text in environment.items() if name not in WRITTEN} | {"SETTINGS_PARAMETER": NAME}


async def test_a_function_takes_what_the_stack_wrote_as_its_settings():
    async with deployment() as environment:
        told = await write(environment, json.dumps(WRITTEN))
        events = [rest("GET", "/oauth/signin")] * 2
        said = await asyncio.to_thread(answers, events, told, module="tests.lambda_.echoing")
    for answer in said:
        seen = json.loads(answer["body"])
        assert [seen["public_url"], seen["issuer"], seen["client_id"]] == list(WRITTEN.values())
        assert ["host", "d111111abcdef8.cloudfront.net"] in seen["headers"]


async def test_a_provider_that_was_just_deployed_is_not_undone_by_a_parameter_that_still_names_the_one_before():
    async with deployment() as environment:
        told = await write(environment, json.dumps(WRITTEN))
        new = {"OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": "gatehouse"}
        [said] = await asyncio.to_thread(
            answers, [rest("GET", "/oauth/signin")], told | new, module="tests.lambda_.echoing"
        )
    seen = json.loads(said["body"])
    assert (seen["issuer"], seen["client_id"]) == ("https://login.example", "gatehouse")
    assert seen["public_url"] == WRITTEN["PUBLIC_URL"]


@pytest.mark.parametrize(
    ("env", "taken"),
    [
        ({}, {"PUBLIC_URL", "OIDC_ISSUER", "OIDC_CLIENT_ID"}),
        ({"PUBLIC_URL": "", "OIDC_ISSUER": ""}, {"PUBLIC_URL", "OIDC_ISSUER", "OIDC_CLIENT_ID"}),
        ({"PUBLIC_URL": "https://mcp.example.com"}, {"OIDC_ISSUER", "OIDC_CLIENT_ID"}),
        ({"OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": "gatehouse"}, {"PUBLIC_URL"}),
        ({"OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": ""}, {"PUBLIC_URL"}),
    ],
    ids=lambda one: " ".join(sorted(one)) or "nothing",
)
def test_what_the_environment_says_wins_and_an_issuer_never_meets_the_client_of_another(env, taken):
    found = completed({**env, "REGISTRY_TABLE": "r"}, WRITTEN)
    assert {name for name in WRITTEN if found.get(name) == WRITTEN[name]} == taken
    assert {name: found[name] for name, value in env.items() if value} == {n: v for n, v in env.items() if v}


async def test_a_parameter_that_says_anything_else_leaves_the_function_closed_and_is_not_quoted_in_the_log():
    async with deployment() as environment:
        told = await write(environment, json.dumps(WRITTEN | {"REGISTRY_TABLE": "of-somebody-else"}))
        [said], log = await asyncio.to_thread(
            answers_and_log, [rest("GET", "/oauth/signin")], told, module="tests.lambda_.echoing"
        )
    assert (said["statusCode"], said["multiValueHeaders"]["retry-after"]) == (503, ["2"])
    assert "stack_settings_unread" in log
    assert "of-somebody-else" not in log


async def test_without_the_parameter_the_data_plane_serves_keys_and_tells_nobody_to_sign_in():
    async with deployment() as environment:
        told = {name: text for name, text in environment.items() if name not in WRITTEN}
        with pytest.raises(AwsError, match="ParameterNotFound"):
            await patient(environment).call("ssm", "GetParameter", {"Name": NAME})
        async with runtime("handlers.mcp.app", **told, SETTINGS_PARAMETER=NAME) as function:
            status = {}
            for name in ("healthz", "mcp-tools-call", "mcp-unauthenticated"):
                head, _ = await function.invoke(sample(name)).end()
                status[name] = head["statusCode"]
            head, body = await function.invoke(sample("mcp-unauthenticated")).end()
    assert status == {"healthz": 200, "mcp-tools-call": 401, "mcp-unauthenticated": 503}
    assert head["headers"]["retry-after"] == "2"
    assert json.loads(body)["error"] == "temporarily_unavailable"


class Parameters:
    """An SSM that holds one text, or says no."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def call(self, service: str, operation: str, payload: Any) -> dict[str, Any]:
        assert (service, operation, payload) == ("ssm", "GetParameter", {"Name": NAME})
        if isinstance(self.value, AwsError):
            raise self.value
        return {"Parameter": {"Name": NAME, "Value": self.value}}


@pytest.mark.parametrize("found", [WRITTEN, {}, {"PUBLIC_URL": "https://a.example"}])
async def test_what_the_stack_wrote_is_read_back(found):
    assert await read_parameter(Parameters(json.dumps(found)), NAME) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        AwsError("ParameterNotFound", "", {}),
        AwsError("ThrottlingException", "Rate exceeded", {}, passing=True),
        AwsError("AccessDeniedException", "", {}),
        AwsError("Unreachable", "", {}, passing=True),
        "",
        "https://a.example",
        "[]",
        '"PUBLIC_URL"',
        '{"PUBLIC_URL": null}',
        '{"PUBLIC_URL": "https://a.example", "KMS_KEY_ID": "x"}',
        None,
    ],
    ids=str,
)
async def test_a_parameter_that_cannot_be_used_is_a_store_that_does_not_answer(value):
    with pytest.raises(StoreUnavailable, match=NAME):
        await read_parameter(Parameters(value), NAME)  # type: ignore[arg-type]
