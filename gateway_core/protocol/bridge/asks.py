"""Asks: what a server wants from the client while it works on a call. Pure.

Legacy servers send them as requests of their own; modern ones list them in an `input_required` result, and the
client answers in a retry of its call (2026-07-28 mrtr).
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol.bridge import Json, content, meta, tools

ASKS: Final = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})
"""Methods of asks. Legacy servers may also send `ping`, which needs nobody's answer but the gateway's."""
MAX_ASKS: Final = 16
"""Asks in one result. Each is a dialogue for a person; a server that needs more asks again."""
_LEGACY_ALONE: Final = ("task", "elicitationId")


def lacking(capabilities: Json, method: str, params: Json) -> str | None:
    """The capability that an ask needs and the client did not declare, e.g. `"sampling.tools"`; None when it may be
    asked. Capabilities mean the same in both eras (client/elicitation and client/sampling, Capabilities)."""
    name = method.partition("/")[0]
    declared = capabilities.get(name)
    if name == "elicitation" and params.get("mode") == "url":
        return None if isinstance(declared, dict) and "url" in declared else "elicitation.url"
    if not isinstance(declared, dict):
        return name
    if name == "sampling" and ("tools" in params or "toolChoice" in params) and "tools" not in declared:
        return "sampling.tools"
    if name == "elicitation" and "url" in declared and "form" not in declared:
        return "elicitation.form"
    return None


def required(name: str) -> dict[str, Any]:
    """A name from `lacking` as ClientCapabilities, for `data.requiredCapabilities` of error -32021."""
    value: dict[str, Any] = {}
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def to_legacy(ask_id: str | int, input_request: Json) -> dict[str, Any]:
    """An entry of `inputRequests` as a JSON-RPC request with the id `ask_id`."""
    request = {**input_request, "jsonrpc": "2.0", "id": ask_id}
    params = input_request.get("params")
    if isinstance(params, dict):
        request["params"] = _for_model(_without(params, *_LEGACY_ALONE))
        if params.get("mode") == "url" and input_request.get("method") == "elicitation/create":
            request["params"]["elicitationId"] = str(ask_id)
    return request


def to_modern(request: Json) -> dict[str, Any]:
    """A legacy server's JSON-RPC request as an entry of `inputRequests`."""
    entry = _without(request, "jsonrpc", "id")
    params = request.get("params")
    if isinstance(params, dict):
        # No modern client has a way to tell of progress.
        entry["params"] = meta.lacking(_without(params, *_LEGACY_ALONE), {"progressToken"})
        if isinstance(params.get("tools"), list):
            entry["params"]["tools"] = [tools.to_modern(tool) for tool in params["tools"]]
    return entry


def read_input_required(result: Json) -> tuple[dict[str, Json], str | None] | None:
    """`inputRequests` and `requestState` of an InputRequiredResult, None for any other result.

    Raises:
        UpstreamGarbage: It breaks a rule of 2026-07-28 mrtr (InputRequiredResult, Server Requirements), or the result
            is no object at all.
    """
    if not isinstance(result, dict):
        raise UpstreamGarbage("The server's answer is no object.")
    if result.get("resultType") != "input_required":
        return None
    requests, state = result.get("inputRequests"), result.get("requestState")
    if requests is None and state is None:
        raise _garbage("says neither what it needs nor how to go on")
    if state is not None and not isinstance(state, str):
        raise _garbage("gives a requestState that is no text")
    if requests is not None and not isinstance(requests, dict):
        raise _garbage("gives inputRequests that are no object")
    return _asked(requests or {}), state


def input_required(requests: Mapping[str, Json], state: str) -> dict[str, Any]:
    """The InputRequiredResult that asks for `requests` and brings back `state` with the answers."""
    result: dict[str, Any] = {"resultType": "input_required", "requestState": state}
    return {**result, "inputRequests": dict(requests)} if requests else result


def response_of(method: str, response: Json) -> Json | None:
    """The `inputResponses` value for a legacy client's JSON-RPC response, None when it has no counterpart.

    An elicitation that failed is one that was not answered, and for that both eras have `cancel`. A model's message
    or a list of roots cannot be made up.
    """
    result = response.get("result")
    if not isinstance(result, dict):
        return {"action": "cancel"} if method == "elicitation/create" else None
    # In 2026-07-28 sampling alone answers with a `_meta`: the other two are no longer Results.
    return dict(result) if method == "sampling/createMessage" else _without(result, "_meta")


def answer(ask_id: str | int, response: Json) -> dict[str, Any]:
    """An `inputResponses` value as the JSON-RPC response to a legacy server's request `ask_id`."""
    result = _without(response, "resultType")
    if "model" in result and "content" in result:
        result["content"] = content.said(result["content"])
    return {"jsonrpc": "2.0", "id": ask_id, "result": result}


def _for_model(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of sampling with tools and tool results as 2025-11-25 holds them; those of other asks have neither."""
    if isinstance(params.get("tools"), list):
        params["tools"] = [tools.to_legacy(tool) for tool in params["tools"]]
    if isinstance(params.get("messages"), list):
        params["messages"] = [_message(message) for message in params["messages"]]
    return params


def _message(message: Any) -> Any:
    if not isinstance(message, dict) or "content" not in message:
        return message
    return {**message, "content": content.said(message["content"])}


def _asked(requests: Json) -> dict[str, Json]:
    if len(requests) > MAX_ASKS:
        raise _garbage(f"asks for more than {MAX_ASKS} things at once")
    for request in requests.values():
        if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
            raise _garbage("asks for something that is no request")
        method = request.get("method")
        if not isinstance(method, str) or method not in ASKS:
            raise _garbage("asks for something that MCP does not know")
        if "params" not in request and method != "roots/list":
            raise _garbage("asks for something without saying what")
    return dict(requests)


def _garbage(what: str) -> UpstreamGarbage:
    return UpstreamGarbage(f"The server asked for input in a way that is no MCP: it {what}.")


def _without(holder: Json, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if key not in keys}
