"""Every sample in events/ runs through the handler that it is for, with an AWS that is a process beside the test."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.contracts.aws import json_api, make_tables, new_id
from tests.lambda_.admin_api import answers
from tests.lambda_.fake_runtime_api import ROOT, runtime

EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))}
ADMIN_KEY = "an-administrators-key"
SAMPLE_KEY = f"ghk_ws-00000000_k-00000000_{'x' * 43}"

STATUS = {
    "healthz": 200,
    "mcp-initialize": 200,
    "mcp-tools-call": 200,
    "mcp-tools-call-short-form": 200,
    "mcp-get-stream": 405,
    "mcp-delete-session": 404,
    "mcp-head": 401,
    "mcp-options-preflight": 403,
    "mcp-unauthenticated": 401,
    "mcp-in-a-browser": 200,
    "sse-post": 404,
    "sse-post-short-form": 404,
    "api-list-servers": 200,
    "api-apply": 200,
    "api-create-key": 201,
    "api-unauthenticated": 401,
}
"""What each sample is answered with, where the MCP server behind it does not answer."""


@asynccontextmanager
async def deployment() -> AsyncIterator[dict[str, str]]:
    """The environment of a function beside tables from the template and the secret that the stack makes."""
    moto = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contracts.aws_process", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert moto.stdin
    assert moto.stdout
    url = f"http://127.0.0.1:{int(await moto.stdout.readline())}"
    try:
        api = json_api(url, lambda: 0)
        tables = await make_tables(api)
        secret = {"Name": "gatehouse/admin-key", "SecretString": ADMIN_KEY, "ClientRequestToken": new_id()}
        await api.call("secretsmanager", "CreateSecret", secret)
        yield {
            "PATH": os.defpath,
            "REGISTRY_TABLE": tables["registry"],
            "GRANTS_TABLE": tables["grants"],
            "PUBLIC_URL": "https://gate.example",
            "EGRESS_PORTS": "443 9443",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
    finally:
        moto.stdin.close()
        await moto.wait()


def sample(name: str, *, key: str = SAMPLE_KEY) -> Any:
    """A sample with credentials that are good here, and its server on a port that the MCP function may not call."""
    text = json.dumps(EVENTS[name]).replace("ADMIN_KEY", ADMIN_KEY).replace(SAMPLE_KEY, key)
    return json.loads(text.replace("https://weather.example/mcp", "https://weather.example:9443/mcp"))


def test_every_sample_but_the_schedule_has_a_status_here():
    assert set(EVENTS) - set(STATUS) == {"schedule"}


@pytest.mark.parametrize("name", sorted(STATUS))
def test_a_sample_is_an_event_as_a_rest_api_sends_it(name: str):
    event = EVENTS[name]
    context = event["requestContext"]
    assert event["httpMethod"] == context["httpMethod"]
    assert event["resource"] == context["resourcePath"]
    assert context["path"] == f"/{context['stage']}{event['path']}"
    assert event["headers"] == {name: values[-1] for name, values in event["multiValueHeaders"].items()}
    filled = event["resource"].replace("+}", "}").format(**(event["pathParameters"] or {}))
    assert filled == event["path"]


async def test_every_sample_is_answered_by_its_handler():
    async with deployment() as environment:
        names = sorted(name for name in STATUS if name.startswith("api-"))  # apply comes first, and makes the rest
        events = [*map(sample, names), EVENTS["schedule"]]
        *said, acknowledged = await asyncio.to_thread(answers, events, environment)
        assert [answer["statusCode"] for answer in said] == [STATUS[name] for name in names], said
        assert acknowledged == {}
        key = json.loads(said[names.index("api-create-key")]["body"])["key"]
        found = {}
        async with runtime("handlers.mcp.app", **environment | {"EGRESS_PORTS": "443"}) as lambda_:
            for name in STATUS.keys() - set(names):
                head, _ = await lambda_.invoke(sample(name, key=key)).end()
                found[name] = head["statusCode"]
            assert await lambda_.invoke(EVENTS["schedule"]).answer() == {}
    assert found == {name: STATUS[name] for name in found}
