"""Results of a server as the other era writes them. Pure."""

from typing import Any, Final

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol.bridge import Json, content, meta, tools
from gateway_core.protocol.versions import META_SERVER_INFO

CACHEABLE: Final = frozenset(
    {
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "tools/list",
    }
)
"""Methods whose results carry cache hints (2026-07-28 caching, Cacheable Results)."""


def to_modern(method: str, result: Json, *, server_info: Json | None) -> dict[str, Any]:
    """The result of a legacy server as a modern one, complete.

    Args:
        method: The request's.
        result: As the server sent it.
        server_info: Implementation from its InitializeResult, None when it is unknown.

    Raises:
        UpstreamGarbage: It is no object.
    """
    if not isinstance(result, dict):
        raise UpstreamGarbage("The server's answer is no object.")
    modern = {**result, "resultType": "complete"}
    if method in CACHEABLE:
        # Legacy revisions have no hints: a field of that name means something else, so ours replace it.
        modern.update(ttlMs=0, cacheScope="private")
    if method == "tools/list" and isinstance(result.get("tools"), list):
        modern["tools"] = [tools.to_modern(tool) for tool in result["tools"] if not tools.only_as_task(tool)]
    if not isinstance(server_info, dict):
        return modern
    return meta.having(modern, {META_SERVER_INFO: dict(server_info)})


def to_legacy(method: str, result: Json, *, version: str) -> dict[str, Any]:
    """The complete result of a modern server as a client of the legacy revision `version` reads it.

    Raises:
        UpstreamGarbage: Its `resultType` is not `complete`. A type that is not known makes a result invalid
            (2026-07-28 basic, ResultType), and no other has a counterpart.
    """
    if result.get("resultType", "complete") != "complete":
        raise UpstreamGarbage("The server gave a kind of answer that this client's MCP revision does not have.")
    legacy = {key: value for key, value in result.items() if key not in ("resultType", "ttlMs", "cacheScope")}
    legacy = meta.lacking(legacy, {META_SERVER_INFO})
    if method == "tools/list":
        return _tools_for(legacy)
    if method == "tools/call":
        return _call_for(legacy, version)
    return _prompt_for(legacy, version) if method == "prompts/get" else legacy


def dropped_tools(result: Json) -> list[tuple[str, str]]:
    """Name and reason of each tool that `to_legacy` leaves out of a tools/list result."""
    listed = result.get("tools")
    found = listed if isinstance(listed, list) else []
    return [(str(tool.get("name", "")), reason) for tool in found if (reason := tools.refusal(tool)) is not None]


def _tools_for(result: dict[str, Any]) -> dict[str, Any]:
    listed = result.get("tools")
    if not isinstance(listed, list):
        return result
    return {**result, "tools": [tools.to_legacy(tool) for tool in listed if tools.refusal(tool) is None]}


def _call_for(result: dict[str, Any], version: str) -> dict[str, Any]:
    blocks = result.get("content")
    if isinstance(blocks, list):
        result = {**result, "content": [content.readable(block, version) for block in blocks]}
    return content.with_text(result, version)


def _prompt_for(result: dict[str, Any], version: str) -> dict[str, Any]:
    messages = result.get("messages")
    if not isinstance(messages, list):
        return result
    return {**result, "messages": [_message_for(message, version) for message in messages]}


def _message_for(message: Any, version: str) -> Any:
    if not isinstance(message, dict) or "content" not in message:
        return message
    return {**message, "content": content.readable(message["content"], version)}
