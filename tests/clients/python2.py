"""A visit with the MCP SDK 2.x for Python. Modes: `auto`, `legacy`, or a revision of the modern era to be pinned to."""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning
from signing import signing_in
from visit import Heard, Host, Order, pages, run, say, walk


class Verbs:
    """What a step can be."""

    def __init__(self, client: Client, heard: Heard) -> None:
        self.client, self.heard = client, heard
        self.modern = client.protocol_version >= "2026"

    async def list(self, what: str) -> dict[str, Any]:
        client = self.client
        match what:
            case "tools":
                return await pages(
                    lambda cursor: client.list_tools(cursor=cursor), lambda page: [one.name for one in page.tools]
                )
            case "prompts":
                return await pages(
                    lambda cursor: client.list_prompts(cursor=cursor), lambda page: [one.name for one in page.prompts]
                )
            case "resources":
                return await pages(
                    lambda cursor: client.list_resources(cursor=cursor),
                    lambda page: [str(one.uri) for one in page.resources],
                )
        return await pages(
            lambda cursor: client.list_resource_templates(cursor=cursor),
            lambda page: [one.uri_template for one in page.resource_templates],
        )

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        done = await self.client.call_tool(tool, arguments, progress_callback=self.heard.report)
        return self.heard.result(done.content, failed=bool(done.is_error))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        got = await self.client.get_prompt(name, arguments)
        return self.heard.prompted(got.messages[0].content.text)

    async def read(self, uri: str) -> dict[str, Any]:
        return {"text": (await self.client.read_resource(uri)).contents[0].text}

    async def complete(self, prompt: str, argument: str, value: str) -> dict[str, Any]:
        reference = types.PromptReference(name=prompt)
        got = await self.client.complete(reference, {"name": argument, "value": value})
        return {"values": got.completion.values}

    async def level(self, level: types.LoggingLevel) -> dict[str, Any]:
        if not self.modern:  # The modern era says it with every request; `log_level` below sees to that.
            await self.client.set_logging_level(level)
        return {}

    async def watch(self, what: str, trigger: str) -> dict[str, Any]:
        async with self.listening(what):
            await self.client.call_tool(trigger)
            return await self.heard.notice(what)

    @asynccontextmanager
    async def listening(self, what: str) -> AsyncIterator[None]:
        if self.modern:
            wanted = {"resource_subscriptions": [what]} if "://" in what else {f"{what}_list_changed": True}
            async with self.client.listen(**wanted):
                yield
        else:
            if "://" in what:
                await self.client.subscribe_resource(what)
            yield


async def main(order: Order) -> None:
    # Sampling, roots and log levels are deprecated since 2026-07-28 and still to be served.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    heard = Heard()
    with signing_in(order, "Python 2") as auth:
        await go(order, heard, httpx2.AsyncClient(headers=order.headers, auth=auth, timeout=30))


async def go(order: Order, heard: Heard, http: httpx2.AsyncClient) -> None:
    async with http:
        transport = streamable_http_client(order.url, http_client=http)
        host = Host(types, order, heard).callbacks()
        async with Client(transport, mode=order.mode, log_level="info", **host) as client:
            say("connect", protocol=client.protocol_version)
            await walk(order.steps, heard, Verbs(client, heard))


run(main)
