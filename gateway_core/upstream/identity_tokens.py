"""Tokens that say who calls, signed by the gateway: for one audience, for five minutes (RFC 7519).

Anybody can verify one with the key set at `/.well-known/jwks.json`. It opens nothing at the gateway itself.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Final

from gateway_core.errors import Refused
from gateway_core.ports import Clock
from gateway_core.upstream import rs256
from gateway_core.upstream.identity import Claims, OwnUrl
from gateway_core.upstream.identity_keys import IdentityKeys

LIFE_S: Final = 300
EARLY_S: Final = 5
"""So long before its making a token says that it was made: clocks differ, and many servers take none of the future."""
LEFT_S: Final = 60
"""A token is sent again while it lives longer than this: a call that begins with it may begin late."""
MAX_HELD: Final = 2_000
"""Tokens in memory, 2 KB each with their names. The one that was not used for the longest time goes first."""


@dataclass(frozen=True, slots=True)
class IdentityTokens:
    """One per process. See upstream.identity.Sign."""

    keys: IdentityKeys
    own_url: OwnUrl
    clock: Clock
    _held: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict, repr=False)
    """By audience and claims, in the order of their last use."""

    async def __call__(self, claims: Claims, audience: str) -> str:
        """A token of `claims`, the same one as before while it lives for a while longer.

        Raises:
            Refused: The gateway has no name to sign with.
            StoreUnavailable: Its key cannot be had now.
        """
        name, now = (audience, json.dumps(claims, sort_keys=True)), self.clock()
        token, until = self._held.pop(name, ("", 0))
        if now >= until - LEFT_S:
            until = now - EARLY_S + LIFE_S
            token = await self._signed(claims, audience, until)
        if len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[name] = token, until
        return token

    async def _signed(self, claims: Claims, audience: str, until: int) -> str:
        issuer = await self.own_url()
        if not issuer:
            told = "This server is told who calls by a token that names this gateway, which does not know its own "
            raise Refused(f"{told}address. Ask its operator to set PUBLIC_URL.", reason="no_public_url")
        signer, made_at = await self.keys.signer(), until - LIFE_S
        about = {
            "iss": issuer,
            "aud": audience,
            "iat": made_at,
            "nbf": made_at,
            "exp": until,
            "jti": secrets.token_urlsafe(16),
        }
        return rs256.jwt(signer.key, signer.kid, {**claims, **about})
