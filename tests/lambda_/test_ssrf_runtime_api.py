"""No URL that anybody hands to a function leads to its own Runtime API, which gives out the next caller's request."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
import pytest_asyncio

from gateway_core.admin.administration import Administration
from gateway_core.admin.applying import touch
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.registry.jwt_validation import KeySetUrl
from gateway_core.registry.servers import Server, to_data
from gateway_core.storage import keys
from gateway_core.storage.dynamo import DynamoTable
from tests.contracts.aws import json_api, new_id
from tests.flows.foreign import token
from tests.flows.houses import modern_call
from tests.lambda_.emulator import Emulator, emulator
from tests.lambda_.events import rest
from tests.lambda_.fake_runtime_api import ROOT, FakeRuntimeApi, runtime
from tests.lambda_.inward import NAMES
from tests.lambda_.test_events import EVENTS, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEXT = "/2018-06-01/runtime/invocation/next"
LOCALHOSTS = ["localhost", "LOCALHOST.", "api.localhost", "localhost.localdomain", "ip6-localhost"]
ADDRESSES = [
    "127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "①②⑦.⓪.⓪.①", "0", "0.0.0.0",
    "127.0.0.2", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "weather.example@127.0.0.1", "weather.example\\@127.0.0.1",
]  # fmt: skip


def by_name(port: int) -> list[str]:
    """The Runtime API's URL under every name that it has, and a URL that leads nowhere."""
    return [f"https://{name}:{port}{NEXT}" for name in (*NAMES, *LOCALHOSTS, "nobody.example")]


def by_address(port: int) -> list[str]:
    """In every other way to write it, and without TLS."""
    plain = [f"http://{host}:{port}{NEXT}" for host in (*ADDRESSES, *NAMES, *LOCALHOSTS)]
    return [*plain, *(f"https://{host}:{port}{NEXT}" for host in ADDRESSES)]


VALIDATION = {"issuer": "https://login.acme.example", "audience": "x", "jwks_uri": "https://nobody.example/"}
SERVERS: list[dict[str, Any]] = [
    {"slug": "plain", "transport": "http", "era": "modern"},
    {"slug": "older", "transport": "sse"},
    {"slug": "keys", "jwt_validation": VALIDATION},
]
"""One that is called, one over HTTP+SSE, and one that believes an issuer, whose keys are fetched."""


@dataclass
class Stack:
    """What a function shares with its administrator: the tables."""

    environment: dict[str, str]
    admin: Administration
    key: str = ""
    records: dict[str, Server] = field(default_factory=dict)

    async def register(self) -> None:
        servers = [{"url": "https://nobody.example/", "workspaces": ["research"], **each} for each in SERVERS]
        config = {"workspaces": [{"slug": "research"}], "servers": servers}
        await self.admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
        self.key, _ = await self.admin.create_key(KeyDraft(workspace="research", kind="service", subject="ci"), by="x")
        self.records = {slug: stored.record for slug, stored in (await self.admin.state()).servers.items()}

    async def lead(self, url: str, *slugs: str) -> None:
        """Have servers lead to `url`, past the check of what is saved: a name may have led elsewhere then."""
        for slug in slugs:
            record = replace(self.records[slug], url=url)
            if record.jwt_validation is not None:
                record = replace(record, jwt_validation=replace(record.jwt_validation, vouching=KeySetUrl(url)))
            await self.admin.table.put(keys.server(record.id), to_data(record))
        await touch(self.admin.table)

    def event(self, slug: str) -> dict[str, Any]:
        """A call of a tool."""
        headers, body = modern_call(token() if slug == "keys" else self.key)
        headers |= {"host": "gate.example"}
        lists = {name: [value] for name, value in headers.items()}
        path = f"/research/{slug}/mcp"
        return rest("POST", path, body=body.decode(), headers=headers, multiValueHeaders=lists)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    async with deployment() as environment:
        tables: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        table = DynamoTable(json_api(environment["AWS_ENDPOINT_URL"], lambda: 0), tables, lambda: 0, new_id=new_id)
        secrets = LocalSecrets(table, LocalKeyring(folder / "unused.key", random_bytes=os.urandom))
        made = Stack({**environment, "PYTHONPATH": str(ROOT)}, Administration(table, secrets, lambda: 0, check_url=str))
        await made.register()
        yield made


Answer = Callable[[dict[str, Any]], Awaitable[tuple[int, Any]]]
"""From an event to status and JSON of the answer."""


@asynccontextmanager
async def of_the_fake(api: FakeRuntimeApi) -> AsyncIterator[Answer]:
    """What the function answers. Its records and its log are read: it would wait for a pipe that is full."""

    async def answer(event: dict[str, Any]) -> tuple[int, Any]:
        head, body = await api.invoke(event).end()
        return head["statusCode"], json.loads(body)

    assert api.process.stdout
    assert api.process.stderr
    reading = [asyncio.create_task(pipe.read()) for pipe in (api.process.stdout, api.process.stderr)]
    try:
        yield answer
    finally:
        for each in reading:
            each.cancel()
        await asyncio.wait(reading)


