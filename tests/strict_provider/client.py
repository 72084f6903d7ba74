"""The official SDK's own OAuth client at the MCP server, with a person who signs in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.strict_provider.person import Person
from tests.strict_provider.server import Notes

CALLBACK = "http://127.0.0.1:9/callback"
"""Nothing listens there: the person says where the browser was sent."""


class Refused(Exception):
    """The provider sent the browser back with an error; the text is its code."""


@dataclass
class Memory:
    """The SDK's TokenStorage."""

    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    kept: list[OAuthToken] = field(default_factory=list)
    """All tokens that ever came, in order."""

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.kept.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def signing_in(notes: Notes, person: Person, memory: Memory, document: str | None = None) -> OAuthClientProvider:
    """What sends `person` to the provider when there is no other way."""
    returned: list[str] = []

    async def open_browser(url: str) -> None:
        returned.append(await person.visit(url))

    async def answer() -> AuthorizationCodeResult:
        told = dict(parse_qsl(urlsplit(returned.pop()).query))
        if "error" in told:
            raise Refused(told["error"])
        return AuthorizationCodeResult(code=told["code"], state=told.get("state"), iss=told.get("iss"))

    metadata = OAuthClientMetadata.model_validate({"client_name": "SDK", "redirect_uris": [CALLBACK]})
    return OAuthClientProvider(notes.url, metadata, memory, open_browser, answer, client_metadata_url=document)


@contextlib.asynccontextmanager
async def connected(notes: Notes, auth: OAuthClientProvider) -> AsyncIterator[Client]:
    """A client of the MCP server."""
    async with (
        httpx2.AsyncClient(trust_env=False, auth=auth) as http,
        Client(streamable_http_client(notes.url, http_client=http)) as client,
    ):
        yield client


async def said(client: Client, tool: str, **arguments: Any) -> str:
    """The text that a tool answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    (block,) = result.content
    return str(getattr(block, "text", block))
