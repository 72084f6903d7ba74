"""Tokens of other issuers, judged: signature or introspection, then what they say. Fails closed on every doubt.

Until a token is proved to be the issuer's, whoever sends it gets the same words at every URL; why goes to the log. From
then on they hear what is missing.
"""

import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, assert_never
from urllib.parse import quote_plus, urlencode

from gateway_core.access.identify import Person
from gateway_core.access.jwt_claims import claims_problem, client_of
from gateway_core.access.jwt_form import read_jws, read_object
from gateway_core.access.jwt_key_sets import Ask, KeySets
from gateway_core.access.jwt_keys import verifies
from gateway_core.errors import Unauthenticated
from gateway_core.ports import Clock
from gateway_core.registry.jwt_validation import InlineKeys, Introspection, JwtValidation, KeySetUrl

MAX_AT_ONCE: Final = 50
"""Introspections under way in one process: anybody can cause one."""

ReadSecret = Callable[[str, str], Awaitable[str | None]]
"""The value of a secret, by its name and the revision of the registry."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Count:
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class JwtChecks:
    """One per process. See access.identify.CheckJwt."""

    ask: Ask
    secret: ReadSecret
    clock: Clock
    key_sets: KeySets
    _count: _Count = field(default_factory=_Count)

    async def __call__(self, token: str, validation: JwtValidation, revision: str) -> Person | None:
        """See access.identify.CheckJwt."""
        vouching = validation.vouching
        match vouching:
            case KeySetUrl() | InlineKeys():
                claims = await self._signed(token, validation, vouching)
            case Introspection():
                claims = await self._introspected(token, validation, vouching, revision)
            case _:
                assert_never(vouching)
        if isinstance(claims, str):
            logger.info("jwt_refused", extra={"fields": {"issuer": validation.issuer, "why": claims}})
            return None
        problem = claims_problem(claims, validation, self.clock())
        if problem is not None:
            raise Unauthenticated(problem.text, reason=problem.reason)
        return Person(claims[validation.subject_claim], client_of(claims))

    async def _signed(
        self, token: str, validation: JwtValidation, where: KeySetUrl | InlineKeys
    ) -> Mapping[str, Any] | str:
        """The claims of a token that one of the issuer's keys has signed, or why it cannot be believed."""
        jws = read_jws(token, validation.algorithms)
        if isinstance(jws, str):
            return jws
        key = await self.key_sets.find(where, alg=jws.alg, kid=jws.kid)
        if key is None:
            return "unknown_key"
        return jws.claims if verifies(key.key, jws.alg, jws.signed, jws.signature) else "wrong_signature"

    async def _introspected(
        self, token: str, validation: JwtValidation, at: Introspection, revision: str
    ) -> Mapping[str, Any] | str:
        """What the issuer says of a token (RFC 7662, section 2.2), or why it cannot be believed."""
        secret = await self.secret(at.secret, revision)
        if secret is None:
            return "introspection_secret_missing"
        if self._count.under_way >= MAX_AT_ONCE:
            return "introspection_busy"
        self._count.under_way += 1
        try:
            status, body = await self.ask("POST", at.endpoint, _as(at.client_id, secret), _form(token))
        except ConnectionError as error:
            logger.warning("introspection_unreachable", extra={"fields": {"url": at.endpoint, "why": str(error)}})
            return "introspection_unreachable"
        finally:
            self._count.under_way -= 1
        return _claims_of(status, body, validation)


def _as(client_id: str, secret: str) -> list[tuple[str, str]]:
    # Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return [
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", f"Basic {b64encode(pair).decode()}"),
    ]


def _form(token: str) -> bytes:
    return urlencode({"token": token, "token_type_hint": "access_token"}).encode()


def _claims_of(status: int, body: bytes, validation: JwtValidation) -> Mapping[str, Any] | str:
    told = read_object(body) if status == 200 else None
    if told is None:
        return "introspection_unusable"
    active: bool | Literal["missing"] = told.get("active", "missing")
    if active is not True:
        return "inactive"
    # Who was asked vouches for it; `iss` may be left out (RFC 7662, section 2.2), and counts where it is there.
    return {"iss": validation.issuer, **told}
