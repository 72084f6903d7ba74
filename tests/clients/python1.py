"""A visit with the MCP SDK 1.x for Python, in its own environment. Modes: `http`, `sse`."""

from typing import Any

from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl
from signing import signing_in
from visit import Heard, Host, Order, pages, run, say, walk


class Verbs:
    """What a step can be."""

    def __init__(self, session: ClientSession, heard: Heard) -> None:
        self.session, self.heard = session, heard

    async def list(self, what: str) -> dict[str, Any]:
        session = self.session
        match what:
            case "tools":
                return await pages(session.list_tools, lambda page: [one.name for one in page.tools])
            case "prompts":
                return await pages(session.list_prompts, lambda page: [one.name for one in page.prompts])
            case "resources":
                return await pages(session.list_resources, lambda page: [str(one.uri) for one in page.resources])
        return await pages(
            session.list_resource_templates, lambda page: [one.uriTemplate for one in page.resourceTemplates]
        )

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        done = await self.session.call_tool(tool, arguments, progress_callback=self.heard.report)
        return self.heard.result(done.content, failed=bool(done.isError))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        got = await self.session.get_prompt(name, arguments)
        return self.heard.prompted(got.messages[0].content.text)

    async def read(self, uri: str) -> dict[str, Any]:
        return {"text": (await self.session.read_resource(AnyUrl(uri))).contents[0].text}

    async def complete(self, prompt: str, argument: str, value: str) -> dict[str, Any]:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        got = await self.session.complete(reference, {"name": argument, "value": value})
        return {"values": got.completion.values}

    async def level(self, level: types.LoggingLevel) -> dict[str, Any]:
        await self.session.set_logging_level(level)
        return {}

    async def watch(self, what: str, trigger: str) -> dict[str, Any]:
        if "://" in what:
            await self.session.subscribe_resource(AnyUrl(what))
        await self.session.call_tool(trigger, {})
        return await self.heard.notice(what)


async def main(order: Order) -> None:
    heard = Heard()
    connect = sse_client if order.mode == "sse" else streamablehttp_client
    with signing_in(order, "Python 1") as auth:
        await go(order, heard, connect(order.url, headers=order.headers, auth=auth))


async def go(order: Order, heard: Heard, connection: Any) -> None:
    async with (
        connection as (reading, writing, *_),
        ClientSession(reading, writing, **Host(types, order, heard).callbacks()) as session,
    ):
        hello = await session.initialize()
        say("connect", protocol=hello.protocolVersion)
        await walk(order.steps, heard, Verbs(session, heard))


run(main)
