"""The `_meta` object that requests, results and notifications of both eras may carry. Pure."""

from collections.abc import Container
from typing import Any, Final

from gateway_core.protocol.bridge import Json
from gateway_core.protocol.versions import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_VERSION

OF_REQUESTS: Final = frozenset({META_VERSION, META_CLIENT_INFO, META_CLIENT_CAPABILITIES, META_LOG_LEVEL})
"""What a modern request says about its client (2026-07-28 basic, Per-request protocol fields)."""


def read(holder: Json) -> Json:
    """The `_meta` of `holder`, empty where there is none that can be read."""
    meta = holder.get("_meta")
    return meta if isinstance(meta, dict) else {}


def having(holder: Json, entries: Json) -> dict[str, Any]:
    """`holder` with `entries` in its `_meta`."""
    return {**holder, "_meta": {**read(holder), **entries}}


def lacking(holder: Json, keys: Container[str]) -> dict[str, Any]:
    """`holder` without `keys` in its `_meta`, and without a `_meta` that held nothing else."""
    meta = read(holder)
    kept = {key: value for key, value in meta.items() if key not in keys}
    if len(kept) == len(meta):
        return dict(holder)
    rest = {key: value for key, value in holder.items() if key != "_meta"}
    return {**rest, "_meta": kept} if kept else rest
