"""What makes a message that has crossed the same as before: fields that only one era has do not count."""

from typing import Any

from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter

from gateway_core.protocol.bridge import meta
from gateway_core.protocol.versions import META_SERVER_INFO

LEGACY, MODERN = "2025-11-25", "2026-07-28"
drawn = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def without(holder: Any, *keys: str) -> Any:
    return {key: value for key, value in holder.items() if key not in keys}


def tidy(holder: Any) -> Any:
    """Without `_meta` and `params` that hold nothing: to both eras that is the same as none."""
    return {key: value for key, value in holder.items() if key not in ("_meta", "params") or value}


def valid(model: Any, message: Any) -> bool:
    TypeAdapter(model).validate_python(message, by_name=False)
    return True


def signed(result: Any, info: Any) -> Any:
    """`result` with the name of its server, or none. The SDK reads anything there, so what it draws is no name."""
    unsigned = meta.lacking(result, {META_SERVER_INFO})
    return unsigned if info is None else meta.having(unsigned, {META_SERVER_INFO: info})
