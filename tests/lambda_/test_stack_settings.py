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
    FRESH_S,
    RETRY_S,
    Settling,
    completed,
    needs_no_url,
    refuse,
    settled,
    settled_data_plane,
)
from gateway_core.errors import StoreUnavailable
from gateway_core.settings import Settings
from gateway_core.web.mcp import McpApp
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


class Reads:
    """Settings that can be read, or not."""

    def __init__(self) -> None:
        self.times = 0
        self.works = True
        self.url = WRITTEN["PUBLIC_URL"]
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> Settings:
        self.times += 1
        await self.answers.wait()
        if not self.works:
            raise StoreUnavailable("no answer")
        return Settings(public_url=self.url)


def said(settings: Settings) -> Any:
    """An application that says its URL."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(settings.public_url)

    return app


async def ask(app: Any, headers: Any = ()) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "path": "/", "headers": list(headers)}, None, send)
    return sent


async def settle() -> None:
    """Let what runs beside a request come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_settings_are_read_once_however_many_ask_at_the_same_time():
    reads = Reads()
    app = Settling(reads, said, refuse, lambda: 0)
    assert await asyncio.gather(*(ask(app) for _ in range(5))) == [[WRITTEN["PUBLIC_URL"]]] * 5
    assert reads.times == 1


async def test_settings_that_could_not_be_read_are_asked_for_again_but_not_by_every_request(caplog):
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    reads.works = False
    for _ in range(3):
        assert (await ask(app))[0]["status"] == 503
    assert reads.times == 1
    assert [record.message for record in caplog.records] == ["stack_settings_unread"]
    now[0] += RETRY_S
    reads.works = True
    assert await ask(app) == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 2


async def test_settings_are_read_again_every_few_minutes_and_nobody_waits_for_it():
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    await ask(app)
    now[0] += FRESH_S - 1
    await ask(app)
    assert reads.times == 1
    now[0] += 1
    reads.url = "https://mcp.example.com"
    reads.answers.clear()
    assert await asyncio.gather(*(ask(app) for _ in range(3))) == [[WRITTEN["PUBLIC_URL"]]] * 3
    assert reads.times == 2
    reads.answers.set()
    await settle()
    assert await ask(app) == ["https://mcp.example.com"]


async def test_settings_that_can_no_longer_be_read_are_kept(caplog):
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    await ask(app)
    reads.works = False
    for _ in range(3):
        now[0] += FRESH_S
        assert await ask(app) == [WRITTEN["PUBLIC_URL"]]
        await settle()
    assert reads.times == 4
    assert {record.message for record in caplog.records} == {"stack_settings_unread"}
    reads.works, reads.url = True, "https://mcp.example.com"
    now[0] += RETRY_S
    await ask(app)
    await settle()
    assert await ask(app) == ["https://mcp.example.com"]


async def test_an_application_lives_on_while_its_settings_stay_the_same():
    reads, now, made = Reads(), [100], []

    def make(settings: Settings) -> Any:
        made.append(settings)
        return said(settings)

    app = Settling(reads, make, refuse, lambda: now[0])
    for _ in range(3):
        await ask(app)
        await settle()
        now[0] += FRESH_S
    assert (reads.times, len(made)) == (3, 1)


KEY = (b"authorization", b"Bearer ghk_ws-abcdefgh_k-abcdefgh_" + b"a" * 43)


async def test_a_call_with_an_api_key_waits_for_no_settings_and_a_token_does():
    reads = Reads()
    reads.answers.clear()
    app = Settling(reads, said, said(Settings(public_url="keys only")), lambda: 0, needs_no_url)
    assert await ask(app, [KEY]) == ["keys only"]
    waiting = asyncio.create_task(ask(app, [(b"authorization", b"Bearer gha_token")]))
    await settle()
    assert not waiting.done()
    assert await ask(app, [KEY]) == ["keys only"]
    reads.answers.set()
    assert await waiting == [WRITTEN["PUBLIC_URL"]]
    assert await ask(app, [KEY]) == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 1


async def test_a_client_that_leaves_while_settings_are_read_takes_them_from_nobody():
    reads = Reads()
    reads.answers.clear()
    app = Settling(reads, said, refuse, lambda: 0)
    gone, stays = asyncio.create_task(ask(app)), asyncio.create_task(ask(app))
    await settle()
    gone.cancel()
    await settle()
    reads.answers.set()
    assert await stays == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 1


@pytest.mark.parametrize(
    ("headers", "alone"),
    [
        ([KEY], True),
        ([(b"x-api-key", KEY[1].removeprefix(b"Bearer "))], True),
        ([(b"x-portkey-api-key", KEY[1].removeprefix(b"Bearer "))], True),
        ([], False),
        ([(b"authorization", b"Bearer gha_token")], False),
        ([(b"authorization", b"Bearer eyJ.ghk_.x")], False),
        ([KEY, (b"x-api-key", b"gha_token")], False),
        ([KEY, (b"x-goog-iap-jwt-assertion", b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln")], False),
        ([(b"user-agent", b"ghk_")], False),
    ],
    ids=str,
)
def test_only_a_request_whose_one_credential_is_an_api_key_can_do_without_our_url(headers, alone):
    assert needs_no_url({"path": "/linear/mcp", "headers": headers}) is alone


def test_where_the_environment_says_everything_nothing_is_read():
    complete = Settings(public_url="https://a.example", registry_table="r", grants_table="g", aws_region="eu-west-1")
    assert isinstance(settled_data_plane(complete), McpApp)
    assert settled(complete, lambda settings: settings) is complete  # type: ignore[arg-type,return-value,comparison-overlap]
    assert isinstance(settled(DEPLOYED, said), Settling)
