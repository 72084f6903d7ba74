"""The two grant types at the token endpoint, on Authlib: authorization code with PKCE, and refresh token. No I/O."""

from typing import Any, Final

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from gateway_core.access.callers import no_longer_member
from gateway_core.access.grants import locate, new_grant_id
from gateway_core.errors import OAuthError
from gateway_core.headers import Headers
from gateway_core.issuer.asked import Asked, Shown, ShownCode, ShownToken
from gateway_core.issuer.client import AUTH_METHODS
from gateway_core.issuer.codes import Approved
from gateway_core.issuer.deciding import (
    INVALID_GRANT,
    WORDS,
    AnswerAgain,
    Decided,
    Deciding,
    Party,
    Redeem,
    RevokeGrant,
    Rotate,
)
from gateway_core.issuer.forms import Form, read_form
from gateway_core.issuer.resources import read_resource, within
from gateway_core.issuer.rotation import ABSOLUTE_S

USED_TWICE: Final = "This code or refresh token was used before, so all that it gave has been revoked. Sign in again."
NO_SUCH_TARGET: Final = "resource is not what was granted. Sign in again for it."
GRANT_TYPES: Final = ("authorization_code", "refresh_token")


def shown_for_tokens(form: Form) -> Shown:
    """What a request to the token endpoint is about."""
    if form.get("grant_type") == "authorization_code":
        return Shown(code=form.get("code"))
    return Shown(token=form.get("refresh_token"))


def refreshed_grant(headers: Headers, body: bytes) -> str | None:
    """Id of the grant whose refresh token a request shows, as far as the token says it itself; None where it shows
    none, or cannot be read."""
    try:
        form = read_form(headers, body)
    except OAuthError:
        return None
    located = locate(form.get("refresh_token") or "")
    return None if located is None else located.grant_id


