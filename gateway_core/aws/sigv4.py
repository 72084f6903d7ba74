"""AWS Signature Version 4 for requests without a query. Pure.

Source: IAM User Guide, "Create a signed AWS API request". Equal to botocore's `SigV4Auth` (`tests/unit/test_sigv4.py`).
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What requests are signed with."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


class Scope(NamedTuple):
    """Where a signature is good."""

    region: str
    service: str


class Request(NamedTuple):
    """What is signed. `url` has no query and its path is encoded; header names are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def signed_headers(request: Request, keys: AwsKeys, *, scope: Scope, now: int) -> dict[str, str]:
    """The headers of `request` with host, date, token and signature added. `now` is Unix time in seconds."""
    host, path = _address(request.url)
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    headers = {**request.headers, "host": host, "x-amz-date": timestamp}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    names = sorted(headers)
    # Each segment of the path is encoded once more than it is on the wire, by the rule for all services but S3.
    canonical = "\n".join((
        request.method,
        quote(path or "/", safe="/~"),
        "",
        *(f"{name}:{' '.join(headers[name].split())}" for name in names),
        "",
        ";".join(names),
        sha256(request.body).hexdigest(),
    ))  # fmt: skip
    place = f"{timestamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{place}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(keys.secret_access_key, timestamp[:8], scope), to_sign.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{place}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature.hex()}"
    )
    return headers


@lru_cache(maxsize=16)
def _signing_key(secret_access_key: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret_access_key}".encode()
    for part in (day, *scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=16)
def _address(url: str) -> tuple[str, str]:
    """Host as it stands in the Host header (no default port), and path."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.port not in (None, {"http": 80, "https": 443}.get(parts.scheme)):
        host = f"{host}:{parts.port}"
    return host, parts.path
