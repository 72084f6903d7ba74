"""What an ASGI application of the tests gets to read."""

from typing import Any


async def read_body(receive: Any) -> bytes:
    """The whole body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def headers_of(scope: Any) -> dict[str, str]:
    """By name in small letters; of several of one name the last."""
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