def decide_token(asked: Asked) -> Decided:
    """What a request to the token endpoint gets.

    Raises:
        OAuthError: It is refused, and changes nothing.
    """
    grant_type = asked.form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if grant_type not in GRANT_TYPES:
        raise OAuthError("unsupported_grant_type", WORDS["unsupported_grant_type"])
    server = Deciding(asked)
    server.register_grant(_CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(_RefreshGrant)
    server.create_token_response()
    assert server.decided is not None  # noqa: S101  # both grants decide, or Authlib has refused
    return server.decided


class _Code(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib ships no types
    """A code as Authlib asks about it."""

    code_challenge_method = "S256"

    def __init__(self, shown: ShownCode) -> None:
        self.shown = shown
        self.code_challenge = shown.approved.challenge

    def get_redirect_uri(self) -> str | None:
        """See authlib AuthorizationCodeMixin. None where the request may leave it out (RFC 6749, section 4.1.3)."""
        approved = self.shown.approved
        return approved.redirect_uri if approved.redirect_uri_named else None

    def get_scope(self) -> str:
        """See authlib AuthorizationCodeMixin."""
        return self.shown.approved.scope


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib ships no types
    """Everything is checked before a code counts as used: an attempt that fails neither uses nor revokes it."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Deciding

    def query_authorization_code(self, code: str, client: Party) -> _Code | None:
        """See authlib AuthorizationCodeGrant."""
        shown, asked = self.server.asked.code, self.server.asked
        if shown is None or shown.approved.client_id != client.get_client_id():
            return None
        fresh = shown.approved.grant_id is not None or asked.now < shown.approved.expires_at
        return _Code(shown) if fresh else None

    def authenticate_user(self, authorization_code: _Code) -> bool:
        """See authlib AuthorizationCodeGrant. All else has been checked; the last chance to say no."""
        asked, approved = self.server.asked, authorization_code.shown.approved
        redirect_uri = asked.form.get("redirect_uri")
        if redirect_uri not in (None, approved.redirect_uri):
            raise OAuthError("invalid_grant", INVALID_GRANT)
        resource_of_code(asked, approved)
        return asked.member_known

    def create_token_response(self) -> Any:
        """See authlib AuthorizationCodeGrant."""
        server, shown = self.server, self.request.authorization_code.shown
        approved: Approved = shown.approved
        if approved.grant_id is not None:
            # RFC 6749, section 4.1.2: all that the first redemption gave is revoked.
            self.authenticate_user(self.request.authorization_code)
            refusal = OAuthError("invalid_grant", USED_TWICE)
            server.decided = RevokeGrant(approved.place, approved.grant_id, refusal)
            return 200, {}, []
        server.issue_for(approved.place, new_grant_id(), expires_at=server.asked.now + ABSOLUTE_S)
        return super().create_token_response()

    def save_token(self, token: Any) -> None:
        """See authlib BaseGrant."""
        asked, approved = self.server.asked, self.request.authorization_code.shown.approved
        self.server.decided = Redeem(resource_of_code(asked, approved), token, self.server.grant_id)

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """See authlib AuthorizationCodeGrant. It is marked as used in the transaction that makes the grant."""


class _Refresh(TokenMixin):  # type: ignore[misc]  # Authlib ships no types
    """A refresh token as Authlib asks about it."""

    def __init__(self, shown: ShownToken) -> None:
        self.shown = shown

    def check_client(self, client: Party) -> bool:
        """See authlib TokenMixin."""
        return self.shown.grant.client_id == client.get_client_id()

    def get_scope(self) -> str:
        """See authlib TokenMixin."""
        return self.shown.grant.scope


class _RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]  # Authlib ships no types
    """Rotation with one answer again (`rotation`)."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Deciding

    def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
        """See authlib RefreshTokenGrant."""
        shown = self.server.asked.token
        known = shown is not None and shown.refresh and shown.standing != "unknown"
        return _Refresh(shown) if shown is not None and known else None

    def validate_token_request(self) -> None:
        """See authlib RefreshTokenGrant. Member and resource are checked before anything rotates."""
        super().validate_token_request()
        asked, grant = self.server.asked, self.request.refresh_token.shown.grant
        if not asked.member_known:
            # Whose token it is has been shown by now, so that they may hear why.
            raise OAuthError("invalid_grant", no_longer_member(grant.removed), reason="removed_member")
        _check_within(asked, grant.resource)

    def create_token_response(self) -> Any:
        """See authlib RefreshTokenGrant."""
        server, shown = self.server, self.request.refresh_token.shown
        match shown.standing:
            case "current":
                server.issue_for(shown.grant.place, shown.grant.id, expires_at=shown.grant.expires_at)
                return super().create_token_response()
            case "lost_answer":
                server.decided = AnswerAgain()
            case "stolen":
                refusal = OAuthError("invalid_grant", USED_TWICE)
                server.decided = RevokeGrant(shown.grant.place, shown.grant.id, refusal)
            case _:
                raise OAuthError("invalid_grant", INVALID_GRANT)
        return 200, {}, []

    def authenticate_user(self, refresh_token: _Refresh) -> bool:
        """See authlib RefreshTokenGrant. That the member is there was asked before."""
        return True

    def issue_token(self, user: Any, refresh_token: _Refresh) -> Any:
        """See authlib RefreshTokenGrant. Of the grant's own scope: what the request names lies within it, and may name
        a word twice."""
        return self.generate_token(user=user, scope=refresh_token.get_scope(), include_refresh_token=True)

    def save_token(self, token: Any) -> None:
        """See authlib BaseGrant."""
        self.server.decided = Rotate(token)

    def revoke_old_credential(self, refresh_token: _Refresh) -> None:
        """See authlib RefreshTokenGrant. It is rotated away in the transaction that writes the new one."""


def resource_of_code(asked: Asked, approved: Approved) -> str:
    """What a redemption is for (RFC 8707, section 2.2).

    Where a person gave a workspace, the client may now say which part of it it wants, and gets just that: an endpoint
    of the workspace or, where its authorization request named no resource, a server under its short URL. Codex does.

    Raises:
        OAuthError: invalid_target. It names something else.
    """
    return _check_within(asked, approved.resource, short_url=not approved.resource_named and asked.names_server)


def _check_within(asked: Asked, granted: str, *, short_url: bool = False) -> str:
    named = asked.form.get("resource")
    if named is None:
        return granted
    resource = None if "resource" in asked.form.repeated else read_resource(named, asked.public_url)
    if resource is None or not (within(resource, granted, asked.public_url) or (short_url and resource.kind == "name")):
        raise OAuthError("invalid_target", NO_SUCH_TARGET)
    return resource.url
