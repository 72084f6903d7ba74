"""Requests of DynamoDB for the writes of `ports`, and items out of its answers. Pure.

An item has `pk`, `sk`, `data` (JSON text) or `count` (a counter), `version`, `write_id` and, if it ends, `expires_at`.
`write_id` names the last write: a write that is repeated because its answer was lost finds itself done.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

from gateway_core.ports import Condition, Item, Key, Unchanged
from gateway_core.storage.items import item_data

Attributes = Mapping[str, Mapping[str, str]]
"""Attribute values as DynamoDB writes them, `{"version": {"N": "1"}}`."""

_ALIVE: Final = "(attribute_not_exists(#expires_at) OR #expires_at > :now)"


def key_attributes(key: Key) -> dict[str, dict[str, str]]:
    """The primary key."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def condition(when: Condition) -> str:
    """`when` as a condition expression over `:now` and `:version`; empty for none."""
    match when:
        case "any":
            return ""
        case "absent":
            return "attribute_not_exists(#pk) OR #expires_at <= :now"
        case "present":
            return f"attribute_exists(#pk) AND {_ALIVE}"
        case Unchanged():
            return f"#version = :version AND {_ALIVE}"
        case _:
            assert_never(when)


def conditional(key: Key, when: Condition, now: int) -> dict[str, Any]:
    """What a delete or a check of `key` says beside its table."""
    wanted = when.version if isinstance(when, Unchanged) else 0
    return _request(key, condition=condition(when), numbers={"now": now, "version": wanted}, texts={})


def put_request(
    key: Key, text: str, *, when: Condition, expires_at: int | None, now: int, write_id: str
) -> dict[str, Any]:
    """What an update says that puts the JSON `text` under `key`."""
    lasting = expires_at is None
    update = "SET #data = :data, #write_id = :write_id" + ("" if lasting else ", #expires_at = :expires_at")
    update += " REMOVE #count" + (", #expires_at" if lasting else "") + " ADD #version :one"
    wanted = when.version if isinstance(when, Unchanged) else 0
    numbers = {"now": now, "version": wanted, "one": 1, "expires_at": expires_at or 0}
    texts = {"data": text, "write_id": write_id}
    return _request(key, update=update, condition=condition(when), numbers=numbers, texts=texts)


def count_on_request(key: Key, amount: int, *, expires_at: int, now: int, write_id: str) -> dict[str, Any]:
    """What an update says that adds to a counter which lives, or starts one where there is nothing."""
    return _request(
        key,
        update="SET #expires_at = if_not_exists(#expires_at, :expires_at), #write_id = :write_id "
        "REMOVE #data ADD #count :amount, #version :one",
        condition=f"{_ALIVE} AND (attribute_not_exists(#write_id) OR #write_id <> :write_id)",
        numbers={"amount": amount, "expires_at": expires_at, "now": now, "one": 1},
        texts={"write_id": write_id},
    )


def count_anew_request(key: Key, amount: int, *, expires_at: int, now: int, write_id: str) -> dict[str, Any]:
    """What an update says that starts a counter again which has expired."""
    return _request(
        key,
        update="SET #count = :amount, #expires_at = :expires_at, #write_id = :write_id REMOVE #data ADD #version :one",
        condition="#expires_at <= :now",
        numbers={"amount": amount, "expires_at": expires_at, "now": now, "one": 1},
        texts={"write_id": write_id},
    )


def query_request(pk: str, prefix: str, after: str | None, now: int) -> dict[str, Any]:
    """What a query says beside its table and limit."""
    begins = " AND begins_with(#sk, :prefix)" if prefix else ""
    texts, numbers = {"pk": pk, "prefix": prefix}, {"now": now}
    request = {"KeyConditionExpression": f"#pk = :pk{begins}", "FilterExpression": _ALIVE, "ConsistentRead": True}
    if after:
        request["ExclusiveStartKey"] = {"pk": {"S": pk}, "sk": {"S": after}}
    return _named(request, numbers, texts)


def item_from(key: Key, attributes: Attributes, now: int) -> Item | None:
    """The item that `attributes` hold, or None when there are none or it has expired at `now`."""
    if not attributes:
        return None
    expires_at = int(attributes["expires_at"]["N"]) if "expires_at" in attributes else None
    if expires_at is not None and expires_at <= now:
        return None
    count = int(attributes["count"]["N"]) if "count" in attributes else None
    text = attributes["data"]["S"] if "data" in attributes else None
    return Item(key, item_data(text, count), int(attributes["version"]["N"]), expires_at)


def _request(
    key: Key, *, condition: str, numbers: Mapping[str, int], texts: Mapping[str, str], update: str = ""
) -> dict[str, Any]:
    expressions = {"UpdateExpression": update, "ConditionExpression": condition}
    request = {name: expression for name, expression in expressions.items() if expression}
    return {"Key": key_attributes(key), **_named(request, numbers, texts)}


def _named(request: dict[str, Any], numbers: Mapping[str, int], texts: Mapping[str, str]) -> dict[str, Any]:
    """`request` with the names and values that its expressions use; DynamoDB refuses any that they do not."""
    words = " ".join(value for value in request.values() if isinstance(value, str))
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", words)}
    used = set(re.findall(r":(\w+)", words))
    values = {f":{name}": {"N": str(number)} for name, number in numbers.items() if name in used}
    values |= {f":{name}": {"S": text} for name, text in texts.items() if name in used}
    parts = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return request | {name: part for name, part in parts.items() if part}
