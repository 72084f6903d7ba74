"""What a token can be for (RFC 8707): the URLs of this gateway, read and compared as exact strings. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from gateway_core.registry.slugs import slug_problem

ADMIN_PATH: Final = "/api/v1"
DOORS: Final = ("mcp", "sse")
"""The last segment of an endpoint: Streamable HTTP, and HTTP+SSE for clients of 2024-11-05."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One URL that a token can be for. Whether there is such a server or workspace, it does not say."""

    url: str
    kind: Literal["endpoint", "name", "admin"]
    """`endpoint`: /{workspace}/{server}/{door}; `name`: /{server or workspace}/{door}; `admin`: /api/v1."""
    names: tuple[str, ...]
    """The slugs in the path."""


def read_resource(text: str, public_url: str) -> Resource | None:
    """The resource that `text` names, or None when it is no URL of this gateway.

    Scheme and host may be in upper case (the MCP authorization specification, "Canonical Server URI"); all else is
    compared as it is: no default port, no trailing slash, no query, no percent-encoding.
    """
    size = len(public_url)
    if not public_url or text[:size].lower() != public_url.lower():
        return None
    return _of_path(public_url, text[size:])


def workspace_url(public_url: str, slug: str) -> str:
    """The URL of all servers of a workspace."""
    return f"{public_url}/{slug}/mcp"


def admin_url(public_url: str) -> str:
    """The URL of the admin API."""
    return public_url + ADMIN_PATH


def within(asked: Resource, granted: str, public_url: str) -> bool:
    """True when a grant for `granted` covers `asked`: it is the same, or an endpoint of the workspace granted."""
    if asked.url == granted:
        return True
    return asked.kind == "endpoint" and granted == workspace_url(public_url, asked.names[0])


def _of_path(public_url: str, path: str) -> Resource | None:
    if path == ADMIN_PATH:
        return Resource(public_url + path, "admin", ())
    if not path.startswith("/"):
        return None
    *names, door = path[1:].split("/")
    if door not in DOORS or not 1 <= len(names) <= 2:
        return None
    if slug_problem(names[0]) or any(slug_problem(name) for name in names[1:]):
        return None
    return Resource(public_url + path, "endpoint" if len(names) == 2 else "name", tuple(names))
