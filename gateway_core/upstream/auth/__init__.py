"""How we prove ourselves to an upstream, one generator per way.

A generator yields the headers of a request, is sent what came back, and after a 401 may yield once more: that is all
there is to "401, get a fresh credential, try once again". Whatever else ends it, ends the request before it is sent.
"""

from dataclasses import dataclass
from typing import assert_never

from gateway_core.registry.upstream_auth import ClientCredentials, NoAuth, OAuth, StaticHeaders, TokenExchange
from gateway_core.upstream.auth.accounts import Accounts
from gateway_core.upstream.auth.asked import Answered, Asked, AuthFlow, Fields
from gateway_core.upstream.auth.held_secrets import HeldSecrets
from gateway_core.upstream.auth.static_headers import no_headers, static_headers
from gateway_core.upstream.auth.token_exchange import Exchanges

__all__ = ["Accounts", "Answered", "Asked", "AuthFlow", "Exchanges", "Fields", "HeldSecrets", "Ways"]


@dataclass(frozen=True, slots=True)
class Ways:
    """Everything that it takes to prove ourselves. One per process."""

    secrets: HeldSecrets
    accounts: Accounts
    exchanges: Exchanges

    def flow(self, asked: Asked) -> AuthFlow:
        """The way that the server of a request wants."""
        auth = asked.server.auth
        match auth:
            case NoAuth():
                return no_headers()
            case StaticHeaders():
                return static_headers(asked, auth, self.secrets)
            case OAuth() | ClientCredentials():
                return self.accounts.flow(asked, auth)
            case TokenExchange():
                return self.exchanges.flow(asked, auth)
        assert_never(auth)
