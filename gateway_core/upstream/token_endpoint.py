"""Asking an authorization server's token endpoint, once, over `egress`; what it refuses comes back as a value.

Never tries again, keeps nothing, and lets no word out that holds a secret.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from gateway_core.egress import Egress, NotReached
from gateway_core.errors import UpstreamError, UpstreamUnreachable
from gateway_core.parts import part
from gateway_core.ports import Clock
from gateway_core.registry.upstream_auth import TokenAuthMethod
from gateway_core.upstream.token_answers import (
    OtherRefusal,
    ServerError,
    TokenAnswer,
    TokenRefusal,
    Unreachable,
    read_answer,
)

CALL_S: Final = 8.0
"""Longest wait for an answer, from the first byte sent to the last one read."""
MAX_BYTES: Final = 64 * 1024
"""Largest answer; those with an ID token and many groups have 12 KB."""
ASSERTION_S: Final = 120
"""Life of a client assertion: the call, and clocks that differ."""
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN, JWT = "urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"
"""Kinds of tokens (RFC 8693, section 3)."""

HEADERS: Final = (
    ("accept", "application/json"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("user-agent", "gatehouse/0.1"),
)

Form = Mapping[str, str]
"""The parameters of one grant."""
Sign = Callable[[str, Mapping[str, Any]], str]
"""A JWT of these claims, signed with a private key in PEM. Raises ValueError where the key cannot be used."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, and how that is proved."""

    client_id: str
    method: TokenAuthMethod
    secret: str | None = field(default=None, repr=False)
    """The client secret, or for `private_key_jwt` the key in PEM."""
    audience: str = ""
    """The authorization server's issuer: whom assertions are for."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request to a token endpoint."""

    endpoint: str
    client: Client
    grant: Form = field(repr=False)
    resource: str | None = None
    """The server that the token is for (RFC 8707, section 2.2); None leaves it out."""


def code_grant(code: str, *, redirect_uri: str, verifier: str) -> Form:
    """An authorization code (RFC 6749, section 4.1.3) with its PKCE verifier (RFC 7636, section 4.5)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }


def refresh_grant(refresh_token: str) -> Form:
    """A refresh token (RFC 6749, section 6); without `scope` for all that was granted."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def client_grant(scopes: tuple[str, ...]) -> Form:
    """The client's own account (RFC 6749, section 4.4.2)."""
    return {"grant_type": "client_credentials", **_scope(scopes)}


def exchange_grant(token: str, kind: str, *, audience: str | None, scopes: tuple[str, ...]) -> Form:
    """Another token of `kind` (RFC 8693, section 2.1)."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": kind,
        "requested_token_type": ACCESS_TOKEN,
        **_scope(scopes),
    }
    return form if audience is None else {**form, "audience": audience}


def revocation(token: str, kind: str) -> Form:
    """A token to be taken back, as an `access_token` or `refresh_token` (RFC 7009, section 2.1)."""
    return {"token": token, "token_type_hint": kind}


def _scope(scopes: tuple[str, ...]) -> Form:
    return {"scope": " ".join(scopes)} if scopes else {}


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer, and the secrets that no words about it may hold."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    sent: frozenset[str] = field(repr=False)


@part
class TokenEndpoints:
    """Stateless. Shared by what connects accounts and what renews their tokens."""

    egress: Egress
    clock: Clock
    sign: Sign

    async def ask(self, request: TokenRequest) -> TokenAnswer:
        """What the token endpoint says to `request`. Never raises for anything that it, or the way to it, may do."""
        said = await self._sent(request)
        if isinstance(said, _Said):
            return read_answer(said.status, said.headers, said.body, sent=said.sent)
        return said

    async def revoke(self, request: TokenRequest) -> bool:
        """Whether the revocation endpoint took `request` (RFC 7009, section 2.2), which is made with `revocation`."""
        said = await self._sent(request)
        return isinstance(said, _Said) and said.status == 200

    async def _sent(self, request: TokenRequest) -> "_Said | TokenRefusal":
        """What comes back to `request`, unread."""
        try:
            headers, form = self._proved(request)
        except ValueError as error:
            return OtherRefusal("private_key", f"Its private key cannot be used: {error}.")
        body = urlencode({**request.grant, **({"resource": request.resource} if request.resource else {}), **form})
        deadline = asyncio.get_running_loop().time() + CALL_S
        try:
            async with await self.egress.send(
                "POST", request.endpoint, headers, body.encode(), deadline=deadline, max_bytes=MAX_BYTES
            ) as response:
                text = await response.read()
        except NotReached as error:
            why = f" ({error.cause})" if error.cause else ""
            return Unreachable(f"It cannot be reached{why}.")
        except UpstreamUnreachable as error:
            return Unreachable(error.message)
        except UpstreamError as error:
            return ServerError(error.message)
        return _Said(response.status, response.headers, text, _secrets(request, form))

    def _proved(self, request: TokenRequest) -> tuple[list[tuple[str, str]], Form]:
        """Headers of the request, and the parameters by which its client proves itself."""
        headers = [*HEADERS]
        client = request.client
        match client.method:
            case "none":
                return headers, {"client_id": client.client_id}
            case "client_secret_post":
                return headers, {"client_id": client.client_id, "client_secret": client.secret or ""}
            case "client_secret_basic":
                return [*headers, ("authorization", _basic(client))], {}
            case "private_key_jwt":
                assertion = self.sign(client.secret or "", self._claims(request))
                proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
                # Not demanded (RFC 7521, section 4.2), but some find the client by it.
                return headers, {"client_id": client.client_id, **proof}

    def _claims(self, request: TokenRequest) -> Mapping[str, Any]:
        """RFC 7523, section 3. The issuer and nobody else: a server that gets an assertion which others take, too,
        could use it there."""
        client, now = request.client, self.clock()
        return {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": client.audience or request.endpoint,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_S,
        }


def _basic(client: Client) -> str:
    # Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret or '')}".encode()
    return f"Basic {b64encode(pair).decode()}"


_NO_SECRET: Final = frozenset({"grant_type", "redirect_uri", "scope", "audience", "client_id", "client_assertion_type",
                               "subject_token_type", "requested_token_type"})  # fmt: skip
"""Parameters that may stand in an error."""


def _secrets(request: TokenRequest, form: Form) -> frozenset[str]:
    """What of a request must never be repeated."""
    told = {value for name, value in {**request.grant, **form}.items() if name not in _NO_SECRET}
    return frozenset(told | {request.client.secret or ""} - {""})
