"""A server that believes nobody whose token it has not verified."""

from dataclasses import dataclass

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway_core.connect.locations import origin_of
from tests.flows.actors import PUBLIC
from tests.flows.gateways import Gateway
from tests.flows.upstreams import Answer, Asked, Json


@dataclass
class Verifying:
    """A server that lets in who is vouched for by the gateway, and by nobody else. It knows the gateway's address and
    its own, and reads the key set over HTTP."""

    inner: Answer
    gw: Gateway | None = None
    url: str = ""
    header: str = "x-user-jwt"

    async def __call__(self, asked: Asked) -> None:
        try:
            await self.caller(asked)
        except (JoseError, ValueError, KeyError):
            await asked.respond.raw(b"", 401)
        else:
            await self.inner(asked)

    async def caller(self, asked: Asked) -> Json:
        """The claims of who calls, verified as a careful server does it (RFC 7519, section 7.2)."""
        assert self.gw is not None
        async with httpx2.AsyncClient(trust_env=False) as http:
            keys = KeySet.import_key_set((await http.get(f"{self.gw.url}/.well-known/jwks.json")).json())
        found = jwt.decode(asked.headers[self.header], keys, algorithms=["RS256"])
        rules = jwt.JWTClaimsRegistry(
            now=lambda: self.gw.clock[0] if self.gw else 0, leeway=0, exp={"essential": True}, nbf={"essential": True},
            iss={"essential": True, "value": PUBLIC}, aud={"essential": True, "value": origin_of(self.url)},
        )  # fmt: skip
        rules.validate(found.claims)
        return dict(found.claims)
