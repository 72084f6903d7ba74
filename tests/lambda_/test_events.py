"""Every sample in events/ runs through the handler that it is for, with an AWS that is a process beside the test."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.contracts.aws import json_api, kms_key, make_tables, new_id
from tests.lambda_.control_plane import answers
from tests.lambda_.fake_runtime_api import ROOT, runtime

EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))}
ADMIN_KEY = "an-administrators-key"
EDGE_KEY = "what-the-cdn-shows"
SECRETS = {"admin-key": ADMIN_KEY, "edge-key": EDGE_KEY, "setup-key": "s" * 48, "oidc-client-secret": "c" * 52}
"""As the stack makes them."""
SAMPLE_KEY = f"ghk_ws-00000000_k-00000000_{'x' * 43}"

STATUS = {
    "healthz": 200,
    "front": 303,
    "mcp-initialize": 200,
    "mcp-tools-call": 200,
    "mcp-tools-call-short-form": 200,
    "mcp-key-only": 200,
    "mcp-key-only-short-form": 200,
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
    "oauth-server-metadata": 200,
    "oauth-key-set": 200,
    "oauth-resource-metadata": 200,
    "oauth-resource-metadata-key-only": 404,
    "oauth-authorize": 303,
    "oauth-sign-in": 200,
    "oauth-connect": 303,
    "oauth-connect-ticket": 303,
    "oauth-upstream-callback": 400,
    "oauth-client-metadata": 200,
    "oauth-register": 201,
    "oauth-token": 400,
    "oauth-revoke": 200,
    "oauth-introspect": 401,
}
"""What each sample is answered with, where the MCP server behind it does not answer."""


@asynccontextmanager
async def deployment() -> AsyncIterator[dict[str, str]]:
    """The environment of a function beside tables from the template, and the key and secrets that the stack makes."""
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
        for name, value in SECRETS.items():
            secret = {"Name": f"gatehouse/{name}", "SecretString": value, "ClientRequestToken": new_id()}
            await api.call("secretsmanager", "CreateSecret", secret)
        yield {
            "PATH": os.defpath,
            "REGISTRY_TABLE": tables["registry"],
            "GRANTS_TABLE": tables["grants"],
            "KMS_KEY_ID": await kms_key(api),
            "PUBLIC_URL": "https://gate.example",
            "EGRESS_PORTS": "443 9443",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "OIDC_ISSUER": "https://idp.example",
            "OIDC_CLIENT_ID": "gatehouse",
        }
    finally:
        moto.stdin.close()
        await moto.wait()


def sample(name: str, *, key: str = SAMPLE_KEY) -> Any:
    """A sample with credentials that are good here, and its server on a port that the MCP function may not call."""
    text = (
        json.dumps(EVENTS[name]).replace("ADMIN_KEY", ADMIN_KEY).replace("EDGE_KEY", EDGE_KEY).replace(SAMPLE_KEY, key)
    )
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
        said: dict[str, Any] = {}
        for module in ("api", "oauth"):
            names = sorted(name for name in STATUS if name.startswith(f"{module}-"))  # apply comes first
            events = [*map(sample, names), EVENTS["schedule"]]
            *answered, acknowledged = await asyncio.to_thread(answers, events, environment, module=f"handlers.{module}")
            assert acknowledged == {}
            said |= dict(zip(names, answered, strict=True))
        key = json.loads(said["api-create-key"]["body"])["key"]
        found = {name: answer["statusCode"] for name, answer in said.items()}
        async with runtime("handlers.mcp.app", 120, **environment | {"EGRESS_PORTS": "443"}) as lambda_:
            for name in STATUS.keys() - said.keys():
                head, _ = await lambda_.invoke(sample(name, key=key)).end()
                found[name] = head["statusCode"]
            assert await lambda_.invoke(EVENTS["schedule"]).answer() == {}
    assert found == STATUS
    location = said["oauth-authorize"]["multiValueHeaders"]["location"][0]
    [sent_on] = parse_qs(urlsplit(location).query)["next"]
    assert parse_qs(urlsplit(sent_on).query)["state"] == ["a+b/c= d&e%2F"]
