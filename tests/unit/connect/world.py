"""A server and its authorization server as an asker meets them, without a network: every document can be replaced."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway_core.connect.asking import Answer, Fields
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.errors import UpstreamError, UpstreamUnreachable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth, UpstreamAuth

URL = "https://mcp.example.com/mcp"
ISSUER = "https://auth.example.com"
RESOURCE_AT = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
METADATA_AT = f"{ISSUER}/.well-known/oauth-authorization-server"
RESOURCE = {"resource": URL, "authorization_servers": [ISSUER], "scopes_supported": ["mcp:read"]}
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
}


def said(body: Any = b"", status: int = 200, **headers: str) -> Answer:
    """An answer; the body as bytes, text or JSON."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def challenged(field: str | None = f'Bearer resource_metadata="{RESOURCE_AT}"', status: int = 401) -> Answer:
    """How a server refuses somebody it does not know."""
    return said(b"", status) if field is None else said(b"", status, www_authenticate=field)


@dataclass
class World:
    """An asker. What it answers by `METHOD url`; everything else is a 404."""

    pages: dict[str, Answer | UpstreamError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, method: str, url: str, headers: Fields, body: bytes) -> Answer:
        self.asked.append(f"{method} {url}")
        self.sent.append((dict(headers), body))
        found = self.pages.get(f"{method} {url}", said(b"", 404))
        if isinstance(found, UpstreamError):
            raise found
        if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise UpstreamUnreachable("The server cannot be reached.")
        return found


def world(**documents: Any) -> World:
    """One in which a log-in is possible.

    Args:
        documents: `resource` and `metadata` change members of the documents, None leaves one out, and what is no dict
            replaces the whole; `server` replaces the answer to whoever has not logged in.
    """
    resource = _document(RESOURCE, documents.get("resource", {}))
    metadata = _document(METADATA, documents.get("metadata", {}))
    return World(
        {
            f"POST {URL}": documents.get("server") or challenged(),
            f"GET {RESOURCE_AT}": resource,
            f"GET {METADATA_AT}": metadata,
        }
    )


def _document(good: dict[str, Any], given: Any) -> Answer:
    if not isinstance(given, dict):
        return given if isinstance(given, Answer) else said(given)
    return said({name: value for name, value in (good | given).items() if value is not None})


def server(auth: UpstreamAuth | None = None, url: str = URL, **parts: Any) -> Server:
    """The server, as the registry holds it."""
    return Server("s1", "linear", "Linear", url, "auto", auth or OAuth(), "all", **parts)


async def outcome(of: Server, ask: World) -> Found | DiscoveryFailed:
    """How discovery ends."""
    try:
        return await discover(of, ask)
    except DiscoveryFailed as problem:
        return problem
