"""One request, decided by Authlib's authorization server: no I/O, no clock; what is to be written comes out as a value.

Authlib is synchronous, and asks for things while it decides. So everything that it could ask for was read beforehand
(`Asked`), each request has a server of its own, and its hooks write nothing: they note what the decision was.
"""

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from gateway_core.access.grants import ACCESS_PREFIX, REFRESH_PREFIX, new_token
from gateway_core.errors import OAuthError
from gateway_core.issuer.asked import Asked
from gateway_core.issuer.client import AUTH_METHODS, GRANT_TYPES, AuthMethod, Client
from gateway_core.issuer.rotation import access_life_s

UNUSED_URI: Final = "https://authorization-server.invalid/"
"""Authlib wants the URL of the request, to refuse plain http. Which URL a request came by is not told here; whether
http will do was for the operator to say, in PUBLIC_URL."""
INVALID_GRANT: Final = "This code or refresh token is not known, has expired, or was used or revoked. Sign in again."
WORDS: Final = {
    "invalid_client": "The client is unknown, or did not authenticate as it registered. Register it again.",
    "invalid_grant": INVALID_GRANT,
    "invalid_request": "The request lacks something that it needs, or holds something that nobody can use.",
    "invalid_scope": "The scope is more than what was granted.",
    "unauthorized_client": "This client may not use this grant type.",
    "unsupported_grant_type": "Use the grant type authorization_code or refresh_token.",
}
"""What clients print. Authlib's own words repeat parts of the request."""


class Tokens(dict[str, Any]):
    """A token response. Says nothing of itself to logs: Authlib writes it there at DEBUG."""

    def __repr__(self) -> str:
        return "<tokens>"


@dataclass(frozen=True, slots=True)
class Redeem:
    """Give the tokens, for a code that nobody has used."""

    resource: str
    """What the grant will be for."""
    answer: Tokens = field(repr=False)
    grant_id: str


@dataclass(frozen=True, slots=True)
class Rotate:
    """Give the tokens, for the current refresh token."""

    answer: Tokens = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerAgain:
    """Give the answer that was lost once more."""


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    """End a grant, and refuse the request or not."""

    place: str
    grant_id: str
    refusal: OAuthError | None


@dataclass(frozen=True, slots=True)
class RevokeAccess:
    """End one access token."""

    place: str
    digest: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Answer, and change nothing."""

    body: dict[str, Any]


Decided = Redeem | Rotate | AnswerAgain | RevokeGrant | RevokeAccess | Tell


class Party(ClientMixin):  # type: ignore[misc]  # Authlib ships no types
    """A client as Authlib asks about it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        """See authlib ClientMixin."""
        return self.client.id

    def get_allowed_scope(self, scope: str) -> str:
        """See authlib ClientMixin. What was granted is all there is to allow."""
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        """See authlib ClientMixin."""
        return self.client.proves(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """See authlib ClientMixin. The registered method, at every endpoint (RFC 9700, section 2.5)."""
        return method == self.client.auth_method

    def check_grant_type(self, grant_type: str) -> bool:
        """See authlib ClientMixin."""
        return grant_type in GRANT_TYPES


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib ships no types
    """A request whose parameters have been read."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__("POST", UNUSED_URI)
        self._values = values
        self.payload = BasicOAuth2Payload(values)

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self._values


class Deciding(AuthorizationServer):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's server, for one request.

    Args:
        asked: All there is to know about it.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        keep_authlib_quiet()
        self.asked = asked
        self.decided: Decided | None = None
        self.place = ""
        self.grant_id = ""
        self.grant_expires_at = 0
        generator = BearerTokenGenerator(self._new_access_token, self._new_refresh_token, self._life_s)
        self.register_token_generator("default", generator)
        for method in AUTH_METHODS:
            self.register_client_auth_method(method, self._authenticating_by(method))

    def query_client(self, client_id: str) -> Party | None:
        """See authlib AuthorizationServer."""
        client = self.asked.client
        return None if client is None or client.id != client_id else Party(client)

    def create_oauth2_request(self, request: Any) -> _Request:
        """See authlib AuthorizationServer."""
        return _Request(self.asked.form.values)

    def handle_response(self, status: int, body: dict[str, Any], headers: Any) -> dict[str, Any]:
        """See authlib AuthorizationServer.

        Raises:
            OAuthError: Authlib's answer is an error.
        """
        if status >= 400:
            error = str(body["error"])
            raise OAuthError(error, WORDS.get(error, INVALID_GRANT), status=401 if error == "invalid_client" else 400)
        return body

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """See authlib AuthorizationServer. Nobody listens."""

    def generate_token(self, *args: Any, **kwargs: Any) -> Tokens:
        """See authlib AuthorizationServer."""
        return Tokens(super().generate_token(*args, **kwargs))

    def issue_for(self, place: str, grant_id: str, *, expires_at: int) -> None:
        """Say which grant the tokens of this answer belong to, and when it ends."""
        self.place, self.grant_id, self.grant_expires_at = place, grant_id, expires_at

    def _new_access_token(self, **_: Any) -> str:
        return new_token(ACCESS_PREFIX, self.place, self.grant_id)

    def _new_refresh_token(self, **_: Any) -> str:
        return new_token(REFRESH_PREFIX, self.place, self.grant_id)

    def _life_s(self, client: Any, grant_type: str) -> int:
        return access_life_s(self.grant_expires_at, self.asked.now)

    def _authenticating_by(self, method: AuthMethod) -> Any:
        """Authlib's own functions read Basic leniently, and fail on some; these take what was read strictly."""

        def authenticate(query_client: Any, request: Any) -> Party | None:
            presented = self.asked.presented
            party = self.query_client(presented.client_id)
            if presented.method != method or party is None:
                return None
            return party if method == "none" or party.check_client_secret(presented.secret) else None

        return authenticate


def keep_authlib_quiet() -> None:
    """Authlib logs what it issues and to whom at DEBUG: above that it stays, whatever the operator's level."""
    logger = logging.getLogger("authlib")
    if logger.level < logging.INFO:
        logger.setLevel(logging.INFO)
