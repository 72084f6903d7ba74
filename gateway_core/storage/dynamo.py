"""`ports.Table` on two DynamoDB tables (`infra/tables.yaml`), without an SDK. Never blocks the event loop."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.errors import Conflict, StoreUnavailable
from gateway_core.ports import ANY, Check, Clock, Condition, Delete, Item, Key, Page, Partition, Put, Write
from gateway_core.storage.expressions import (
    conditional,
    count_anew_request,
    count_on_request,
    item_from,
    key_attributes,
    put_request,
    query_request,
)
from gateway_core.storage.items import (
    check_batch,
    check_key,
    item_data,
    item_text,
    possible,
    put_texts,
    writes_nothing,
)

MAX_ROUNDS: Final = 6
"""Tries against others who change the same item at the same moment; with the waits between, about 1.5 s."""
LEAST_READ: Final = 25
"""Items asked for at least when a page has to be filled up, so that many expired ones cost few round trips."""

_CONDITION: Final = "ConditionalCheckFailedException"
_CANCELED: Final = "TransactionCanceledException"
_FAILED: Final = "ConditionalCheckFailed"
_RETURN_OLD: Final = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
_COLLIDED: Final = frozenset({"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons for which a transaction was cancelled and the same one may succeed a moment later."""


class DynamoTable:
    """See ports.Table.

    A write whose answer is lost is sent again. Transactions notice that they were done, puts and counters too unless
    someone else wrote in between. A delete cannot: it reports `Conflict`, or None where it had no condition, so that
    what may be used once counts as used.

    Args:
        api: Signed calls.
        tables: The name in DynamoDB of each table of `ports.Key`.
        clock: Decides what has expired.
        new_id: A random word of up to 36 characters, another one each time.
    """

    def __init__(
        self,
        api: JsonApi,
        tables: Mapping[Literal["registry", "grants"], str],
        clock: Clock,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._api = api
        self._tables = tables
        self._clock = clock
        self._new_id = new_id

    async def get(self, key: Key) -> Item | None:
        """See ports.Table.get."""
        if not possible(key):
            return None
        request = {"TableName": self._tables[key.table], "Key": key_attributes(key), "ConsistentRead": True}
        answer = await self._call("GetItem", request)
        return item_from(key, answer.get("Item", {}), self._clock())

    async def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """See ports.Table.get_many."""
        check_batch(len(keys))
        request: dict[str, Any] = {}
        for key in dict.fromkeys(keys):
            if possible(key):
                asked = request.setdefault(self._tables[key.table], {"ConsistentRead": True, "Keys": []})
                asked["Keys"].append(key_attributes(key))
        found: dict[tuple[str, str, str], Any] = {}
        for attempt in range(MAX_ROUNDS):
            if not request:
                break
            if attempt:
                await self._api.back_off(attempt)
            answer = await self._call("BatchGetItem", {"RequestItems": request})
            for table, items in answer["Responses"].items():
                found |= {(table, item["pk"]["S"], item["sk"]["S"]): item for item in items}
            # Left over when the answer would be over 16 MB, or the table is throttled.
            request = answer.get("UnprocessedKeys", {})
        if request:
            raise StoreUnavailable("The table is asked for more than it can give at the moment.")
        now = self._clock()
        return [item_from(key, found.get((self._tables[key.table], key.pk, key.sk), {}), now) for key in keys]

    async def put(
        self, key: Key, data: Mapping[str, Any], *, when: Condition = ANY, expires_at: int | None = None
    ) -> Item:
        """See ports.Table.put."""
        check_key(key)
        text, write_id = item_text(data), self._new_id()
        request = put_request(key, text, when=when, expires_at=expires_at, now=self._clock(), write_id=write_id)
        stored = await self._update(key, request, write_id)
        if stored is None:
            raise _conflict()
        return Item(key, item_data(text, None), int(stored["version"]["N"]), expires_at)

    async def delete(self, key: Key, *, when: Condition = ANY) -> Item | None:
        """See ports.Table.delete."""
        check_key(key)
        now = self._clock()
        request = {"TableName": self._tables[key.table], "ReturnValues": "ALL_OLD", **conditional(key, when, now)}
        try:
            answer = await self._call("DeleteItem", request)
        except AwsError as error:
            raise _conflict() from error
        return item_from(key, answer.get("Attributes", {}), now)

    async def query(
        self, partition: Partition, *, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> Page:
        """See ports.Table.query."""
        if not all(possible(Key(*partition, part or "-")) for part in (prefix, after)):
            return Page((), None)
        if after and not after.startswith(prefix):
            # DynamoDB takes no start outside the prefix: this one lies behind everything, or before it.
            if after > prefix:
                return Page((), None)
            after = None
        now = self._clock()
        request = {"TableName": self._tables[partition.table], **query_request(partition.pk, prefix, after, now)}
        items: list[Item] = []
        # One more than asked for tells whether there is a next page. Expired ones are left out after the limit.
        while len(items) <= limit:
            wanted = max(limit + 1 - len(items), LEAST_READ if items else 1)
            answer = await self._call("Query", {**request, "Limit": wanted})
            for attributes in answer["Items"]:
                item = item_from(Key(*partition, attributes["sk"]["S"]), attributes, now)
                items += [item] if item else []
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return Page(items[:limit], items[limit - 1].key.sk if len(items) > limit else None)

    async def transact(self, writes: Sequence[Write]) -> None:
        """See ports.Table.transact."""
        texts, now = put_texts(writes), self._clock()
        pairs = zip(writes, texts, strict=True)
        items = [self._transact_item(write, text, now) for write, text in pairs if not writes_nothing(write)]
        if not items:
            return
        request = {"TransactItems": items, "ClientRequestToken": self._new_id()}
        for attempt in range(MAX_ROUNDS):
            try:
                await self._call("TransactWriteItems", request)
            except AwsError as error:
                reasons = {str(reason.get("Code")) for reason in error.body.get("CancellationReasons", ())}
                if _FAILED in reasons:
                    raise _conflict() from error
                if not reasons or not reasons <= _COLLIDED:
                    raise StoreUnavailable(f"The table refused the transaction ({error.message}).") from error
                await self._api.back_off(attempt)
            else:
                return
        raise _conflict()

    async def add(self, key: Key, amount: int, *, expires_at: int) -> int:
        """See ports.Table.add."""
        check_key(key)
        write_id, now = self._new_id(), self._clock()
        for attempt in range(MAX_ROUNDS):
            for request_for in (count_on_request, count_anew_request):
                request = request_for(key, amount, expires_at=expires_at, now=now, write_id=write_id)
                stored = await self._update(key, request, write_id)
                if stored is not None:
                    return int(stored["count"]["N"])
            # Between the two, someone else started it again or removed it.
            await self._api.back_off(attempt)
        raise _conflict()

    async def _update(self, key: Key, request: dict[str, Any], write_id: str) -> Any:
        """The attributes as this write left them, or None when its condition does not hold."""
        returns = {"ReturnValues": "ALL_NEW", **_RETURN_OLD}
        try:
            answer = await self._call("UpdateItem", {"TableName": self._tables[key.table], **returns, **request})
        except AwsError as error:
            there = error.body.get("Item", {})
            # The first try was done and its answer lost: what stands there is what this write wrote.
            return there if there.get("write_id") == {"S": write_id} else None
        return answer["Attributes"]

    def _transact_item(self, write: Write, text: str, now: int) -> dict[str, Any]:
        table = {"TableName": self._tables[write.key.table]}
        match write:
            case Put(key=key, when=when, expires_at=expires_at):
                put = put_request(key, text, when=when, expires_at=expires_at, now=now, write_id=self._new_id())
                return {"Update": {**table, **put}}
            case Delete():
                return {"Delete": {**table, **conditional(write.key, write.when, now)}}
            case Check():
                return {"ConditionCheck": {**table, **conditional(write.key, write.when, now)}}

    async def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; `AwsError` only for a condition that does not hold or a cancelled transaction."""
        try:
            return await self._api.call("dynamodb", operation, request)
        except AwsError as error:
            if error.code in (_CONDITION, _CANCELED):
                raise
            raise StoreUnavailable(f"The table did not answer ({error.code}).") from error


def _conflict() -> Conflict:
    return Conflict("Someone else changed this first. Look at it again, then repeat the change.")
