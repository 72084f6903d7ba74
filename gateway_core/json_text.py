"""JSON as strictly as a gateway must read it: what we judge is exactly what the upstream will see. Pure.

Parsers disagree on duplicate keys, NaN, lone surrogates and encodings; every disagreement is a way past a policy.
So all of them are refused, and what is forwarded is written anew from what was parsed.
"""

import json
from typing import Any, Final

from gateway_core.errors import BadRequest

PARSE_ERROR: Final = -32700
"""JSON-RPC 2.0, section 5.1."""
MAX_DEPTH: Final = 64
"""Nested objects and arrays. MCP needs about 12; deeper bodies attack parsers behind us."""


def parse(body: bytes) -> Any:
    """Read one JSON document.

    Raises:
        BadRequest: Not UTF-8, not JSON, a repeated name, NaN or Infinity, or nested deeper than `MAX_DEPTH`.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"it is not UTF-8 (byte {error.start})") from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:
        raise _unreadable(str(error)) from None
    # A document with few brackets cannot be deep, and nearly every call has few.
    if (
        text.count("{") + text.count("[") > MAX_DEPTH
        and isinstance(value, dict | list)
        and _deeper_than(value, MAX_DEPTH)
    ):
        raise _too_deep()
    return value


def write(value: Any) -> bytes:
    """Serialise for the wire.

    Raises:
        BadRequest: The value holds text that is no Unicode (a lone surrogate) or a number that is no JSON (1e999).
    """
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        raise _unreadable("it holds half of a surrogate pair, which is no Unicode text") from None
    except ValueError:
        raise _unreadable("it holds a number that is too large") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name[:64]!r} appears twice in one object")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)


def _deeper_than(value: Any, limit: int) -> bool:
    """True when containers stand in one another more than `limit` times."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _unreadable(what: str) -> BadRequest:
    return BadRequest(f"The body is not JSON that can be read: {what}.", code=PARSE_ERROR, reason="broken_json")


def _too_deep() -> BadRequest:
    return BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", reason="json_too_deep")