def of_the_emulator(function: Emulator) -> Answer:
    async def answer(event: dict[str, Any]) -> tuple[int, Any]:
        told = await function.invoke(event)
        return told["statusCode"], json.loads(told["body"])

    return answer


async def called(made: Stack, port: int, answer: Answer) -> dict[str, set[tuple[int, str]]]:
    """All that callers get to read, wherever the servers lead; by server."""
    told: dict[str, set[tuple[int, str]]] = {slug: set() for slug in made.records}
    for url in (*by_name(port), *by_address(port)):
        slugs = [*made.records] if url in by_name(port) else ["plain"]
        await made.lead(url, *slugs)
        for slug in slugs:
            status, body = await answer(made.event(slug))
            result = body.get("result") or {"content": [{"text": body["error"]["message"]}]}
            told[slug].add((status, result["content"][0]["text"]))
    return told


def check(told: dict[str, set[tuple[int, str]]]) -> None:
    """Each server says one thing, whatever is where its URL leads."""
    assert told["plain"] == {(200, "plain: The server could not be reached.")}
    assert told["older"] == {(200, "older: The server could not be reached.")}
    [(status, _)] = told["keys"]
    assert status == 401


async def test_no_url_of_a_server_or_of_keys_makes_the_function_say_a_word_to_its_runtime_api(stack: Stack):
    async with runtime("tests.lambda_.reaching.walled", 60, **stack.environment) as api:
        async with of_the_fake(api) as answer:
            told = await called(stack, int(api.address.rpartition(":")[2]), answer)
        own = {"/invocation/next", *(f"/invocation/request-{n + 1}/response" for n in range(len(api.asked)))}
        assert set(api.asked) <= own
        assert api.connections == len(api.asked)
    check(told)


async def test_without_the_walls_the_same_call_does_reach_it(stack: Stack):
    async with runtime("tests.lambda_.reaching.unwalled", 60, **stack.environment) as api:
        await stack.lead(f"http://{api.address}/2018-06-01/runtime/init/error", "plain")
        async with of_the_fake(api) as answer:
            await answer(stack.event("plain"))
        assert "/init/error" in api.asked


def asked_of_the_emulator(function: Emulator) -> set[str]:
    """Paths that its Runtime API was asked for, the ids of requests left out."""
    found = re.findall(r"API request - [A-Z]+ (\S+), Headers", function.log)
    return {re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", path) for path in found}


OWN = {NEXT, "/2018-06-01/runtime/invocation/ID/response"}


async def port_inside(function: Emulator, event: Any) -> int:
    """Where the emulator's Runtime API listens, which it has said by the end of an invocation."""
    await function.invoke(event)
    return int(re.findall(r"Runtime API Server listening on 127\.0\.0\.1:(\d+)", function.log)[0])


@pytest.mark.tools
async def test_neither_does_it_inside_the_emulator_that_aws_ships(stack: Stack):
    settings = {**stack.environment, "LOG_LEVEL": "debug"}
    async with emulator("tests.lambda_.reaching.walled", settings) as function:
        port = await port_inside(function, EVENTS["schedule"])
        told = await called(stack, port, of_the_emulator(function))
    assert asked_of_the_emulator(function) == OWN
    check(told)


@pytest.mark.tools
async def test_no_client_that_is_known_by_a_document_makes_the_sign_in_function_ask_its_runtime_api(stack: Stack):
    program, told = (sys.executable, "-m", "awslambdaric", "tests.lambda_.reaching_sign_in.handler"), set()
    settings = {**stack.environment, "LOG_LEVEL": "debug"}
    async with emulator("tests.lambda_.reaching_sign_in.handler", settings, program=program) as function:
        sample = EVENTS["oauth-authorize"]
        for url in by_name(await port_inside(function, EVENTS["schedule"])):
            asked = {**sample["queryStringParameters"], "client_id": url}
            lists = {name: [value] for name, value in asked.items()}
            event = {**sample, "queryStringParameters": asked, "multiValueQueryStringParameters": lists}
            answer = await function.invoke(event)
            host = url.lower().removeprefix("https://").partition("/")[0]
            [said] = re.findall(r'<p class="wrap">(.*?)</p>', answer["body"])
            told.add((answer["statusCode"], said.replace(host, "HOST")))
    assert asked_of_the_emulator(function) == OWN
    assert told == {
        (400, "The client metadata document at HOST cannot be used: The server could not be reached."),
        (400, "The client_id is no URL of a client metadata document."),
    }
