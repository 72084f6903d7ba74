"""Revocation (RFC 7009) and introspection (RFC 7662), on Authlib. No I/O.

Who may introspect: clients with a secret only. One that registered itself sees its own tokens; one that an
administrator entered sees every token, since it is there to check them. To all others a token is `{"active": false}`.
"""

from typing import Any

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from gateway_core.errors import OAuthError
from gateway_core.issuer.asked import Asked, Shown, ShownToken
from gateway_core.issuer.client import AUTH_METHODS
from gateway_core.issuer.deciding import Decided, Deciding, Party, RevokeAccess, RevokeGrant, Tell
from gateway_core.issuer.forms import Form


def shown_for_check(form: Form) -> Shown:
    """What a revocation or an introspection is about."""
    return Shown(token=form.get("token"))


def decide_revocation(asked: Asked) -> Decided:
    """What a revocation gets. An unknown token is answered like one that was revoked (RFC 7009, section 2.2).

    Raises:
        OAuthError: The client is not who it says, or the token is another's; nothing changes.
    """
    server = Deciding(asked)
    server.register_endpoint(_Revocation)
    server.create_endpoint_response(_Revocation.ENDPOINT_NAME)
    return server.decided or Tell({})


def decide_introspection(asked: Asked) -> Decided:
    """What an introspection gets.

    Raises:
        OAuthError: The client did not prove with a secret who it is.
    """
    server = Deciding(asked)
    server.register_endpoint(_Introspection)
    return Tell(server.create_endpoint_response(_Introspection.ENDPOINT_NAME))


class _Token(TokenMixin):  # type: ignore[misc]  # Authlib ships no types
    """A token as Authlib asks about it."""

    def __init__(self, shown: ShownToken, *, now: int) -> None:
        self.shown = shown
        self.now = now

    def check_client(self, client: Party) -> bool:
        """See authlib TokenMixin."""
        return self.shown.grant.client_id == client.get_client_id()

    def is_expired(self) -> bool:
        """See authlib TokenMixin."""
        return self.now >= self.shown.expires_at

    def is_revoked(self) -> bool:
        """See authlib TokenMixin. A refresh token that was rotated away is good for nothing more."""
        return self.shown.standing != "current"


class _Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Access tokens end alone; a refresh token, of whatever age, ends its grant (RFC 7009, section 2.1)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS
    server: Deciding

    def check_params(self, request: Any, client: Party) -> None:
        """See authlib RevocationEndpoint."""
        _check_token(self.server.asked)

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        """See authlib RevocationEndpoint. The token says itself of what type it is; hints are ignored."""
        return _shown(self.server.asked)

    def revoke_token(self, token: _Token, request: Any) -> None:
        """See authlib RevocationEndpoint."""
        shown = token.shown
        if shown.refresh:
            self.server.decided = RevokeGrant(shown.grant.place, shown.grant.id, refusal=None)
        else:
            self.server.decided = RevokeAccess(shown.grant.place, shown.digest)


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Says of a token what a resource server needs, and no name or address of a person."""

    CLIENT_AUTH_METHODS = tuple(method for method in AUTH_METHODS if method != "none")
    server: Deciding

    def check_params(self, request: Any, client: Party) -> None:
        """See authlib IntrospectionEndpoint."""
        _check_token(self.server.asked)

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        """See authlib IntrospectionEndpoint. Who left the workspace may come back; until then no call is let in."""
        return _shown(self.server.asked) if self.server.asked.member_reaches else None

    def check_permission(self, token: _Token, client: Party, request: Any) -> bool:
        """See authlib IntrospectionEndpoint."""
        return client.client.kind == "registered" or token.check_client(client)

    def introspect_token(self, token: _Token) -> dict[str, Any]:
        """See authlib IntrospectionEndpoint."""
        shown, grant = token.shown, token.shown.grant
        kind = {} if shown.refresh else {"token_type": "Bearer"}
        return {
            "active": True,
            "scope": grant.scope,
            "client_id": grant.client_id,
            "sub": grant.member_id,
            "aud": grant.resource,
            "iss": self.server.asked.public_url,
            "exp": shown.expires_at,
            **kind,
        }


def _shown(asked: Asked) -> _Token | None:
    shown = asked.token
    return None if shown is None or shown.standing == "unknown" else _Token(shown, now=asked.now)


def _check_token(asked: Asked) -> None:
    if asked.form.get("token") is None:
        raise OAuthError("invalid_request", "token is missing.")
