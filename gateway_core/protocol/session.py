"""`Mcp-Session-Id` as a sealed token: what any process needs to go on with a legacy session. Pure.

What happens to a session later (it is ended, the upstream's is replaced, a log level is set) stands in the store under
the token's digest; most sessions have nothing there.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.protocol.bridge.capabilities import CARRIED_EXTENSIONS

MAX_TOKEN: Final = 4096
"""Characters of a session id; proxies cut header lines at 8 KB."""
LIFE_S: Final = 30 * 86_400
"""How long a session may last, and for how long the store remembers what became of it."""
MAX_NAME: Final = 200
MAX_EXTENSIONS: Final = 512
"""Characters of JSON."""
ASKABLE: Final = {"elicitation": ("form", "url"), "sampling": ("context", "tools"), "roots": ()}
"""Client capabilities by which a server may ask something in mid-call, and the parts that each may have."""


@dataclass(frozen=True, slots=True)
class Session:
    """One legacy session: ours towards the client, and the upstream's behind it where there is one."""

    principal: str
    """Who opened it; nobody else can use it."""
    server_id: str
    upstream_id: str | None
    version: str
    """Revision that was agreed on with the client."""
    client: Mapping[str, Any]
    """`clientInfo` of initialize: name and version at least."""
    capabilities: Mapping[str, Any]
    """What the client declared, as far as its session carries it."""
    opened_at: int
    """Unix seconds."""
    digest: str = ""
    """SHA-256 of the token, by which the store knows the session."""
    log_level: str | None = None
    """As `logging/setLevel` set it."""
    ended: bool = False
    """True once the client has ended it; its id is then unknown for good."""
    uris: frozenset[str] = field(default_factory=frozenset)
    """Resources that were subscribed to through the gateway's own bookkeeping."""

    @property
    def name(self) -> tuple[str, str]:
        """Name and version of the client, short enough for a record."""
        return str(self.client.get("name", ""))[:64], str(self.client.get("version", ""))[:32]


def context(session_principal: str, server_id: str) -> str:
    """What the token is bound to besides its content: it opens for this principal and this server alone."""
    return f"session|{session_principal}|{server_id}"


def pack(session: Session) -> bytes:
    """What is sealed."""
    told = [session.upstream_id, session.version, session.client, session.capabilities, session.opened_at]
    return json.dumps(told, separators=(",", ":")).encode()


def unpack(plain: bytes, *, principal: str, server_id: str, digest: str) -> Session:
    """The session that was packed for this principal and server."""
    upstream_id, version, client, capabilities, opened_at = json.loads(plain)
    return Session(principal, server_id, upstream_id, version, client, capabilities, opened_at, digest)


def kept_of(capabilities: Any) -> dict[str, Any]:
    """The part of a client's capabilities that its session carries, bounded: what it can be asked, and what extensions
    mean the same in both eras."""
    found: dict[str, Any] = {}
    for name, parts in ASKABLE.items():
        declared = capabilities.get(name) if isinstance(capabilities, dict) else None
        if isinstance(declared, dict):
            found[name] = {part: {} for part in parts if isinstance(declared.get(part), dict)}
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    if isinstance(extensions, dict):
        carried = {name: extensions[name] for name in CARRIED_EXTENSIONS if isinstance(extensions.get(name), dict)}
        if carried and len(json.dumps(carried)) <= MAX_EXTENSIONS:
            found["extensions"] = carried
    return found


def client_of(info: Any) -> dict[str, str]:
    """The part of `clientInfo` that its session carries."""
    told = info if isinstance(info, dict) else {}
    named = {name: str(told[name])[:MAX_NAME] for name in ("name", "title", "version") if name in told}
    return {"name": "", "version": "", **named}


def digest_of(token: str) -> str:
    """By what the store knows a session."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def to_header(sealed: bytes) -> str:
    """Sealed bytes as visible ASCII (2025-11-25 transports, Session Management, item 1)."""
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def plausible(text: str) -> bool:
    """False for what cannot be a session id of ours, at a glance."""
    return len(text) <= MAX_TOKEN and text.isascii()


def from_header(text: str) -> bytes | None:
    """Sealed bytes of a header, or None when they cannot be ours."""
    if not plausible(text):
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
