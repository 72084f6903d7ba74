"""Notifications of a server as the other era tells them: which may come, where, and under which name. Pure.

A legacy server sends them on any stream. A modern one sends progress and log messages on the stream of the request
that asked for them, and changes on the stream of a `subscriptions/listen` (2026-07-28 subscriptions).
"""

from typing import Any, Final

from gateway_core.protocol.bridge import Json, meta
from gateway_core.protocol.versions import META_SUBSCRIPTION_ID

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Severities of log messages, least first (server/utilities/logging, Log Levels; RFC 5424 section 6.2.1)."""

_LISTS: Final = {
    "notifications/tools/list_changed": ("toolsListChanged", "tools"),
    "notifications/prompts/list_changed": ("promptsListChanged", "prompts"),
    "notifications/resources/list_changed": ("resourcesListChanged", "resources"),
}
"""Field of the subscription filter that asks for a change, and capability that offers it."""
_UPDATED: Final = "notifications/resources/updated"
_OF_THE_ERA: Final = ("notifications/subscriptions/acknowledged", "notifications/cancelled")
"""Both end or open a subscription (2026-07-28 cancellation: servers MUST NOT use it otherwise), and their ids are the
gateway's. A legacy client would take a cancelled for an ask of its own."""


def to_modern(notification: Json, *, log_level: str | None) -> dict[str, Any] | None:
    """What a modern client may get on the stream of its request, None for what has no place there.

    Args:
        notification: As a legacy server sent it.
        log_level: What the request asked for in `_meta`; None for no log messages (2026-07-28 logging).
    """
    method = notification.get("method")
    if method == "notifications/progress" or (method == "notifications/message" and _heard(notification, log_level)):
        return dict(notification)
    return None


def to_legacy(notification: Json) -> dict[str, Any] | None:
    """What a legacy client gets of a modern server's notification, None for what only the modern era has."""
    if notification.get("method") in _OF_THE_ERA:
        return None
    params = _object(notification.get("params"))
    if META_SUBSCRIPTION_ID not in meta.read(params):
        return dict(notification)
    kept = meta.lacking(params, {META_SUBSCRIPTION_ID})
    rest = {key: value for key, value in notification.items() if key != "params"}
    return {**rest, "params": kept} if kept else rest


def for_subscription(notification: Json, *, subscription_id: str | int, wanted: Json) -> dict[str, Any] | None:
    """A legacy server's notification on a `subscriptions/listen` stream, None when its filter leaves it out.

    Args:
        notification: As the legacy server sent it.
        subscription_id: Id of the `subscriptions/listen` request, repeated in each notification.
        wanted: Its `notifications` filter, e.g. `{"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]}`.
    """
    method, params = str(notification.get("method")), _object(notification.get("params"))
    if method in _LISTS:
        included = wanted.get(_LISTS[method][0]) is True
    else:
        included = method == _UPDATED and _covers(_uris(wanted), params.get("uri"))
    return (
        {**notification, "params": meta.having(params, {META_SUBSCRIPTION_ID: subscription_id})} if included else None
    )


def honoured(wanted: Json, capabilities: Json) -> dict[str, Any]:
    """The part of a filter that a server with (legacy) `capabilities` can honour (subscriptions, Acknowledgment)."""
    agreed: dict[str, Any] = {
        field: True
        for field, name in _LISTS.values()
        if wanted.get(field) is True and _object(capabilities.get(name)).get("listChanged") is True
    }
    uris = _uris(wanted)
    if uris and _object(capabilities.get("resources")).get("subscribe") is True:
        agreed["resourceSubscriptions"] = uris
    return agreed


def _heard(notification: Json, log_level: str | None) -> bool:
    severity = _object(notification.get("params")).get("level")
    if severity not in LEVELS or log_level not in LEVELS:
        return False
    return LEVELS.index(severity) >= LEVELS.index(log_level)


def _covers(uris: list[str], updated: Any) -> bool:
    """True when `updated` is among `uris`, or is a sub-resource of one (ResourceUpdatedNotificationParams)."""
    return isinstance(updated, str) and any(updated == uri or updated.startswith(f"{uri.rstrip('/')}/") for uri in uris)


def _uris(wanted: Json) -> list[str]:
    uris = wanted.get("resourceSubscriptions")
    return [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
