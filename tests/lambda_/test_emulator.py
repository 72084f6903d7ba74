"""Our bootstrap and loop inside AWS's own Runtime Interface Emulator, which knows no streaming."""

import json

import pytest

from tests.lambda_.emulator import emulator
from tests.lambda_.events import http, rest

pytestmark = pytest.mark.tools


async def test_the_emulator_starts_the_loop_once_and_gets_an_answer_to_each_event():
    async with emulator("tests.lambda_.apps.echo") as function:
        cold = await function.invoke(rest("POST", "/research/weather/mcp", body="{}"))
        warm = await function.invoke(http("GET", "/healthz"))
        ended = await function.invoke({"requestContext": {"requestId": "c6af9ac6"}})
        seen = [json.loads(answer["body"]) for answer in (cold, warm)]
    assert [one["path"] for one in seen] == ["/research/weather/mcp", "/healthz"]
    assert seen[0]["process"] == seen[1]["process"]
    assert seen[0]["extensions"]["gatehouse.lambda"]["deadline_ms"] > 0
    assert ended == {}
    assert function.init_ms > 0


async def test_the_emulator_reports_an_app_that_fails_and_goes_on():
    async with emulator("tests.lambda_.apps.broken") as function:
        assert (await function.invoke(rest(path="/at-once")))["statusCode"] == 500
        assert (await function.invoke(rest(path="/mid-stream")))["statusCode"] == 500
        assert (await function.invoke(rest(path="/fine")))["body"] == '"fine"'
        assert '"event": "app_failed"' in function.log


async def test_an_app_that_cannot_be_loaded_fails_the_invocation_with_its_reason():
    async with emulator("tests.lambda_.apps.no_such_app") as function:
        answer = await function.invoke(rest())
    assert answer["errorType"] == "Runtime.AttributeError"
