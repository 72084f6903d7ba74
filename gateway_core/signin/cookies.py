"""The one cookie: a random value that names this browser, before sign-in and after. Pure."""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

BYTES: Final = 32
"""256 bits: nobody finds one by trying."""
LIFE_S: Final = 7 * 86_400
"""As long as the longest session (`sessions.ABSOLUTE_S`)."""
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def cookie_name(public_url: str) -> str:
    """Its name. With `__Host-` browsers keep it from other hosts and from plain http, where they know https only.

    Over plain http the port is part of it: cookies know no ports, and two gateways may run on one machine.
    """
    if public_url.startswith("https://"):
        return "__Host-gatehouse"
    return f"gatehouse-{urlsplit(public_url).port or 80}"


def new_value() -> str:
    """A new value: 43 characters of base64url."""
    return secrets.token_urlsafe(BYTES)


def set_cookie(public_url: str, value: str) -> str:
    """The Set-Cookie header that gives a browser its value."""
    return f"{cookie_name(public_url)}={value}; Max-Age={LIFE_S}; {_attributes(public_url)}"


def clear_cookie(public_url: str) -> str:
    """The Set-Cookie header that takes the value away."""
    return f"{cookie_name(public_url)}=; Max-Age=0; {_attributes(public_url)}"


def read_cookie(public_url: str, header: str | None) -> str | None:
    """The value in a Cookie header, or None: there is none, it is none of ours, or there are two.

    Two of the same name mean that somebody else set one of them.
    """
    pairs = [pair.strip().partition("=") for pair in (header or "").split(";")]
    found = [value for name, _, value in pairs if name == cookie_name(public_url)]
    return found[0] if len(found) == 1 and is_value(found[0]) else None


def is_value(text: str | None) -> bool:
    """True for what `new_value` could have made."""
    return text is not None and _VALUE.fullmatch(text) is not None


def digest(value: str) -> str:
    """What the store knows a browser by: SHA-256. The value is 256 random bits, so nothing is salted or stretched."""
    return hashlib.sha256(value.encode()).hexdigest()


def csrf_token(value: str) -> str:
    """What the forms of a browser's pages carry. Only who has the cookie's value can make it, and only we see both."""
    made = hmac.new(value.encode(), b"gatehouse csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def csrf_holds(value: str | None, token: str | None) -> bool:
    """True when a form came from a page that this browser was given."""
    if value is None or token is None or not is_value(value):
        return False
    return hmac.compare_digest(csrf_token(value).encode(), token.encode("utf-8", "surrogatepass"))


def _attributes(public_url: str) -> str:
    secure = "Secure; " if public_url.startswith("https://") else ""
    return f"Path=/; {secure}HttpOnly; SameSite=Lax"
