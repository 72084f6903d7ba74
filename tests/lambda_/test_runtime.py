"""The streaming runtime loop, as a process of its own, against a Runtime API that is ours."""

import base64
import json

import pytest

from tests.lambda_.events import http, rest
from tests.lambda_.fake_runtime_api import DEADLINE_MS, runtime

COMPLETION_REPORT = {"requestContext": {"requestId": "c6af9ac6"}, "responseStatus": "COMPLETED"}


async def test_each_chunk_leaves_when_the_app_sends_it_and_the_head_with_the_first():
    async with runtime("tests.lambda_.apps.stream") as api:
        call = api.invoke(rest())
        first = await call.chunk()
        assert first.endswith(b'{"content-type": "text/event-stream"}, "cookies": []}' + bytes(8) + b"one")
        await api.reached["/gate/two"].wait()
        api.gates["two"].set()
        assert await call.chunk() == b"two"
        await api.reached["/gate/three"].wait()
        api.gates["three"].set()
        assert await call.chunk() == b"three"
        with pytest.raises(EOFError):
            await call.chunk()
    assert call.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert call.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert call.trailers == {}


async def test_what_two_tasks_send_at_once_is_one_response():
    async with runtime("tests.lambda_.apps.together") as api:
        head, body = await api.invoke(rest()).end()
        await api.reached["/invocation/next"].wait()
    assert (head["statusCode"], body) == (200, b"pingpong")
    assert [path for path in api.asked if path.endswith("/response")] == ["/invocation/request-1/response"]


async def test_one_process_and_one_event_loop_answer_one_event_after_the_other():
    async with runtime("tests.lambda_.apps.echo") as api:
        seen = [json.loads((await api.invoke(rest()).end())[1]) for _ in range(3)]
    assert len({(one["process"], one["loop"]) for one in seen}) == 1
    assert [one["extensions"]["gatehouse.lambda"]["request_id"] for one in seen] == [
        "request-1",
        "request-2",
        "request-3",
    ]


async def test_repeated_response_headers_are_joined_and_cookies_kept_apart():
    async with runtime("tests.lambda_.apps.echo") as api:
        head, _ = await api.invoke(rest()).end()
    assert head == {"statusCode": 200, "headers": {"vary": "Origin, Accept"}, "cookies": ["a=1", "b=2"]}


async def test_the_app_learns_request_deadline_and_address_from_the_platform_and_not_from_headers():
    forged = {"X-Forwarded-For": ["198.51.100.1"], "X-Forwarded-Proto": ["http"], "Host": ["evil.example"]}
    async with runtime("tests.lambda_.apps.echo") as api:
        _, body = await api.invoke(rest(multiValueHeaders=forged)).end()
    seen = json.loads(body)
    assert seen["extensions"]["gatehouse.lambda"] == {
        "request_id": "request-1",
        "deadline_ms": DEADLINE_MS,
        "source_ip": "203.0.113.9",
    }
    assert (seen["client"], seen["scheme"], seen["server"]) == (["203.0.113.9", 0], "https", None)


@pytest.mark.parametrize("path", ["/at-once", "/before-the-body", "/cancelled"])
async def test_an_app_that_fails_before_its_head_has_left_is_a_500_and_the_next_event_is_answered(path: str):
    async with runtime("tests.lambda_.apps.broken") as api:
        head, body = await api.invoke(rest(path=path)).end()
        assert (head["statusCode"], json.loads(body)) == (500, {"error": "internal_error"})
        _, body = await api.invoke(rest(path="/fine")).end()
        assert body == b'"fine"'


@pytest.mark.parametrize(("path", "kind"), [("/mid-stream", "ValueError"), ("/unfinished", "Incomplete")])
async def test_an_app_that_fails_in_mid_stream_is_told_in_trailers(path: str, kind: str):
    async with runtime("tests.lambda_.apps.broken") as api:
        call = api.invoke(rest(path=path))
        head, body = await call.end()
        assert (head["statusCode"], body) == (200, b"one")
        assert call.trailers["lambda-runtime-function-error-type"] == kind
        about = json.loads(base64.b64decode(call.trailers["lambda-runtime-function-error-body"]))
        assert about == {"errorType": kind, "errorMessage": "The response ended early."}
        _, body = await api.invoke(rest(path="/fine")).end()
        assert body == b'"fine"'


