"""What an item may be and when a condition holds: the rules both tables share. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

from gateway_core.errors import Invalid
from gateway_core.ports import Condition, Delete, Key, Put, Unchanged, Write

MAX_ITEM_BYTES: Final = 350 * 1024
"""JSON text of one item, in UTF-8. DynamoDB takes 400 KB with keys and attribute names."""
MAX_TRANSACTION_BYTES: Final = 3_500 * 1024
"""JSON text of all items of one transaction. DynamoDB takes 4 MB with keys and attribute names."""
MAX_BATCH: Final = 100
"""Keys of one batch get and writes of one transaction, as in DynamoDB."""
MAX_PK_BYTES: Final = 2048
MAX_SK_BYTES: Final = 1024
"""Lengths of the two parts of a key in UTF-8, as in DynamoDB."""


def item_text(data: Mapping[str, Any]) -> str:
    """`data` as compact JSON.

    Raises:
        Invalid: It is larger than `MAX_ITEM_BYTES`, or holds what JSON in UTF-8 cannot (NaN, a lone surrogate).
    """
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except ValueError as error:
        raise Invalid("This holds a number or a character that JSON cannot carry.") from error
    if size > MAX_ITEM_BYTES:
        raise Invalid(f"This takes {size} bytes; an item holds at most {MAX_ITEM_BYTES} (350 KB).")
    return text


def item_data(text: str | None, count: int | None) -> dict[str, Any]:
    """What is stored: the JSON object of an item, or `{"count": n}` of a counter."""
    if text is None:
        return {"count": count}
    data: dict[str, Any] = json.loads(text)
    return data


def possible(key: Key) -> bool:
    """False when no store could hold `key`, so that reading it finds nothing instead of failing.

    A credential that was made up may spell out any key: empty, overlong, or with a lone surrogate.
    """
    return _fits(key.pk, MAX_PK_BYTES) and _fits(key.sk, MAX_SK_BYTES)


def check_key(key: Key) -> None:
    """Raises `Invalid` when no store could hold `key`."""
    if not possible(key):
        raise Invalid(
            f"This cannot be a key: its first part has 1 to {MAX_PK_BYTES} bytes, its second 1 to {MAX_SK_BYTES}."
        )


def check_batch(count: int) -> None:
    """Raises `Invalid` when `count` keys or writes are too many for one round trip."""
    if count > MAX_BATCH:
        raise Invalid(f"{count} items at once; at most {MAX_BATCH} go into one batch.")


def put_texts(writes: Sequence[Write]) -> list[str]:
    """The JSON text of every write of a transaction, empty for those that are no `Put`.

    Raises:
        Invalid: Too many writes, two on one key, an impossible key, or more data than a transaction holds.
    """
    check_batch(len(writes))
    if len({write.key for write in writes}) < len(writes):
        raise Invalid("One transaction writes each key at most once.")
    for write in writes:
        check_key(write.key)
    texts = [item_text(write.data) if isinstance(write, Put) else "" for write in writes]
    size = sum(len(text.encode()) for text in texts)
    if size > MAX_TRANSACTION_BYTES:
        raise Invalid(f"This takes {size} bytes; a transaction holds at most {MAX_TRANSACTION_BYTES} (3 500 KB).")
    return texts


def holds(when: Condition, version: int | None) -> bool:
    """Whether `when` holds for an item at `version`; None means absent or expired."""
    match when:
        case "any":
            return True
        case "absent":
            return version is None
        case "present":
            return version is not None
        case Unchanged(version=wanted):
            return version == wanted
        case _:
            assert_never(when)


def writes_nothing(write: Write) -> bool:
    """True for a check of nothing, which DynamoDB would not take."""
    return not isinstance(write, Put | Delete) and write.when == "any"


def _fits(part: str, most: int) -> bool:
    try:
        return 0 < len(part.encode()) <= most
    except UnicodeEncodeError:
        return False
