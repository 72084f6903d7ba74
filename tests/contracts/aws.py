"""AWS for tests: tables made from the deployed template, and a plain way to send requests to 127.0.0.1."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import yaml

from gateway_core.aws.credentials import EnvironmentCredentials
from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import Send
from gateway_core.ports import Clock
from gateway_core.storage.dynamo import DynamoTable

TEMPLATE = Path(__file__).parents[2] / "infra" / "tables.yaml"
CREDENTIALS = EnvironmentCredentials({"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"})
PATIENCE_S = 60.0
"""Longest wait for one answer: at the first request for a service moto imports it, for many seconds where nothing was
compiled yet."""


async def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """See gateway_core.aws.sending.Send. One connection for each request."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        fields = {**headers, "content-length": str(len(body)), "connection": "close"}
        head = [f"{method} {parts.path or '/'} HTTP/1.0", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        # moto's server waits 10 ms for more of the request unless it is told that there is none.
        writer.write_eof()
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    status_and_headers, _, content = answer.partition(b"\r\n\r\n")
    return int(status_and_headers.split()[1]), content


def json_api(url: str, clock: Clock, *, sending: Send = send, pauses: list[float] | None = None) -> JsonApi:
    """A client of the AWS at `url` that never waits between tries, and writes down how long it would have."""

    async def pause(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return JsonApi(
        sending, CREDENTIALS, "eu-west-1", clock, lambda: 0.5, endpoint_url=url, pause=pause, attempt_s=PATIENCE_S
    )


def new_id() -> str:
    return uuid4().hex


def table_properties() -> dict[Literal["registry", "grants"], dict[str, Any]]:
    """The properties of both tables as the template states them."""
    resources = yaml.safe_load(TEMPLATE.read_text())["Resources"]
    return {
        "registry": resources["RegistryTable"]["Properties"],
        "grants": resources["GrantsTable"]["Properties"],
    }


async def make_tables(api: JsonApi) -> dict[Literal["registry", "grants"], str]:
    """Two new tables as the template has them; their names."""
    names: dict[Literal["registry", "grants"], str] = {}
    for table, properties in table_properties().items():
        names[table] = f"{table}-{new_id()}"
        taken = ("BillingMode", "AttributeDefinitions", "KeySchema")
        request = {"TableName": names[table], **{field: properties[field] for field in taken}}
        await api.call("dynamodb", "CreateTable", request)
    return names


async def dynamo_table(
    url: str, clock: Clock, *, wrap: Callable[[Send], Send] = lambda sending: sending
) -> DynamoTable:
    """A table on new DynamoDB tables; `wrap` may put something between it and them."""
    names = await make_tables(json_api(url, clock))
    return DynamoTable(json_api(url, clock, sending=wrap(send)), names, clock, new_id=new_id)


async def kms_key(api: JsonApi) -> str:
    """The ARN of a new KMS key."""
    answer = await api.call("kms", "CreateKey", {"Description": "data keys"})
    return str(answer["KeyMetadata"]["Arn"])
