"""Events as API Gateway and others send them, as short as a test needs them."""

from typing import Any


def rest(method: str = "POST", path: str = "/", *, body: str | None = None, **fields: Any) -> dict[str, Any]:
    """A REST API event (payload 1.0)."""
    return {
        "resource": "/{workspace}/{server}/mcp",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "gate.example"},
        "multiValueHeaders": {"Host": ["gate.example"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "203.0.113.9"}, "stage": "v1"},
        "body": body,
        "isBase64Encoded": False,
    } | fields


def http(method: str = "POST", path: str = "/", **fields: Any) -> dict[str, Any]:
    """An HTTP API or function URL event (payload 2.0)."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "gate.example"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "203.0.113.9"}, "stage": "$default"},
        "isBase64Encoded": False,
    } | fields
