"""What a server speaks. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from gateway_core.protocol.versions import Era
from gateway_core.registry.servers import Server


class Spoken(NamedTuple):
    """What a server was found, or said, to speak. The era is a property of the server, not of a request
    (2026-07-28 versioning, Backward Compatibility)."""

    modern: bool
    legacy: Literal["http", "sse", "unasked"] | None
    """By which transport it speaks the legacy revisions, if it does. A modern server is asked when a legacy client
    comes."""

    def tells(self, era: Era) -> bool:
        """True when it says all that a client of `era` needs."""
        return era == "modern" or self.legacy != "unasked"

    def agrees(self, other: "Spoken") -> bool:
        """True when the two say the same, as far as both say something."""
        return self.modern == other.modern and (self.legacy == other.legacy or "unasked" in (self.legacy, other.legacy))


def pinned(server: Server) -> Spoken | None:
    """What an administrator said that leaves nothing to find out."""
    if server.transport == "sse":
        return Spoken(modern=False, legacy="sse")
    if server.era == "modern":
        return Spoken(modern=True, legacy=None)
    if server.era == "legacy" and server.transport == "http":
        return Spoken(modern=False, legacy="http")
    return None


def doubt(server: Server, *, besides: str = "") -> str:
    """The end of an error about a server that says nothing the gateway understands: what an administrator should check.

    Args:
        server: Whose configuration may be wrong.
        besides: What else to check, as an object of a sentence.
    """
    pins = [f"`{name}: {value}`" for name, value in (("transport", server.transport), ("era", server.era))
            if value != "auto"]  # fmt: skip
    if not pins:
        return f" An administrator should check {besides}." if besides else ""
    check = f"that, and {besides}" if besides else "that"
    return f" It is set to {' and '.join(pins)} in the configuration; an administrator should check {check}."


def to_data(spoken: Spoken, server: Server) -> dict[str, Any]:
    """For the store, with what it was found under."""
    return {"modern": spoken.modern, "legacy": spoken.legacy, **_found_under(server)}


def from_data(data: Mapping[str, Any], server: Server) -> Spoken | None:
    """What `to_data` wrote, or None where it was found under another configuration."""
    if {name: data.get(name) for name in _found_under(server)} != _found_under(server):
        return None
    return Spoken(data["modern"], data["legacy"])


def _found_under(server: Server) -> dict[str, Any]:
    return {"url": server.url, "era": server.era, "transport": server.transport}
