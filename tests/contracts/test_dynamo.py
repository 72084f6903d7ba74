"""What the table on DynamoDB promises beside ports.Table: lost answers, throttling, and the deployed definition."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway_core.aws.sending import Send
from gateway_core.errors import Conflict, StoreUnavailable
from gateway_core.ports import ABSENT, Check, Clock, Key, Partition, Put, Unchanged
from gateway_core.storage.dynamo import DynamoTable
from tests.contracts.aws import dynamo_table, json_api, new_id, send, table_properties
from tests.contracts.conftest import MovedClock

WEATHER = Key("registry", "ORG", "SERVER#weather")
TRAINS = Key("registry", "ORG", "SERVER#trains")
COUNTER = Key("grants", "COUNTERS", "ana")


def losing_the_first_answer_to(operation: str) -> Callable[[Send], Send]:
    """Everything arrives and is done; the first answer to `operation` never comes back."""
    lost: list[str] = []

    def wrap(sending: Send) -> Send:
        async def losing(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
            answer = await sending(method, url, headers, body)
            if headers["x-amz-target"].endswith(f".{operation}") and not lost:
                lost.append(operation)
                raise ConnectionResetError
            return answer

        return losing

    return wrap


def scripted(clock: Clock, *answers: tuple[int, dict[str, Any]]) -> tuple[DynamoTable, list[dict[str, Any]]]:
    """A table on a DynamoDB that gives these answers in turn, the last one for ever; and what it was asked."""
    asked: list[dict[str, Any]] = []

    async def sending(_method: str, _url: str, _headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        asked.append(json.loads(body))
        status, answer = answers[min(len(asked), len(answers)) - 1]
        return status, json.dumps(answer).encode()

    api = json_api("http://127.0.0.1:1/", clock, sending=sending)
    return DynamoTable(api, {"registry": "r", "grants": "g"}, clock, new_id=new_id), asked


def error(code: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more}


def stored(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "ORG"}, "sk": {"S": sk}, "data": {"S": "{}"}, "version": {"N": "1"}}


async def test_a_put_whose_answer_is_lost_is_done_once(aws_url: str, clock: MovedClock):
    table = await dynamo_table(aws_url, clock, wrap=losing_the_first_answer_to("UpdateItem"))
    first = await table.put(WEATHER, {"n": 1}, when=ABSENT)
    assert first == await table.get(WEATHER)
    assert (first.data, first.version) == ({"n": 1}, 1)


async def test_a_change_whose_answer_is_lost_is_done_once(aws_url: str, clock: MovedClock):
    table = await dynamo_table(aws_url, clock, wrap=losing_the_first_answer_to("UpdateItem"))
    await table.transact([Put(WEATHER, {"n": 1})])
    second = await table.put(WEATHER, {"n": 2}, when=Unchanged(1))
    assert second == await table.get(WEATHER)
    assert (second.data, second.version) == ({"n": 2}, 2)


async def test_a_put_that_somebody_else_overtook_is_a_conflict_even_with_the_same_data(aws_url: str, clock: MovedClock):
    table = await dynamo_table(aws_url, clock)
    await table.put(WEATHER, {"n": 1}, when=ABSENT)
    with pytest.raises(Conflict):
        await table.put(WEATHER, {"n": 1}, when=ABSENT)


async def test_an_addition_whose_answer_is_lost_counts_once(aws_url: str, clock: MovedClock):
    table = await dynamo_table(aws_url, clock, wrap=losing_the_first_answer_to("UpdateItem"))
    assert await table.add(COUNTER, 5, expires_at=clock.now + 60) == 5
    assert await table.add(COUNTER, 5, expires_at=clock.now + 60) == 10


async def test_a_counter_that_starts_anew_and_whose_answer_is_lost_counts_once(aws_url: str, clock: MovedClock):
    table = await dynamo_table(aws_url, clock, wrap=losing_the_first_answer_to("UpdateItem"))
    await table.put(COUNTER, {}, expires_at=clock.now)
    assert await table.add(COUNTER, 5, expires_at=clock.now + 60) == 5


async def test_what_may_be_used_once_counts_as_used_when_the_answer_to_its_removal_is_lost(
    aws_url: str, clock: MovedClock
):
    table = await dynamo_table(aws_url, clock, wrap=losing_the_first_answer_to("DeleteItem"))
    await table.put(WEATHER, {})
    with pytest.raises(Conflict):
        await table.delete(WEATHER, when=Unchanged(1))
    assert await table.get(WEATHER) is None


async def test_a_transaction_is_sent_again_under_the_same_token(clock: MovedClock):
    table, asked = scripted(clock, (500, {}), error("TransactionInProgressException"), (200, {}))
    await table.transact([Put(WEATHER, {})])
    await table.transact([Put(WEATHER, {})])
    tokens = [request["ClientRequestToken"] for request in asked]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3]


async def test_a_transaction_that_collides_with_another_is_tried_again(clock: MovedClock):
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
    collided = error("TransactionCanceledException", CancellationReasons=reasons)
    table, asked = scripted(clock, collided, collided, (200, {}))
    await table.transact([Put(WEATHER, {}), Check(TRAINS, when=ABSENT)])
    assert len(asked) == 3
    table, _ = scripted(clock, collided)
    with pytest.raises(Conflict):
        await table.transact([Put(WEATHER, {})])


async def test_a_transaction_that_the_table_cannot_take_is_no_conflict(clock: MovedClock):
    table, _ = scripted(clock, error("TransactionCanceledException", CancellationReasons=[{"Code": "ValidationError"}]))
    with pytest.raises(StoreUnavailable):
        await table.transact([Put(WEATHER, {})])


async def test_keys_that_were_left_over_are_asked_for_again(clock: MovedClock):
    left = {"r": {"ConsistentRead": True, "Keys": [{"pk": {"S": "ORG"}, "sk": {"S": TRAINS.sk}}]}}
    table, asked = scripted(
        clock,
        (200, {"Responses": {"r": [stored(WEATHER.sk)]}, "UnprocessedKeys": left}),
        (200, {"Responses": {"r": [stored(TRAINS.sk)]}, "UnprocessedKeys": {}}),
    )
    found = await table.get_many([WEATHER, COUNTER, TRAINS])
    assert [item and item.key for item in found] == [WEATHER, None, TRAINS]
    assert asked[1]["RequestItems"] == left


async def test_a_table_that_leaves_keys_over_for_ever_is_unavailable(clock: MovedClock):
    left = {"r": {"ConsistentRead": True, "Keys": [{"pk": {"S": "ORG"}, "sk": {"S": WEATHER.sk}}]}}
    table, _ = scripted(clock, (200, {"Responses": {}, "UnprocessedKeys": left}))
    with pytest.raises(StoreUnavailable):
        await table.get_many([WEATHER])


async def test_every_read_is_consistent(clock: MovedClock):
    table, asked = scripted(clock, (200, {"Responses": {}, "Items": []}))
    await table.get(WEATHER)
    await table.query(Partition("registry", "ORG"))
    await table.get_many([WEATHER, COUNTER])
    assert [request.get("ConsistentRead") for request in asked[:2]] == [True, True]
    assert [part["ConsistentRead"] for part in asked[2]["RequestItems"].values()] == [True, True]
    assert len(asked) == 3


async def test_a_counter_that_others_keep_taking_away_ends_in_a_conflict(clock: MovedClock):
    table, _ = scripted(clock, error("ConditionalCheckFailedException"))
    with pytest.raises(Conflict):
        await table.add(COUNTER, 1, expires_at=clock.now + 60)


@pytest.mark.parametrize(
    "answer", [error("ProvisionedThroughputExceededException"), error("AccessDeniedException"), (503, {}), (200, [])]
)
async def test_a_table_that_does_not_answer_well_is_unavailable(clock: MovedClock, answer: Any):
    table, _ = scripted(clock, answer)
    for call in (table.get(WEATHER), table.put(WEATHER, {}), table.delete(WEATHER), table.transact([Put(WEATHER, {})])):
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_table_that_nobody_can_reach_is_unavailable(clock: MovedClock):
    api = json_api("http://127.0.0.1:1/", clock, sending=send)
    table = DynamoTable(api, {"registry": "r", "grants": "g"}, clock, new_id=new_id)
    with pytest.raises(StoreUnavailable):
        await table.get(WEATHER)


def test_both_tables_are_deployed_with_expiry_recovery_and_protection():
    for properties in table_properties().values():
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
