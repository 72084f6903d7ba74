"""Names that stand in URLs, and the ids beside them. Pure."""

import re
import secrets
from typing import Final

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
SLUG_RULE: Final = "1 to 63 characters of a-z, 0-9 and inner hyphens"
RESERVED: Final = frozenset(
    {
        "api",
        "oauth",
        "console",
        "connect",
        "authorize",
        "token",
        "register",
        "revoke",
        "introspect",
        "scim",
        "a",
        "b",
        "k",
        "v0.1",
        "healthz",
        ".well-known",
        "mcp",
        "sse",
    }
)
"""First path segments that are, or will be, the gateway's own."""
MAX_SECRET_NAME: Final = 50
MAX_SECRET_VALUE: Final = 8_192
"""Characters: enough for a private key with its chain."""
_ALPHABET: Final = "23456789abcdefghjkmnpqrstvwxyz"
"""Lower-case letters and digits that cannot be taken for each other."""


def slug_problem(text: str) -> str | None:
    """Why `text` cannot be a slug, or None."""
    if not SLUG.fullmatch(text):
        return f"{text[:80]!r} is not a slug: use {SLUG_RULE}"
    if text in RESERVED:
        return f"{text!r} is reserved: it stands for a page of the gateway itself"
    return None


def secret_name_problem(text: str) -> str | None:
    """Why `text` cannot name a secret, or None."""
    if SLUG.fullmatch(text) and len(text) <= MAX_SECRET_NAME:
        return None
    return f"{text[:80]!r} is no name for a secret: use up to {MAX_SECRET_NAME} characters of a-z, 0-9 and hyphens"


def new_id(prefix: str) -> str:
    """An id that is no secret and never changes, e.g. `ws-7kq2mfx3`."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"
