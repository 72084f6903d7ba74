"""The URL that sends a browser to an authorization server (RFC 6749, section 4.1.1). Pure."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway_core.connect.discovery import OFFLINE

REPLACING: Final = frozenset({"request", "request_uri", "response_mode"})
"""Parameters that would stand in for ours (RFC 9101, section 4), or have the answer brought elsewhere."""


def challenge_of(verifier: str) -> str:
    """RFC 7636, section 4.2, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def with_parameters(endpoint: str, own: Mapping[str, str]) -> str:
    """`endpoint` with our parameters. A query that it has stays (RFC 6749, section 3.1), but for what we say ourselves:
    nobody may say it twice."""
    parts = urlsplit(endpoint)
    theirs = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in own and name not in REPLACING
    ]
    return urlunsplit(parts._replace(query=urlencode([*theirs, *own.items()]), fragment=""))


def prompting(scopes: tuple[str, ...], given: Mapping[str, str]) -> Mapping[str, str]:
    """`prompt=consent` where a refresh token is asked for: without it that scope does not count (OpenID Connect Core
    1.0, section 11). What an administrator entered wins."""
    return {"prompt": "consent"} if OFFLINE in scopes and "prompt" not in given else {}
