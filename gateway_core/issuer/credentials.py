"""How a client says who it is at the token endpoint (RFC 6749, section 2.3), read strictly. Pure."""

import re
from base64 import b64decode
from binascii import Error
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_plus

from gateway_core.errors import OAuthError
from gateway_core.headers import Headers
from gateway_core.issuer.client import AuthMethod
from gateway_core.issuer.forms import Form

CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="gatehouse"')
"""Stands on every 401 (RFC 6749, section 5.2; RFC 9110, section 15.5.2)."""
MAX_BASIC: Final = 8 * 1024
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ASSERTIONS: Final = ("client_assertion", "client_assertion_type")


@dataclass(frozen=True, slots=True)
class Presented:
    """Who somebody says to be, and what they show for it."""

    client_id: str
    method: AuthMethod
    secret: str = field(default="", repr=False)


def read_credentials(headers: Headers, form: Form) -> Presented:
    """The one set of client credentials in a request.

    Raises:
        OAuthError: invalid_client: none, unreadable, or of a kind that is not offered. invalid_request: more than one.
    """
    if "authorization" in headers.repeated:
        raise OAuthError("invalid_request", "Send the client's credentials once.")
    authorization = headers.get("authorization")
    if any(form.get(name) is not None for name in _ASSERTIONS):
        if authorization is not None:
            raise _twice()
        raise refused("Client assertions are not supported here: register the client with a secret, or without.")
    named, secret = form.get("client_id"), form.get("client_secret")
    if authorization is None:
        if named is None:
            raise refused("Say which client it is: client_id is missing.")
        return Presented(named, "none") if secret is None else Presented(named, "client_secret_post", secret)
    if secret is not None:
        raise _twice()
    presented = _basic(authorization)
    if named is not None and named != presented.client_id:
        raise OAuthError("invalid_request", "client_id is not the client that the Authorization header names.")
    return presented


def refused(words: str) -> OAuthError:
    """A client that did not prove who it is. 401 also where it may be 400: claude.ai then registers anew."""
    return OAuthError("invalid_client", words, status=401)


def _basic(authorization: str) -> Presented:
    """RFC 7617, and RFC 6749 section 2.3.1: both parts are form-encoded before they are joined."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic" or len(token) > MAX_BASIC:
        raise refused("Only HTTP Basic is understood in the Authorization header here.")
    try:
        plain = b64decode(token.strip(" ").encode("ascii"), validate=True).decode("utf-8")
        client_id, colon, secret = plain.partition(":")
        client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except (Error, UnicodeError):
        raise refused("The Authorization header is no HTTP Basic that can be read.") from None
    if not colon or not client_id or _CONTROL.search(client_id + secret):
        raise refused("The Authorization header is no HTTP Basic that can be read.")
    return Presented(client_id, "client_secret_basic", secret)


def _twice() -> OAuthError:
    return OAuthError("invalid_request", "The client authenticates in more than one way: use the one it registered.")
