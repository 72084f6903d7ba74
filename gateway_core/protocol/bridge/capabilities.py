"""What clients and servers declare about themselves: initialize in one era, server/discover and `_meta` in the other.

Pure. Never declares what the gateway does not carry across: tasks, and extensions that change the protocol.
"""

from typing import Any, Final

from gateway_core.protocol.bridge import Json, meta
from gateway_core.protocol.versions import META_SERVER_INFO, MODERN_VERSIONS

CARRIED_EXTENSIONS: Final = frozenset({"io.modelcontextprotocol/ui"})
"""MCP Apps live in `_meta` of tools and in resources, which are the same in both eras; clients and servers declare
them in `initialize` as well. Any other extension may add methods or result types that the gateway cannot carry."""

_HERE_ALONE: Final = frozenset({"resultType", "supportedVersions", "capabilities", "ttlMs", "cacheScope"})
"""Fields of DiscoverResult that InitializeResult lacks or that are made anew."""


def client_to_modern(capabilities: Json) -> dict[str, Any]:
    """A legacy client's capabilities as `clientCapabilities` of a modern request.

    An empty `elicitation` says form mode in both eras (client/elicitation, Capabilities), so it stays as it is.
    """
    return _client(capabilities)


def client_to_legacy(capabilities: Json) -> dict[str, Any]:
    """A modern client's capabilities for an `initialize` on its behalf."""
    return _client(capabilities)


def server_to_legacy(capabilities: Json, *, listening: bool) -> dict[str, Any]:
    """A modern server's capabilities as a legacy client may rely on them.

    Args:
        capabilities: ServerCapabilities of 2026-07-28.
        listening: The gateway holds a stream on which changes are told.
    """
    return _server(capabilities, listening=listening)


def server_to_modern(capabilities: Json, *, listening: bool) -> dict[str, Any]:
    """A legacy server's capabilities as a modern client may rely on them; `listening` as in `server_to_legacy`."""
    return _server(capabilities, listening=listening)


def initialize_result(discovered: Json, *, version: str, name: str, listening: bool) -> dict[str, Any]:
    """The InitializeResult that a server with the DiscoverResult `discovered` would give.

    Args:
        discovered: DiscoverResult (2026-07-28 server/discover).
        version: The legacy revision to speak.
        name: What to call a server that does not name itself.
        listening: As in `server_to_legacy`.
    """
    info = meta.read(discovered).get(META_SERVER_INFO)
    rest = {key: value for key, value in discovered.items() if key not in _HERE_ALONE}
    return {
        **meta.lacking(rest, {META_SERVER_INFO}),
        "protocolVersion": version,
        "capabilities": server_to_legacy(_object(discovered.get("capabilities")), listening=listening),
        "serverInfo": info if _names_itself(info) else {"name": name, "version": "unknown"},
    }


def discover_result(initialized: Json, *, listening: bool) -> dict[str, Any]:
    """The DiscoverResult that a server with the InitializeResult `initialized` would give; `listening` as above."""
    info = initialized.get("serverInfo")
    rest = {key: value for key, value in initialized.items() if key not in ("protocolVersion", "serverInfo")}
    return {
        **(meta.having(rest, {META_SERVER_INFO: info}) if _names_itself(info) else rest),
        "resultType": "complete",
        "supportedVersions": list(MODERN_VERSIONS),
        "capabilities": server_to_modern(_object(initialized.get("capabilities")), listening=listening),
        # A legacy server gives no hint, and what it offers may depend on who asks.
        "ttlMs": 0,
        "cacheScope": "private",
    }


def _client(capabilities: Json) -> dict[str, Any]:
    carried = _carried(capabilities)
    roots = carried.get("roots")
    if isinstance(roots, dict):
        # No notification of a client has a way across, so none is promised.
        carried["roots"] = {key: value for key, value in roots.items() if key != "listChanged"}
    return carried


def _server(capabilities: Json, *, listening: bool) -> dict[str, Any]:
    carried = _carried(capabilities)
    return carried if listening else {name: _silent(name, offer) for name, offer in carried.items()}


def _silent(name: str, offer: Any) -> Any:
    """A capability without the notifications that only a stream could carry."""
    if not isinstance(offer, dict) or name in ("experimental", "extensions"):
        return offer
    told = {"listChanged", "subscribe"} if name == "resources" else {"listChanged"}
    return {key: value for key, value in offer.items() if key not in told}


def _carried(capabilities: Json) -> dict[str, Any]:
    """Capabilities that mean the same in both eras. Tasks are experimental in one and an extension in the other."""
    carried = {name: offer for name, offer in capabilities.items() if name not in ("tasks", "extensions")}
    offered = _object(capabilities.get("extensions"))
    extensions = {name: offer for name, offer in offered.items() if name in CARRIED_EXTENSIONS}
    return {**carried, "extensions": extensions} if extensions else carried


def _names_itself(info: Any) -> bool:
    """True for an Implementation: `name` and `version` are required in both eras."""
    return isinstance(info, dict) and isinstance(info.get("name"), str) and isinstance(info.get("version"), str)


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
