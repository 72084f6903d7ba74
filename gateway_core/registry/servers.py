"""Servers: upstream MCP servers as the registry holds them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from gateway_core.registry import jwt_validation as jwt
from gateway_core.registry.jwt_validation import JwtValidation

DEFAULT_TIMEOUT_S: Final = 60.0
UPSTREAM_SECRETS: Final = "upstream_"
"""Prefix of the secrets that servers may name. No slug has an underscore, so none of the gateway's own has it."""


@dataclass(frozen=True, slots=True)
class NoAuth:
    """The upstream asks for no credential."""


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """One header that we add: a plain value, or the name of a secret that holds it."""

    name: str
    value: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class StaticHeaders:
    """Fixed headers on every request to the upstream."""

    headers: tuple[HeaderValue, ...]


UpstreamAuth = NoAuth | StaticHeaders


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
        "auth": _auth_to_data(server.auth),
        "workspaces": server.workspaces if server.workspaces == "all" else sorted(server.workspaces),
        "timeout_s": server.timeout_s,
        "era": server.era,
        "jwt_validation": None if server.jwt_validation is None else jwt.to_data(server.jwt_validation),
    }


def from_data(data: Mapping[str, Any]) -> Server:
    """The server that `to_data` wrote."""
    workspaces, validation = data["workspaces"], data.get("jwt_validation")
    return Server(
        id=data["id"],
        slug=data["slug"],
        name=data["name"],
        url=data["url"],
        transport=data["transport"],
        auth=_auth_from_data(data["auth"]),
        workspaces="all" if workspaces == "all" else frozenset(workspaces),
        timeout_s=data["timeout_s"],
        era=data.get("era", "auto"),
        jwt_validation=None if validation is None else jwt.from_data(validation),
    )


def _auth_to_data(auth: UpstreamAuth) -> dict[str, Any]:
    match auth:
        case NoAuth():
            return {"type": "none"}
        case StaticHeaders(headers):
            return {"type": "headers", "headers": [[h.name, h.value, h.secret] for h in headers]}
    assert_never(auth)


def _auth_from_data(data: Mapping[str, Any]) -> UpstreamAuth:
    if data["type"] == "none":
        return NoAuth()
    return StaticHeaders(tuple(HeaderValue(name, value, secret) for name, value, secret in data["headers"]))
