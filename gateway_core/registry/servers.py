"""Servers: upstream MCP servers as the registry holds them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway_core.registry import forwarded
from gateway_core.registry import jwt_validation as jwt
from gateway_core.registry.forwarded import HeaderForwarding, IdentityForwarding
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.upstream_auth import (
    HeaderValue,
    UpstreamAuth,
    auth_from_data,
    auth_to_data,
    headers_from_data,
    headers_to_data,
)

DEFAULT_TIMEOUT_S: Final = 60.0
UPSTREAM_SECRETS: Final = "upstream_"
"""Prefix of the secrets that servers may name. No slug has an underscore, so none of the gateway's own has it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `workspaces` is "all", or the ids of the workspaces it is provisioned to."""

    id: str
    slug: str
    name: str
    url: str
    transport: Literal["auto", "http", "sse"]
    """How it is reached: found out, Streamable HTTP, or the HTTP+SSE of 2024-11-05."""
    auth: UpstreamAuth
    workspaces: Literal["all"] | frozenset[str]
    timeout_s: float = DEFAULT_TIMEOUT_S
    era: Literal["auto", "legacy", "modern"] = "auto"
    """Which revisions it speaks: found out, up to 2025-11-25, or from 2026-07-28 on."""
    jwt_validation: JwtValidation | None = None
    """Which tokens of other issuers are believed here; None: those that the organisation believes."""
    forward_headers: HeaderForwarding | None = None
    """Which headers of the caller go on; None: none."""
    headers: tuple[HeaderValue, ...] = ()
    """Plain headers on every request, whatever the auth is."""
    identity: IdentityForwarding | None = None
    """What the upstream is told about the caller; None: nothing."""

    def in_workspace(self, workspace_id: str) -> bool:
        """True where the server is provisioned."""
        return self.workspaces == "all" or workspace_id in self.workspaces


def to_data(server: Server) -> dict[str, Any]:
    """The server as a JSON object for the store."""
    return {
        "id": server.id,
        "slug": server.slug,
        "name": server.name,
        "url": server.url,
        "transport": server.transport,
        "auth": auth_to_data(server.auth),
        "workspaces": server.workspaces if server.workspaces == "all" else sorted(server.workspaces),
        "timeout_s": server.timeout_s,
        "era": server.era,
        "jwt_validation": None if server.jwt_validation is None else jwt.to_data(server.jwt_validation),
        "forward_headers": (
            None if server.forward_headers is None else forwarded.forwarding_to_data(server.forward_headers)
        ),
        "headers": headers_to_data(server.headers),
        "identity": None if server.identity is None else forwarded.identity_to_data(server.identity),
    }


def from_data(data: Mapping[str, Any]) -> Server:
    """The server that `to_data` wrote."""
    workspaces, validation = data["workspaces"], data.get("jwt_validation")
    forwarding, identity = data.get("forward_headers"), data.get("identity")
    return Server(
        id=data["id"],
        slug=data["slug"],
        name=data["name"],
        url=data["url"],
        transport=data["transport"],
        auth=auth_from_data(data["auth"]),
        workspaces="all" if workspaces == "all" else frozenset(workspaces),
        timeout_s=data["timeout_s"],
        era=data.get("era", "auto"),
        jwt_validation=None if validation is None else jwt.from_data(validation),
        forward_headers=None if forwarding is None else forwarded.forwarding_from_data(forwarding),
        headers=headers_from_data(data.get("headers", ())),
        identity=None if identity is None else forwarded.identity_from_data(identity),
    )
