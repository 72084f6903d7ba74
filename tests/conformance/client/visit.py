"""A visit of the official SDK's client to one of the suite's servers, through the gateway: it does all that is offered.

Where it is told to connect an account, its person does so with the browser, and the same is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from tests.conformance.client.cells import Era
from tests.conformance.client.person import NotConnected, Person
from tests.conformance.client.scenarios import Json, Scenario
from tests.processes import START_S

MOST_VISITS = 6
"""More than a gateway may send anybody to connect the same account; the suite allows three."""

UNRELATED: Final = "test_mrtr_unrelated"
"""A tool that is called while another one waits for an answer."""

UNTYPED: Final = "test_mrtr_no_result_type"
"""A tool whose result lacks `resultType`. What a modern server sends a modern client passes as it is, and this client
takes such a result for none."""

STREAM_S: Final = 1.0
"""How long the SDK may take to open the stream of a session."""

SAMPLES: Final[Json] = {
    "string": "word", "integer": 2, "number": 2, "boolean": True, "object": {}, "array": [], "null": None,
}  # fmt: skip

Said = TypeVar("Said")


class Failed(Exception):
    """A tool was called and could not do its work."""


@dataclass
class Visit:
    """One client with a key of its person's."""

    scenario: Scenario
    url: str
    key: str = field(repr=False)
    person: Person
    era: Era

    async def walk(self) -> None:
        """Connect, list everything, and use everything."""
        async with contextlib.AsyncExitStack() as stack:
            client = await self.patiently(lambda: stack.enter_async_context(self._client()))
            offered = client.server_capabilities
            # The SDK opens the session's own stream beside, and says nothing when it is there: a question that its
            # server asks on that one before is lost, with a gateway in between or without.
            await asyncio.sleep(STREAM_S if self.era == "legacy" and "elicitation" in self.scenario.name else 0)
            if offered.tools is not None:
                await self._use_tools(client)
            if offered.resources is not None:
                for resource in (await self.patiently(client.list_resources)).resources:
                    await client.read_resource(resource.uri)
            if offered.prompts is not None:
                for prompt in (await self.patiently(client.list_prompts)).prompts:
                    await client.get_prompt(prompt.name)

    async def patiently(self, ask: Callable[[], Awaitable[Said]]) -> Said:
        """What `ask` gives, once the account is connected that it takes.

        Raises:
            NotConnected: It asks for that again and again, or there is no way to.
        """
        for _ in range(MOST_VISITS):
            try:
                told = await ask()
            except (MCPError, ExceptionGroup) as error:
                link = self._link(words(error))
                if link is None:
                    raise
            else:
                link = self._link(told.model_dump_json()) if isinstance(told, types.CallToolResult) else None
                if link is None:
                    return told
            await self.person.connect(link)
        raise NotConnected(f"sent to connect an account {MOST_VISITS} times")

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        client: Client

        async def answer(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
            if isinstance(params, types.ElicitRequestURLParams):
                await self.person.connect(params.url)
                return types.ElicitResult(action="accept")
            if self.scenario.name == "sep-2322-client-request-state":
                await client.call_tool(UNRELATED)
            return types.ElicitResult(action="accept", content=filled(params.requested_schema["properties"]))

        bearer = {"authorization": f"Bearer {self.key}"}
        async with (
            httpx2.AsyncClient(trust_env=False, headers=bearer, timeout=START_S) as http,
            Client(
                streamable_http_client(self.url, http_client=http),
                mode="legacy" if self.era == "legacy" else "auto",
                elicitation_callback=answer,
            ) as client,
        ):
            yield client

    async def _use_tools(self, client: Client) -> None:
        tools = (await self.patiently(client.list_tools)).tools
        for name, arguments in calls(self.scenario, {tool.name: tool.input_schema for tool in tools}):
            call = functools.partial(client.call_tool, name, arguments)
            with contextlib.suppress(*([ValidationError] if name == UNTYPED else [])):
                result = await self.patiently(call)
                if result.is_error:
                    raise Failed(f"{name}: {result.model_dump_json()}")

    def _link(self, told: str) -> str | None:
        found = re.search(re.escape(self.person.public) + r"/connect/[A-Za-z0-9_/-]+", told)
        return None if found is None else found[0]


def calls(scenario: Scenario, tools: dict[str, Json]) -> list[tuple[str, Json]]:
    """What to call with what, by name and input schema of the tools; the suite says it for few."""
    match scenario.name:
        case "http-custom-headers":
            return [(call["name"], call["arguments"]) for call in scenario.context["toolCalls"]]
        case "json-schema-ref-no-deref":
            return []  # The suite's server has no call.
        case "json-schema-2020-12-preservation":
            return [("json_schema_echo", {"schema": tools["json_schema_2020_12_tool"]})]
    return [(name, filled(schema.get("properties", {}))) for name, schema in tools.items()]


def filled(properties: Json) -> Json:
    """A form as a person leaves it who changes nothing that has a default."""
    return {name: each["default"] if "default" in each else SAMPLES[each["type"]] for name, each in properties.items()}


def words(error: BaseException) -> str:
    """What went wrong, out of the groups that task groups make of it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(words(each) for each in error.exceptions)
    return " ".join(f"{type(error).__name__}: {error}".split())
