"""API Gateway's events as ASGI, and answers in API Gateway's two forms. Pure, standard library only.

Reads REST API events (payload 1.0) and HTTP API and function URL events (payload 2.0). Judges nothing: paths stay
percent-encoded as they came, repeated headers stay apart, and who the client is comes from `requestContext`, which
API Gateway writes, never from a header, which the client writes.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlencode

Event = Mapping[str, Any]
Scope = dict[str, Any]
RawHeaders = list[tuple[bytes, bytes]]

PRELUDE_END: Final = b"\x00" * 8
"""Between the JSON prelude and the body of a streamed response (AWS Lambda, "Response streaming")."""


def is_http(event: Any) -> bool:
    """True for an HTTP request; schedules, tests and what API Gateway reports after a stream are none."""
    return isinstance(event, dict) and (_rest(event) or "method" in _part(_part(event, "requestContext"), "http"))


def read_scope(event: Event, invocation: Mapping[str, Any]) -> Scope:
    """The ASGI scope of an HTTP event.

    Args:
        event: One that `is_http`.
        invocation: What Lambda says about it, e.g. `{"request_id": …, "deadline_ms": …}`; given on, together with
            `source_ip`, as `scope["extensions"]["gatehouse.lambda"]`.
    """
    context = _part(event, "requestContext")
    http = _part(context, "http")
    raw_path = str((event.get("path") if _rest(event) else event.get("rawPath")) or "/")
    source_ip = str((_part(context, "identity") if _rest(event) else http).get("sourceIp") or "")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": str(event["httpMethod"] if _rest(event) else http["method"]).upper(),
        "scheme": "https",
        "path": unquote(raw_path),
        "raw_path": _bytes(raw_path),
        "root_path": "",
        "query_string": _bytes(_query(event)),
        "headers": [(_bytes(name.lower()), _bytes(value)) for name, value in _headers(event)],
        "client": (source_ip, 0),
        "server": None,
        "extensions": {"gatehouse.lambda": {**invocation, "source_ip": source_ip}},
    }


def read_body(event: Event) -> bytes:
    """The request body. Raises `ValueError` when it is marked as base64 and is not."""
    body = event.get("body") or ""
    return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else _bytes(body)


def prelude(status: int, headers: RawHeaders) -> bytes:
    """What stands before the body of a streamed response."""
    head = {"statusCode": status, "headers": _joined(headers), "cookies": _cookies(headers)}
    return json.dumps(head).encode() + PRELUDE_END


def whole_answer(event: Event, status: int, headers: RawHeaders, body: bytes) -> dict[str, Any]:
    """A finished response, in the form that belongs to the payload version of `event`."""
    answer: dict[str, Any] = {"statusCode": status}
    if _rest(event):
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        answer["multiValueHeaders"] = values
    else:
        answer |= {"headers": _joined(headers), "cookies": _cookies(headers)}
    try:
        return answer | {"body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return answer | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _rest(event: Event) -> bool:
    return "httpMethod" in event


def _part(whole: Event, name: str) -> Event:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _bytes(text: str) -> bytes:
    return str(text).encode("utf-8", "replace")


def _query(event: Event) -> str:
    if not _rest(event):
        return str(event.get("rawQueryString") or "")
    # A REST API has decoded these once already, and never says how they were written. Encoding them again gives the
    # names and values that the client sent, those of one name in their order; which of several spellings it chose
    # ("%20" or "+", "a" or "a="), and the order of different names, are lost.
    parameters = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    return urlencode(parameters, doseq=True, errors="replace")


def _headers(event: Event) -> Iterator[tuple[str, str]]:
    repeated = event.get("multiValueHeaders")
    for name, value in (repeated or event.get("headers") or {}).items():
        for one in value if repeated else [value]:
            yield name, one
    if event.get("cookies"):
        yield "cookie", "; ".join(event["cookies"])


def _joined(headers: RawHeaders) -> dict[str, str]:
    """Equal names as one list (RFC 9110 section 5.3); cookies, which cannot be joined, left out."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name != "set-cookie":
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _cookies(headers: RawHeaders) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name.lower() == b"set-cookie"]
