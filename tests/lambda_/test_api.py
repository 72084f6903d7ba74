"""How the admin API's function reads events: what Mangum alone would let through."""

import json
import os
from typing import Any

import pytest

from tests.lambda_.control_plane import answers
from tests.lambda_.events import http, rest

ENVIRONMENT = {"PATH": os.defpath, "REGISTRY_TABLE": "r", "GRANTS_TABLE": "g", "AWS_REGION": "eu-west-1"}
OPEN = "/api/v1/openapi.json"

REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "an escaped slash": (rest("GET", "/api/v1%2Fopenapi.json"), 404, "no_route"),
    "an escaped dot segment": (rest("GET", "/api/v1/x/%2e%2e/openapi.json"), 404, "no_route"),
    "a dot segment": (rest("GET", "/api/v1/x/../openapi.json"), 404, "no_route"),
    "a dot at the end": (rest("GET", "/api/v1/openapi.json/."), 404, "no_route"),
    "an empty segment": (rest("GET", "/api//v1/openapi.json"), 404, "no_route"),
    "a slash at the end": (rest("GET", OPEN + "/"), 404, "no_route"),
    "a backslash": (rest("GET", "/api/v1\\openapi.json"), 404, "no_route"),
    "letters outside ASCII": (rest("GET", "/api/v1/openapé.json"), 404, "no_route"),
    "an escape in payload 2.0": (http("GET", "/api/v1/%6fpenapi.json"), 404, "no_route"),
    "a line end": (rest("GET", OPEN + "\n"), 404, "no_route"),
    "two credentials": (rest("GET", OPEN, multiValueHeaders={"Authorization": ["a", "b"]}), 400, "two_credentials"),
    "credentials in two spellings": (
        rest("GET", OPEN, multiValueHeaders={"Authorization": ["a"], "authorization": ["b"]}),
        400,
        "two_credentials",
    ),
    "base64 that is none": (rest("POST", OPEN, body="a", isBase64Encoded=True), 400, "bad_request"),
}

TAKEN: dict[str, dict[str, Any]] = {
    "a plain request": rest("GET", OPEN),
    "payload 2.0": http("GET", OPEN),
    "a host with a path": rest("GET", OPEN, multiValueHeaders={"Host": ["evil/x?"]}),
    "a host with two colons": rest("GET", OPEN, multiValueHeaders={"Host": ["a:b:c"]}),
    "a port that is no number": rest("GET", OPEN, multiValueHeaders={"Host": ["gate.example:http"]}),
    "a forged scheme": rest("GET", OPEN, multiValueHeaders={"X-Forwarded-Proto": ["ftp"], "X_Forwarded_Host": ["x"]}),
    "no headers at all": rest("GET", OPEN, headers=None, multiValueHeaders=None),
}


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    events: dict[str, Any] = {name: event for name, (event, _, _) in REFUSED.items()} | TAKEN
    events |= {"a schedule": {"source": "aws.events"}, "nothing": None}
    return dict(zip(events, answers(list(events.values()), ENVIRONMENT), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_can_be_read_in_two_ways_is_refused(said, name: str):
    _, status, reason = REFUSED[name]
    answer = said[name]
    assert (answer["statusCode"], json.loads(answer["body"])["title"]) == (status, reason)


@pytest.mark.parametrize("name", TAKEN)
def test_a_strange_host_or_forwarded_header_changes_nothing(said, name: str):
    assert said[name]["statusCode"] == 200
    assert json.loads(said[name]["body"])["info"]["title"] == "Gatehouse admin API"


def test_an_event_that_is_no_http_request_is_acknowledged(said):
    assert said["a schedule"] == said["nothing"] == {}
