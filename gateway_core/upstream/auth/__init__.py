"""How we prove ourselves to an upstream, one generator per way.

A generator yields the headers of a request, is sent what came back, and after a 401 may yield once more: that is all
there is to "401, get a fresh credential, try once again". Whatever else ends it, ends the request before it is sent.
"""

from collections.abc import Callable
from typing import assert_never

from gateway_core.parts import part
from gateway_core.registry.upstream_auth import ClientCredentials, NoAuth, OAuth, StaticHeaders, TokenExchange
from gateway_core.upstream.auth.asked import Answered, Asked, AuthFlow, Fields
from gateway_core.upstream.auth.held_secrets import HeldSecrets
from gateway_core.upstream.auth.static_headers import no_headers, static_headers

__all__ = ["Answered", "Asked", "AuthFlow", "Fields", "HeldSecrets", "TokenAuth", "Ways", "WithToken"]

TokenAuth = OAuth | ClientCredentials | TokenExchange
WithToken = Callable[[Asked, TokenAuth], AuthFlow]
"""A request that goes out with a token of the server's authorization server."""


@part
class Ways:
    """Everything that it takes to prove ourselves. One per process."""

    secrets: HeldSecrets
    with_token: WithToken

    def flow(self, asked: Asked) -> AuthFlow:
        """The way that the server of a request wants."""
        auth = asked.server.auth
        match auth:
            case NoAuth():
                return no_headers()
            case StaticHeaders():
                return static_headers(asked, auth, self.secrets)
            case OAuth() | ClientCredentials() | TokenExchange():
                return self.with_token(asked, auth)
        assert_never(auth)
