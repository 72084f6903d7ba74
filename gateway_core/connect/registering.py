"""Dynamic registration (RFC 7591): what is sent, what may come back, and what a refusal means in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard, cast

from gateway_core import json_text
from gateway_core.connect.asking import read_object
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.discovery import Found
from gateway_core.connect.quoting import shortened
from gateway_core.connect.steps import Heard, Trail
from gateway_core.registry.upstream_auth import TokenAuthMethod

METHODS: Final[tuple[TokenAuthMethod, ...]] = ("client_secret_basic", "client_secret_post", "none")
"""How a registered client can prove itself, best first: without its secret, a stolen refresh token is worth nothing."""
MAX_ID: Final = 1_024
MAX_SECRET: Final = 4_096
"""Characters. Some servers make ids and secrets of signed JSON."""
MAX_LIFE_S: Final = 10 * 365 * 86_400
"""Further ahead, the end of a secret is none."""
HEADERS: Final = (("accept", "application/json"), ("content-type", "application/json"))
REFUSALS: Final = {
    "invalid_redirect_uri": "it does not take the gateway's redirect URI",
    "invalid_client_metadata": "it does not take what the gateway says about itself",
    "invalid_software_statement": "it takes software that somebody vouches for alone",
    "unapproved_software_statement": "it takes software that it has approved alone",
}
"""RFC 7591, section 3.2.2."""
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")
"""RFC 6749, appendix A.1 and A.2."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The client that a server has made of us."""

    client_id: str
    auth_method: TokenAuthMethod
    secret: str | None = field(repr=False)
    secret_expires_at: int | None
    """Unix seconds; None: never."""


async def register(trail: Trail, found: Found, own: OwnClient, *, organisation: str, now: int) -> Registered | str:
    """Register the gateway at the authorization server that was found.

    Args:
        trail: Asks, and gets one step when it succeeds.
        found: Names the registration endpoint.
        own: Who we are.
        organisation: Whose gateway this is.
        now: Unix seconds.

    Returns:
        The client; or in words why there is none, to be told after "X does not register the gateway: ".
    """
    method = next((one for one in METHODS if one in found.auth_methods), None)
    if method is None:
        return f"it wants clients to prove themselves by {shortened(', '.join(found.auth_methods))}"
    # No `scope`: it would be all that this client may ever ask for (RFC 7591 section 2); a server may want more later.
    wanted = {**own.metadata(organisation), "token_endpoint_auth_method": method}
    heard = await trail.send("POST", found.registration_endpoint or "", HEADERS, json_text.write(wanted))
    made = read(heard, own.callback, asked=method, now=now)
    if isinstance(made, str):
        trail.note("client", "warning", f"{found.issuer} does not register the gateway: {made}.", heard.exchange)
    else:
        trail.note("client", "ok", f"{found.issuer} has registered the gateway.", heard.exchange)
    return made


def read(heard: Heard, callback: str, *, asked: TokenAuthMethod, now: int) -> Registered | str:
    """The client that an answer tells of, or in words why there is none."""
    if heard.answer is None:
        return f"it {heard.problem}"
    said = read_object(heard.answer.body)
    if heard.answer.status not in (200, 201):
        return _refusal(heard.answer.status, said)
    if isinstance(said, str):
        return f"it answers with something that is {said}"
    uris = said.get("redirect_uris")
    if isinstance(uris, list) and callback not in uris:
        return "it has registered another redirect URI than the gateway's"
    return _client_of(said, asked, now)


def _client_of(said: Mapping[str, Any], asked: TokenAuthMethod, now: int) -> Registered | str:
    client_id, secret = said.get("client_id"), said.get("client_secret")
    if not _visible(client_id, MAX_ID) or not (secret is None or _visible(secret, MAX_SECRET)):
        return "it gives no client id and secret that can be used"
    # Section 3.2.1: what it has registered counts, not what was asked for.
    method = said.get("token_endpoint_auth_method") or (asked if secret else "none")
    if method not in METHODS or (method != "none" and not secret):
        return "it wants the client to prove itself in a way that it gives nothing for"
    secret = None if method == "none" else secret
    expires = said.get("client_secret_expires_at") if secret else None
    # 0 says never. A day that has passed, or one that nobody of us will see, says nothing.
    sure = type(expires) is int and now < expires < now + MAX_LIFE_S
    return Registered(client_id, cast(TokenAuthMethod, method), secret, expires if sure else None)


def _refusal(status: int, said: Mapping[str, Any] | str) -> str:
    """Section 3.2.2, and what servers answer besides."""
    code = said.get("error") if isinstance(said, Mapping) else None
    description = said.get("error_description") if isinstance(said, Mapping) else None
    if isinstance(code, str) and code in REFUSALS:
        told = REFUSALS[code]
    elif status in (401, 403):
        told = f"it registers nobody who has no token of its own (HTTP {status})"
    elif status == 429:
        told = "it was asked too often; try again later"
    else:
        told = f"it answers HTTP {status}" + (f", {shortened(code)}" if isinstance(code, str) and code else "")
    return f"{told} ({shortened(description).rstrip('. ')})" if isinstance(description, str) and description else told


def _visible(value: object, most: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= most and _VISIBLE.fullmatch(value) is not None