async def test_a_failure_is_logged_with_its_place_and_without_its_text():
    async with runtime("tests.lambda_.apps.broken") as api:
        await api.invoke(rest(path="/mid-stream")).end()
        line = await api.logged()
    assert (line["event"], line["request_id"], line["error"]) == ("app_failed", "request-1", "ValueError")
    assert line["where"][-1].endswith(" broken")
    assert "secret-in-the-message" not in json.dumps(line)


@pytest.mark.parametrize(
    "event",
    [
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []},
        COMPLETION_REPORT,
        {"requestContext": None},
        {},
        [],
        "ping",
        None,
    ],
)
async def test_an_event_that_is_no_http_request_is_acknowledged(event: object):
    async with runtime("tests.lambda_.apps.echo") as api:
        call = api.invoke(event)
        assert await call.answer() == {}
        assert "lambda-runtime-function-response-mode" not in call.headers
        _, body = await api.invoke(rest()).end()
        assert body


async def test_the_answer_ends_while_the_app_works_on_and_the_next_event_waits_for_it():
    async with runtime("tests.lambda_.apps.works_on") as api:
        first, second = api.invoke(rest(path="/first")), api.invoke(rest(path="/second"))
        assert (await first.end())[1] == b'"first"'
        await api.reached["/gate/work"].wait()
        assert api.asked.count("/invocation/next") == 1
        api.gates["work"].set()
        assert (await second.end())[1] == b'"second"'


async def test_an_app_whose_reader_has_left_is_told_on_both_sides_and_the_loop_goes_on():
    async with runtime("tests.lambda_.apps.endless") as api:
        call = api.invoke(rest())
        await call.chunk()
        call.hang_up()
        await api.reached["/gate/told-http.disconnect"].wait()
        api.gates["told-http.disconnect"].set()
        _, body = await api.invoke(rest(path="/fine")).end()
        assert body == b'"fine"'


async def test_a_body_that_is_marked_as_base64_and_is_not_is_refused():
    async with runtime("tests.lambda_.apps.echo") as api:
        head, body = await api.invoke(rest(body="a", isBase64Encoded=True)).end()
        assert (head["statusCode"], json.loads(body)) == (400, {"error": "bad_request"})
        _, body = await api.invoke(rest(body="e30=", isBase64Encoded=True)).end()
        assert json.loads(body)["body"] == "{}"


async def test_with_snapstart_the_app_reopens_its_connections_before_the_first_event():
    async with runtime("tests.lambda_.apps.restored", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") as api:
        assert (await api.invoke(rest()).end())[1] == b"1"
    assert api.asked[:2] == ["/restore/next", "/invocation/next"]


async def test_without_snapstart_nothing_is_restored():
    async with runtime("tests.lambda_.apps.restored", AWS_LAMBDA_INITIALIZATION_TYPE="on-demand") as api:
        assert (await api.invoke(rest()).end())[1] == b"0"
    assert "/restore/next" not in api.asked


async def test_a_restore_that_fails_is_reported_and_ends_the_process():
    async with runtime(
        "tests.lambda_.apps.restored", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", RESTORE="fails"
    ) as api:
        assert await api.process.wait() == 1
    assert api.errors["/restore/error"]["errorType"] == "Runtime.ConnectionError"
    assert "/invocation/next" not in api.asked


async def test_an_app_that_cannot_be_loaded_is_reported_and_ends_the_process():
    async with runtime("tests.lambda_.apps.no_such_app") as api:
        assert await api.process.wait() == 1
    report = api.errors["/init/error"]
    assert report["errorType"] == "Runtime.AttributeError"
    assert "no_such_app" in report["errorMessage"]
    assert api.asked == ["/init/error"]


@pytest.mark.parametrize("variable", [{"AWS_SAM_LOCAL": "true"}, {"GATEHOUSE_BUFFERED": "1"}])
async def test_where_nothing_can_stream_the_answer_is_sent_whole(variable: dict[str, str]):
    async with runtime("tests.lambda_.apps.stream", **variable) as api:
        api.gates["two"].set()
        api.gates["three"].set()
        call = api.invoke(rest())
        assert await call.answer() == {
            "statusCode": 200,
            "multiValueHeaders": {"content-type": ["text/event-stream"]},
            "body": "onetwothree",
            "isBase64Encoded": False,
        }


async def test_an_app_that_fails_in_the_middle_of_a_whole_answer_is_a_500():
    async with runtime("tests.lambda_.apps.broken", GATEHOUSE_BUFFERED="1") as api:
        answer = await api.invoke(http(path="/mid-stream")).answer()
    assert (answer["statusCode"], answer["body"]) == (500, '{"error": "internal_error"}')
    assert answer["headers"] == {"content-type": "application/json"}
