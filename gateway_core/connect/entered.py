"""What an administrator entered by hand about a log-in. It wins over whatever is discovered. Pure."""

from dataclasses import dataclass, fields
from typing import assert_never

from gateway_core.connect.locations import refusal_of
from gateway_core.registry.upstream_auth import (
    ClientCredentials,
    NoAuth,
    OAuth,
    StaticHeaders,
    TokenExchange,
    UpstreamAuth,
)


@dataclass(frozen=True, slots=True)
class Entered:
    """None: to be discovered."""

    browser: bool
    """True where a person logs in with a browser: that takes an authorization endpoint and PKCE."""
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    revocation_endpoint: str | None = None
    scopes: tuple[str, ...] | None = None

    @property
    def complete(self) -> bool:
        """True where no metadata of an authorization server is needed."""
        return self.token_endpoint is not None and (self.authorization_endpoint is not None or not self.browser)

    @property
    def endpoints(self) -> str:
        """Names of the endpoints that are needed, for a sentence that says what to enter."""
        return "`authorization_endpoint` and `token_endpoint`" if self.browser else "`token_endpoint`"

    @property
    def plain_http(self) -> bool:
        """True where the issuer that was entered is on this machine, without TLS."""
        return self.issuer is not None and self.issuer.startswith("http://")

    def refusal(self) -> str | None:
        """Which URL cannot be used, and why; None when all can."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and (why := refusal_of(value, plain_http=True)):
                return f"`{field.name}` {why}"
        return None


def entered(auth: UpstreamAuth) -> Entered:
    """What `auth` says. A server that needs no log-in is looked at as one that a person would log in to."""
    match auth:
        case NoAuth() | StaticHeaders():
            return Entered(browser=True)
        case OAuth():
            return Entered(
                browser=True,
                issuer=auth.issuer,
                authorization_endpoint=auth.authorization_endpoint,
                token_endpoint=auth.token_endpoint,
                revocation_endpoint=auth.revocation_endpoint,
                scopes=auth.scopes,
            )
        case ClientCredentials() | TokenExchange():
            return Entered(
                browser=False, issuer=auth.issuer, token_endpoint=auth.token_endpoint, scopes=auth.scopes
            )  # fmt: skip
    assert_never(auth)
