"""Every key of every item in one place; `docs/storage.md` says what each item holds. Pure.

Two tables: `registry` holds what administrators decide, `grants` what callers were given. One deployment serves
one organisation, so its partition has no id.
"""

from typing import Final

from gateway_core.ports import Key, Partition

ORGANISATION: Final = Partition("registry", "ORG")
"""The organisation's own items and the lists that cover all of it."""
SECRETS: Final = Partition("grants", "SECRETS")
"""Sealed secret values (one machine only; on AWS they are in Secrets Manager)."""
WORKSPACE_PREFIX: Final = "WORKSPACE#"
SERVER_PREFIX: Final = "SERVER#"
API_KEY_PREFIX: Final = "KEY#"


def organisation_head() -> Key:
    """Name and revision of the organisation. Read by every call."""
    return Key(*ORGANISATION, "HEAD")


def workspace(workspace_id: str) -> Key:
    """One workspace."""
    return Key(*ORGANISATION, f"{WORKSPACE_PREFIX}{workspace_id}")


def server(server_id: str) -> Key:
    """One server of the registry."""
    return Key(*ORGANISATION, f"{SERVER_PREFIX}{server_id}")


def name(slug: str) -> Key:
    """Who holds a slug. Servers and workspaces share the namespace: both stand first in a URL."""
    return Key("registry", f"NAME#{slug}", "NAME")


def workspace_grants(workspace_id: str) -> Partition:
    """Everything granted within one workspace."""
    return Partition("grants", f"{WORKSPACE_PREFIX}{workspace_id}")


def api_key(workspace_id: str, key_id: str) -> Key:
    """One API key, found by what the key itself spells out."""
    return Key(*workspace_grants(workspace_id), f"{API_KEY_PREFIX}{key_id}")


def spoken(server_id: str) -> Key:
    """What a server was found to speak."""
    return Key("grants", f"SPOKEN#{server_id}", "SPOKEN")


def client_session(digest: str) -> Key:
    """What became of one session of a client since its token was sealed; `digest` is the token's SHA-256."""
    return Key("grants", f"SESSION#{digest}", "SESSION")


def upstream_session(server_id: str, digest: str) -> Key:
    """The session kept at a server for a caller whose own protocol has none; `digest` tells which caller and client."""
    return Key("grants", f"UPSTREAM#{server_id}#{digest}", "SESSION")


def mailbox(box: str) -> Partition:
    """Letters from one process to another that waits for them."""
    return Partition("grants", f"MAIL#{box}")


def letter(box: str, name: str) -> Key:
    """One letter of a mailbox."""
    return Key(*mailbox(box), name)


def secret(secret_name: str) -> Key:
    """One sealed secret value (one machine only)."""
    return Key(*SECRETS, secret_name)
