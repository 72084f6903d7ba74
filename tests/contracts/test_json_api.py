"""The client of AWS: what it sends, how often it tries, and whose keys it signs with."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.aws.credentials import EARLY_S, RETRY_S, credentials_from
from gateway_core.aws.json_api import BACK_OFF_S, MAX_ATTEMPTS, JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.aws.sigv4 import AwsKeys
from tests.contracts.aws import CREDENTIALS, json_api
from tests.contracts.conftest import MovedClock

LAMBDA = {"AWS_ACCESS_KEY_ID": "AKIAFUNCTION", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
SNAPSTART = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9001/2021-04-23/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let-me-in",
}


class Aws:
    """Gives answers in turn, the last one for ever; an exception is raised. Remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append((method, url, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer[0], json.dumps(answer[1]).encode()


def keys_until(expires_at: str, name: str) -> tuple[int, Any]:
    return 200, {"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": expires_at}


@pytest.mark.parametrize(
    ("service", "target", "content_type"),
    [
        ("dynamodb", "DynamoDB_20120810.Op", "application/x-amz-json-1.0"),
        ("kms", "TrentService.Op", "application/x-amz-json-1.1"),
        ("secretsmanager", "secretsmanager.Op", "application/x-amz-json-1.1"),
    ],
)
async def test_an_operation_is_one_signed_post_to_the_service(
    clock: MovedClock, service: Any, target: str, content_type: str
):
    aws = Aws((200, {"done": True}))
    api = JsonApi(aws.send, CREDENTIALS, "eu-west-1", clock, random=lambda: 0.0)
    assert await api.call(service, "Op", {"text": "é"}) == {"done": True}
    [(method, url, headers, body)] = aws.asked
    assert (method, url) == ("POST", f"https://{service}.eu-west-1.amazonaws.com/")
    assert (headers["x-amz-target"], headers["content-type"]) == (target, content_type)
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/20270115/eu-west-1/")
    assert json.loads(body) == {"text": "é"}


@pytest.mark.parametrize(
    "trouble",
    [
        (400, {"__type": "x#ThrottlingException"}),
        (500, {}),
        (502, "no JSON object"),
        (200, []),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
async def test_what_may_pass_is_tried_three_times_with_growing_pauses(clock: MovedClock, trouble: Any):
    pauses: list[float] = []
    aws = Aws(trouble, trouble, (200, {"n": 3}))
    api = json_api("http://127.0.0.1:1/", clock, sending=aws.send, pauses=pauses)
    assert await api.call("dynamodb", "Op", {}) == {"n": 3}
    assert pauses == [BACK_OFF_S / 2, BACK_OFF_S]

    aws = Aws(trouble)
    with pytest.raises(AwsError) as raised:
        await json_api("http://127.0.0.1:1/", clock, sending=aws.send).call("dynamodb", "Op", {})
    assert raised.value.passing
    assert len(aws.asked) == MAX_ATTEMPTS


async def test_a_refusal_is_not_tried_again_and_keeps_the_services_words(clock: MovedClock):
    aws = Aws((400, {"__type": "com.amazonaws#AccessDeniedException", "Message": "not you", "Item": {}}))
    with pytest.raises(AwsError, match="AccessDeniedException: not you") as raised:
        await json_api("http://127.0.0.1:1/", clock, sending=aws.send).call("kms", "Op", {})
    assert (raised.value.code, raised.value.body["Item"]) == ("AccessDeniedException", {})
    assert len(aws.asked) == 1


async def test_no_try_begins_after_the_budget_is_spent(clock: MovedClock):
    aws = Aws(ConnectionResetError())
    api = replace(json_api("http://127.0.0.1:1/", clock, sending=aws.send), budget_s=0.0)
    with pytest.raises(AwsError, match="Unreachable"):
        await api.call("kms", "Op", {})
    assert len(aws.asked) == 1


async def test_an_answer_that_never_comes_is_given_up(clock: MovedClock):
    async def never(*_request: Any) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    api = replace(json_api("http://127.0.0.1:1/", clock, sending=never), attempt_s=0.01)
    with pytest.raises(AwsError, match="Unreachable"):
        await api.call("kms", "Op", {})


async def test_a_function_signs_with_the_keys_of_its_environment(clock: MovedClock):
    credentials = credentials_from(LAMBDA, send=Aws((500, {})).send, clock=clock)
    assert await credentials.current() == AwsKeys("AKIAFUNCTION", "s", "t")


async def test_without_keys_nothing_is_sent_and_the_error_says_what_is_missing(clock: MovedClock):
    with pytest.raises(AwsError, match="AWS_ACCESS_KEY_ID is not set"):
        await credentials_from({}, send=Aws((500, {})).send, clock=clock).current()


async def test_container_keys_are_fetched_once_with_the_token_and_again_before_they_expire(clock: MovedClock):
    clock.now = 1_735_689_600  # 2025-01-01T00:00:00Z
    aws = Aws(keys_until("2025-01-01T01:00:00Z", "FIRST"), keys_until("2025-01-01T02:00:00Z", "SECOND"))
    credentials = credentials_from({**LAMBDA, **SNAPSTART}, send=aws.send, clock=clock)
    found = await asyncio.gather(*(credentials.current() for _ in range(5)))
    assert {keys.access_key_id for keys in found} == {"FIRST"}
    assert aws.asked == [("GET", SNAPSTART["AWS_CONTAINER_CREDENTIALS_FULL_URI"], {"authorization": "let-me-in"}, b"")]
    clock.now += 3600 - EARLY_S - 1
    assert (await credentials.current()).access_key_id == "FIRST"
    clock.now += 1
    assert (await credentials.current()).access_key_id == "SECOND"


async def test_good_container_keys_are_used_on_while_the_endpoint_is_down(clock: MovedClock):
    clock.now = 1_735_689_600
    aws = Aws(keys_until("2025-01-01T01:00:00Z", "FIRST"), OSError())
    credentials = credentials_from(SNAPSTART, send=aws.send, clock=clock)
    await credentials.current()
    clock.now += 3600 - EARLY_S
    assert (await credentials.current()).access_key_id == "FIRST"
    assert (await credentials.current()).access_key_id == "FIRST"
    assert len(aws.asked) == 2
    clock.now += RETRY_S
    assert (await credentials.current()).access_key_id == "FIRST"
    assert len(aws.asked) == 3
    clock.now += EARLY_S
    with pytest.raises(AwsError, match="NoCredentials"):
        await credentials.current()


async def test_a_relative_address_is_the_container_agents(clock: MovedClock):
    aws = Aws(keys_until("2030-01-01T01:00:00Z", "TASK"))
    environment = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}
    await credentials_from(environment, send=aws.send, clock=clock).current()
    assert aws.asked[0][1] == "http://169.254.170.2/v2/credentials/1"
