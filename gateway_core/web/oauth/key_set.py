"""The keys with which servers verify who calls (RFC 7517): for everybody to read, and to keep for a while."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.upstream.identity_keys import IdentityKeys
from gateway_core.web.oauth.problems import ANY_PAGE, json_answer

PATH: Final = "/.well-known/jwks.json"
KEPT_S: Final = 900
"""How long a key set may be kept: a small part of the time that a key is published before it signs."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The one page."""

    keys: IdentityKeys

    async def show(self, _: Request) -> Response:
        """The set. Where there is no key yet, one is made: whoever sets up a server finds what it will verify with."""
        fields = {**ANY_PAGE, "Cache-Control": f"public, max-age={KEPT_S}"}
        return json_answer({"keys": await self.keys.public()}, 200, fields)
