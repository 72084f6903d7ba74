"""Requests as bytes (RFC 9112, section 3). Pure. Nothing goes out that a recipient could read as two requests."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gateway_core.egress.targets import Target
from gateway_core.errors import Invalid

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

OWN_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What frames a message or speaks to the next hop: written here or not at all."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")


class UnsendableHeader(ValueError):
    """A header that would change how the request is read."""


def check_header(name: str, value: str) -> None:
    """Refuse a header that can never be sent, at the moment when somebody saves it.

    Raises:
        Invalid: The name is no token, or one that the gateway writes itself, or the value is not visible ASCII.
    """
    try:
        _field(name)
        _checked(value)
    except UnsendableHeader as error:
        raise Invalid(str(error)) from None


def opening(method: str, target: Target) -> str:
    """The request line and the headers that are the same for every request to `target`.

    Raises:
        ValueError: Not one of `METHODS`.
    """
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a method that the gateway sends")
    # RFC 9110, section 12.5.3: asked for plainly, bodies come uncompressed, so no bomb can hide in them.
    return f"{method} {target.path} HTTP/1.1\r\nhost: {target.authority}\r\naccept-encoding: identity\r\n"


def encode(first: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """The whole request, to be written at once. `first` comes from `opening`.

    Raises:
        UnsendableHeader: A header that would change how the request is read.
    """
    lines = [first]
    for name, value in headers:
        lines.append(f"{_field(name)}{value if value.isascii() and value.isprintable() else _checked(value)}\r\n")
    # A body of length 0 is said to be so where one is expected (RFC 9110, section 8.6).
    if body or first.startswith("P"):
        lines.append(f"content-length: {len(body)}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("ascii") + body


@lru_cache(maxsize=256)
def _field(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise UnsendableHeader("A header's name may hold letters, digits and !#$%&'*+-.^_`|~ only.")
    if name.lower() in OWN_HEADERS:
        raise UnsendableHeader(f"The gateway writes the header {name.lower()!r} itself.")
    return f"{name}: "


def _checked(value: str) -> str:
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise UnsendableHeader("A header's value may hold visible ASCII characters, spaces and tabs only.")
    return value
