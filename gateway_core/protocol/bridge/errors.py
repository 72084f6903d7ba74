"""JSON-RPC errors of a server as the other era writes them: codes that one has and the other forbids. Pure."""

from typing import Any, Final

from gateway_core.protocol.bridge import Json
from gateway_core.protocol.versions import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_CLIENT_CAPABILITY,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    URL_ELICITATION_REQUIRED,
)

ASKING: Final = frozenset({"prompts/get", "resources/read", "tools/call"})
"""Requests that a modern server may answer with `input_required` (2026-07-28 mrtr, Supported Requests)."""
RESERVED: Final = range(-32099, -32019)
"""Codes that only the specification gives a meaning (2026-07-28 basic, Error Codes)."""


def to_modern(method: str, error: Json) -> dict[str, Any]:
    """The error object of a legacy server as one that a modern server may emit."""
    error = _said(error)
    code = error.get("code")
    if code == RESOURCE_NOT_FOUND:
        # Outside of resources that code is somebody's own: many servers say "not initialized" with it.
        return {**error, "code": INVALID_PARAMS if method.startswith("resources/") else INTERNAL_ERROR}
    if code == URL_ELICITATION_REQUIRED and method in ASKING and url_elicitations(error):
        # Whoever can be asked was asked, so this client has not declared that it opens addresses.
        data = {**error["data"], "requiredCapabilities": {"elicitation": {"url": {}}}}
        return {**error, "code": MISSING_CLIENT_CAPABILITY, "data": data}
    if isinstance(code, int) and code in RESERVED:
        return {**error, "code": INTERNAL_ERROR}
    return dict(error)


def to_legacy(method: str, error: Json) -> dict[str, Any]:
    """The error object of a modern server as a legacy client understands it.

    -32021 keeps its code and data: they speak of the client, and JSON-RPC leaves the code to implementations.
    """
    error = _said(error)
    code = error.get("code")
    if code in (HEADER_MISMATCH, UNSUPPORTED_VERSION):
        # Both speak of what the gateway sent. A client that heard them would correct what it never said.
        return {**error, "code": INTERNAL_ERROR}
    if code == INVALID_PARAMS and method == "resources/read" and _names_a_resource(error.get("data")):
        return {**error, "code": RESOURCE_NOT_FOUND}
    return dict(error)


def url_elicitations(error: Json) -> list[Json]:
    """The URL mode elicitations that a -32042 error demands (2025-11-25 elicitation), [] for any other error."""
    error = _said(error)
    data = error.get("data")
    if error.get("code") != URL_ELICITATION_REQUIRED or not isinstance(data, dict):
        return []
    listed = data.get("elicitations")
    asked = [one for one in listed if _opens_an_address(one)] if isinstance(listed, list) else []
    return [{"message": str(error.get("message", "")), **one, "mode": "url"} for one in asked]


def _said(error: Any) -> Json:
    """The error, or what stands in for one that is no object: the request has failed all the same."""
    unsaid = {"code": INTERNAL_ERROR, "message": "The server failed and did not say why."}
    return error if isinstance(error, dict) else unsaid


def _names_a_resource(data: Any) -> bool:
    """True for the `data` of "resource not found" (2026-07-28 resources, Error Handling) and nothing beside it.

    Invalid parameters of another kind say what is invalid, so a bare URI is what tells the two apart.
    """
    return isinstance(data, dict) and set(data) == {"uri"} and isinstance(data["uri"], str)


def _opens_an_address(asked: Any) -> bool:
    return isinstance(asked, dict) and asked.get("mode", "url") == "url" and isinstance(asked.get("url"), str)
