"""The official SDK as a client whose person has to connect an account: at a strict provider, and a server of the same
SDK."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError

from tests.strict_provider.person import Person
from tests.strict_provider.through_gateway import LINK, Member, Place, place

pytestmark = pytest.mark.tools

OAUTH = {"type": "oauth"}
MODERN = "2026-07-28"


@contextlib.asynccontextmanager
async def sdk(at: Place, member: Member, mode: str, **options: Any) -> AsyncIterator[Client]:
    """A client with a person's key. A revision as `mode` skips the opening."""
    async with (
        httpx2.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {member.key}"}) as http,
        Client(
            streamable_http_client(f"{at.gw.url}/research/notes/mcp", http_client=http), mode=mode, **options
        ) as client,
    ):
        yield client


def text_of(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def test_a_modern_client_opens_the_page_and_its_one_call_answers(tmp_path: Path):
    async with place(tmp_path, OAUTH) as at, Person("ana at notes") as ana:
        member, opened = await at.member("ana@example.com"), list[str]()

        async def open_page(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
            assert isinstance(params, types.ElicitRequestURLParams)
            opened.append(params.url)
            await at.connect(member, ana, params.url)
            return types.ElicitResult(action="accept")

        async with sdk(at, member, MODERN, elicitation_callback=open_page) as client:
            result = await client.call_tool("whoami", {})
        assert text_of(result) == "ana at notes"
        assert len(opened) == 1


@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_a_modern_client_whose_person_does_not_connect_ends_with_the_link_in_words(tmp_path: Path, action: Any):
    async with place(tmp_path, OAUTH) as at:
        member, asked = await at.member("ana@example.com"), list[str]()

        async def answer(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
            asked.append(params.message)
            return types.ElicitResult(action=action)

        async with sdk(at, member, MODERN, elicitation_callback=answer) as client:
            result = await client.call_tool("whoami", {})
        assert result.is_error
        assert LINK.search(text_of(result))
        assert len(asked) == (8 if action == "accept" else 1)


async def test_a_modern_client_that_opens_no_pages_raises_the_link(tmp_path: Path):
    async with place(tmp_path, OAUTH) as at:
        member = await at.member("ana@example.com")
        async with sdk(at, member, MODERN) as client:
            with pytest.raises(MCPError) as raised:
                await client.call_tool("whoami", {})
        assert raised.value.code == -32021
        assert "authorization_url" in str(raised.value)
        assert LINK.search(str(raised.value))


async def test_a_legacy_client_raises_what_its_sdk_knows_and_calls_again_in_the_same_session(tmp_path: Path):
    async with place(tmp_path, OAUTH) as at, Person("ana at notes") as ana:
        member = await at.member("ana@example.com")
        await at.connect(member, ana)
        async with sdk(at, member, "legacy") as client:
            assert text_of(await client.call_tool("whoami", {})) == "ana at notes"
            await at.disconnect(member)
            with pytest.raises(MCPError) as raised:
                await client.call_tool("whoami", {})
            assert "authorization_url" in str(raised.value)
            (asked,) = UrlElicitationRequiredError.from_error(raised.value.error).elicitations
            await at.connect(member, ana, asked.url)
            assert text_of(await client.call_tool("whoami", {})) == "ana at notes"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_connects_without_an_account_raises_the_link(tmp_path: Path, mode: str):
    async with place(tmp_path, OAUTH) as at:
        member, raised = await at.member("ana@example.com"), list[BaseException]()
        try:
            async with sdk(at, member, mode):
                pass
        except BaseExceptionGroup as group:
            raised += leaves(group)
        (error,) = raised
        assert isinstance(error, MCPError)
        assert error.code == -31003
        assert LINK.search(str(error))


def leaves(raised: BaseException) -> list[BaseException]:
    """What a group of errors is about."""
    if not isinstance(raised, BaseExceptionGroup):
        return [raised]
    return [leaf for each in raised.exceptions for leaf in leaves(each)]
