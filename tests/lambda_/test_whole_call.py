"""The walking gateway on Lambda: an official client, several runtime processes, DynamoDB, and a real MCP server."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.storage.dynamo import DynamoTable
from tests.contracts.aws import json_api, new_id
from tests.flows.upstreams import serving
from tests.lambda_.fake_runtime_api import runtime
from tests.lambda_.front import Front
from tests.lambda_.test_events import deployment
from tests.processes import conformance_server

RUNTIMES = 3


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """The URL of the conformance server behind a gateway on Lambda, and a key for it."""
    async with contextlib.AsyncExitStack() as stack:
        environment = await stack.enter_async_context(deployment())
        server = stack.enter_context(conformance_server(folder))
        tables: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        api = json_api(environment["AWS_ENDPOINT_URL"], lambda: 0)
        table = DynamoTable(api, tables, lambda: 0, new_id=new_id)
        secrets = LocalSecrets(table, LocalKeyring(folder / "unused.key", random_bytes=os.urandom))
        admin = Administration(table, secrets, lambda: 0, check_url=str)
        config = {
            "workspaces": [{"slug": "test"}],
            "servers": [{"slug": "conformance", "url": server, "workspaces": ["test"]}],
        }
        await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
        key, _ = await admin.create_key(KeyDraft(workspace="test", kind="service", subject="ci"), by="test")
        runtimes = [
            await stack.enter_async_context(runtime("tests.lambda_.whole.app", **environment)) for _ in range(RUNTIMES)
        ]
        port = await stack.enter_async_context(serving(Front(runtimes)))
        yield f"http://127.0.0.1:{port}/test/conformance/mcp", key


@pytest.mark.parametrize(
    ("mode", "version", "asking"),
    [
        ("2026-07-28", "2026-07-28", ("test_input_required_result_elicitation", {})),
        ("legacy", "2025-11-25", ("test_elicitation", {"message": "Who are you?"})),
    ],
)
async def test_an_official_client_calls_a_real_server_through_processes_that_share_nothing_but_the_store(
    tmp_path, mode, version, asking
):
    asked = []

    async def fill_in(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"username": "a", "email": "a@example.com", "name": "Ana"})

    reports = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append(progress)

    async with deployed(tmp_path) as (url, key), asyncio.timeout(60):
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode=mode, elicitation_callback=fill_in) as client:
                assert client.protocol_version == version
                assert "test_simple_text" in [tool.name for tool in (await client.list_tools()).tools]
                called = await client.call_tool("test_simple_text")
                assert called.content[0].text == "This is a simple text response for testing."  # type: ignore[union-attr]
                await client.call_tool("test_tool_with_progress", progress_callback=on_progress)
                assert reports == [0, 50, 100]
                answered = await client.call_tool(*asking)
                assert len(asked) == 1
                assert "Ana" in str(answered.content) or "accept" in str(answered.content)
