"""Values in HTTP headers: the Base64 sentinel of 2026-07-28 and what a header may hold at all. Pure."""

import base64
import binascii
import re
from typing import Final

_SENTINEL: Final = re.compile(r"=\?base64\?(.*)\?=")
_SAFE: Final = re.compile(r"[\x20-\x7e]*")
TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2: what a field name is made of."""


def encode(value: str) -> str:
    """A header value that gives back `value` on `decode` (2026-07-28 streamable-http, Value Encoding)."""
    if _SAFE.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode(value: str) -> str | None:
    """The value that was encoded, or None when the sentinel holds no canonical Base64 of UTF-8 text."""
    match = _SENTINEL.fullmatch(value)
    if match is None:
        return value if _SAFE.fullmatch(value) else None
    payload = match[1]
    try:
        plain = base64.b64decode(payload, validate=True)
        if base64.b64encode(plain).decode() != payload:
            return None
        return plain.decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def sendable(value: str) -> bool:
    """True for a value that may stand in a request header as it is: visible ASCII and inner spaces."""
    return bool(_SAFE.fullmatch(value)) and value == value.strip()


def quotable(text: str) -> str:
    """`text` as it may stand between quotes in a challenge (RFC 6750, section 3) or an `error_description` (RFC 6749,
    section 5.2): what may not becomes `?`."""
    plain = text.replace('"', "'").replace("\\", "/").replace("\N{HORIZONTAL ELLIPSIS}", "...")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in plain)
