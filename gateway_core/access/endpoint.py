"""Which MCP endpoint a request is for: the canonical URL that tokens are bound to. Pure."""

from typing import Final, Literal, NamedTuple

KEYS_ONLY: Final = "k"
"""First segment of the URLs that take API keys alone: for clients that leave out the headers they were given as soon as
a server says that one can sign in."""
METADATA: Final = "/.well-known/oauth-protected-resource"
"""Where a resource's metadata is, before its own path (RFC 9728, section 3.1)."""


class Endpoint(NamedTuple):
    """`/{workspace}/{server}/mcp`, `/{server}/mcp`, the same with `sse`, and all of them below `/k`."""

    workspace: str | None
    """None in the short form, where the credential names the workspace."""
    server: str
    door: Literal["mcp", "sse"] = "mcp"
    """Which transport the URL is of: Streamable HTTP, or HTTP+SSE."""
    key_only: bool = False

    @property
    def path(self) -> str:
        """Its path below the gateway's own URL."""
        names = (KEYS_ONLY if self.key_only else None, self.workspace, self.server, self.door)
        return "".join(f"/{name}" for name in names if name is not None)

    def takes(self, resource: str, public_url: str) -> bool:
        """True for a token that is for this endpoint, or for everything in the workspace that its URL names.

        Compared as exact strings (RFC 8707, section 2; MCP authorization, Token Audience Binding).
        """
        if not public_url or self.key_only:
            return False
        if resource == public_url + self.path:
            return True
        return self.workspace is not None and resource == f"{public_url}/{self.workspace}/mcp"

    def metadata_url(self, public_url: str) -> str | None:
        """Where clients learn how to sign in, or None where nobody can sign in."""
        return f"{public_url}{METADATA}{self.path}" if public_url and not self.key_only else None
