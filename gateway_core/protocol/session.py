"""`Mcp-Session-Id` as a sealed token: what any process needs to go on with a session, and no state. Pure.

Only a legacy upstream that gives out a session makes the gateway give one to the client (no client needs one).
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final

MAX_TOKEN: Final = 4096
"""Characters of a session id; proxies cut header lines at 8 KB."""


@dataclass(frozen=True, slots=True)
class Session:
    """One legacy session: ours towards the client, the upstream's behind it."""

    principal: str
    """Who opened it; nobody else can use it."""
    server_id: str
    upstream_id: str
    version: str
    """Revision that client and upstream agreed on."""
    client: tuple[str, str]


def context(session_principal: str, server_id: str) -> str:
    """What the token is bound to besides its content: it opens for this principal and this server alone."""
    return f"session|{session_principal}|{server_id}"


def pack(session: Session) -> bytes:
    """What is sealed."""
    return json.dumps([session.upstream_id, session.version, *session.client], separators=(",", ":")).encode()


def unpack(plain: bytes, *, principal: str, server_id: str) -> Session:
    """The session that was packed for this principal and server."""
    upstream_id, version, name, client_version = json.loads(plain)
    return Session(principal, server_id, upstream_id, version, (name, client_version))


def to_header(sealed: bytes) -> str:
    """Sealed bytes as visible ASCII (2025-11-25 transports, Session Management, item 1)."""
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def from_header(text: str) -> bytes | None:
    """Sealed bytes of a header, or None when they cannot be ours."""
    if len(text) > MAX_TOKEN or not text.isascii():
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
