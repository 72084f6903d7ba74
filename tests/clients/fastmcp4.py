"""A visit with the client of fastmcp 4, in its own environment. Modes as in the MCP SDK 2.x, on which it stands."""

import warnings
from typing import Any

import mcp_types as types
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.shared.exceptions import MCPDeprecationWarning
from visit import Heard, Host, Order, run, say, walk


class Verbs:
    """What a step can be."""

    def __init__(self, client: Client, heard: Heard) -> None:
        self.client, self.heard = client, heard

    async def list(self, what: str) -> dict[str, Any]:
        match what:
            case "tools":
                return {"names": [one.name for one in await self.client.list_tools()]}
            case "prompts":
                return {"names": [one.name for one in await self.client.list_prompts()]}
            case "resources":
                return {"names": [str(one.uri) for one in await self.client.list_resources()]}
        return {"names": [one.uri_template for one in await self.client.list_resource_templates()]}

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        done = await self.client.call_tool(tool, arguments, progress_handler=self.heard.report, raise_on_error=False)
        return self.heard.result(done.content, failed=done.is_error)

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        got = await self.client.get_prompt(name, arguments)
        return self.heard.prompted(got.messages[0].content.text)

    async def read(self, uri: str) -> dict[str, Any]:
        return {"text": (await self.client.read_resource(uri))[0].text}

    async def complete(self, prompt: str, argument: str, value: str) -> dict[str, Any]:
        reference = types.PromptReference(name=prompt)
        return {"values": (await self.client.complete(reference, {"name": argument, "value": value})).values}

    async def level(self, level: types.LoggingLevel) -> dict[str, Any]:
        if self.client.protocol_version < "2026":  # Later revisions say it with every request; so does fastmcp.
            await self.client.set_logging_level(level)
        return {}

    async def watch(self, what: str, trigger: str) -> dict[str, Any]:
        await self.client.call_tool(trigger)
        return await self.heard.notice(what)


class FastHost(Host):
    """Answers in the shapes that fastmcp wants."""

    async def fill_in(self, message: str, _wanted: type | None, params: Any, _context: object) -> Any:
        self.heard.asked.append(message)
        if params.mode == "url":
            return types.ElicitResult(action=await self.page(params.url))
        return self.order.filled(params.requested_schema)

    async def write(self, messages: list[Any], _params: object, _context: object) -> str:
        self.heard.asked.append(messages[0].content.text)
        return self.order.answers["model"]

    async def folders(self, _context: object) -> list[str]:
        self.heard.asked.append("roots")
        return [self.order.answers["root"]]


async def main(order: Order) -> None:
    # Sampling, roots and log levels are deprecated since 2026-07-28 and still to be served.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    heard = Heard()
    host = FastHost(types, order, heard)
    client = Client(
        StreamableHttpTransport(order.url, headers=order.headers),
        mode=order.mode,
        elicitation_handler=None if order.pages == "none" else host.fill_in,
        sampling_handler=host.write,
        roots=host.folders,
        log_handler=host.log,
        message_handler=host.told,
    )
    async with client:
        say("connect", protocol=client.protocol_version)
        await walk(order.steps, heard, Verbs(client, heard))


run(main)
