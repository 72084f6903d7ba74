"""Content blocks that an older revision does not know, as blocks that it does, with the same information. Pure."""

import json
from typing import Any, Final

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol.bridge import Json

LINKS_SINCE: Final = "2025-06-18"
"""Revision that brought `resource_link`, `structuredContent` and `outputSchema`."""
SAMPLED_SINCE: Final = "2025-11-25"
"""Revision that brought tools to sampling."""
AUDIO_SINCE: Final = "2025-03-26"
"""Revision that brought `audio`."""


def readable(block: Any, version: str) -> Any:
    """A content block as a client of revision `version` can read it."""
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "resource_link" and version < LINKS_SINCE:
        link = {key: value for key, value in block.items() if key not in ("type", "annotations", "_meta")}
        return _as(block, {"type": "text", "text": f"Link to a resource: {as_text(link)}"})
    if kind == "audio" and version < AUDIO_SINCE:
        # An embedded resource holds any bytes, and 2024-11-05 has it. It must have a URI; nothing can be read there.
        held = {"uri": "gatehouse://content/audio", "blob": block.get("data", "")}
        named = {"mimeType": block["mimeType"]} if "mimeType" in block else {}
        return _as(block, {"type": "resource", "resource": {**held, **named}})
    return block


def with_text(result: Json, version: str) -> dict[str, Any]:
    """A tool's result whose `structuredContent` a client of `version` can read: as it is, or as text in `content`.

    Legacy knows objects alone, and before 2025-06-18 nothing. That the same JSON stands in `content` is only
    recommended (server/tools, Structured Content); here it is the one way to the client.
    """
    value = result.get("structuredContent", {})
    if "structuredContent" not in result or (isinstance(value, dict) and version >= LINKS_SINCE):
        return dict(result)
    told = dict(result)
    if not says(result.get("content"), value):
        shown = result.get("content")
        told["content"] = [*(shown if isinstance(shown, list) else []), {"type": "text", "text": as_text(value)}]
    if not isinstance(value, dict):
        del told["structuredContent"]
    return told


def said(content: Any) -> Any:
    """What a sampling message says, one block or several, with the tool results in it as legacy holds them."""
    if isinstance(content, list):
        return [said(block) for block in content]
    used = isinstance(content, dict) and content.get("type") == "tool_result"
    return with_text(content, SAMPLED_SINCE) if used else content


def says(blocks: Any, value: Any) -> bool:
    """True when one of `blocks` is text that holds `value` as JSON."""
    wanted = _canonical(value)
    return isinstance(blocks, list) and any(_canonical_text(block) == wanted for block in blocks)


def as_text(value: Any) -> str:
    """JSON for people and models to read.

    Raises:
        UpstreamGarbage: It is nested too deeply.
    """
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise UpstreamGarbage("The server's answer is nested too deeply.") from None


def _as(block: Json, other: dict[str, Any]) -> dict[str, Any]:
    """`other` with what every kind of block may carry."""
    return {**other, **{key: block[key] for key in ("annotations", "_meta") if key in block}}


def _canonical_text(block: Any) -> str | None:
    """The JSON in a text block in one fixed spelling, None where there is none."""
    text = block.get("text") if isinstance(block, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return _canonical(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _canonical(value: Any) -> str:
    # As text, since in Python 1 == True == 1.0 and in JSON they are three.
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        raise UpstreamGarbage("The server's answer is nested too deeply.") from None
