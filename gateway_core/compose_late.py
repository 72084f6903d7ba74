"""Parts of the data plane's object graph that are loaded with the first call that needs them, which few see."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Final

from gateway_core.access.identify import CheckJwt, Person
from gateway_core.egress import Egress
from gateway_core.errors import UpstreamError
from gateway_core.ports import Clock, Secrets, Table
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.upstream.auth import HeldSecrets
from gateway_core.upstream.identity import Claims, Identities, OwnUrl, Sign
from gateway_core.vault import Vault

ISSUER_S: Final = 5.0
"""Longest wait for the keys of another issuer, or for what it says of a token."""
ISSUER_BYTES: Final = 256 * 1024
"""Largest answer of another issuer; key sets have 2 to 30 KB."""


def jwt_checks(egress: Egress, secrets: Secrets, clock: Clock) -> CheckJwt:
    """Judges tokens of other issuers."""

    async def ask(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + ISSUER_S
        try:
            async with await egress.send(
                method, url, headers, body, deadline=deadline, max_bytes=ISSUER_BYTES
            ) as response:
                return response.status, await response.read()
        except UpstreamError as error:
            raise ConnectionError(error.reason) from error

    @cache
    def loaded() -> CheckJwt:
        from gateway_core.access.jwt_checks import JwtChecks
        from gateway_core.access.jwt_key_sets import KeySets

        return JwtChecks(ask, HeldSecrets(secrets, clock).get, clock, KeySets(ask, clock))

    async def check(token: str, validation: JwtValidation, revision: str) -> Person | None:
        return await loaded()(token, validation, revision)

    return check


def identities(table: Table, sealing: Vault, clock: Clock, own_url: OwnUrl) -> Identities:
    """How upstreams are told who calls, in one process."""

    @cache
    def loaded() -> Sign:
        from gateway_core.upstream.identity_keys import IdentityKeys
        from gateway_core.upstream.identity_tokens import IdentityTokens

        return IdentityTokens(IdentityKeys(table, sealing, clock), own_url, clock)

    async def sign(claims: Claims, audience: str) -> str:
        return await loaded()(claims, audience)

    return Identities(sign)
