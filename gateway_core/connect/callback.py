"""What a browser brings back from an authorization server: believed or not, and turned into a connection.

The order is what keeps one person's account out of another's hands: whose browser, which authorization server (RFC
9207), what it says, and only then the code goes to the token endpoint.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gateway_core.connect.account_names import account_name
from gateway_core.connect.attempts import Attempt, Attempts
from gateway_core.connect.issuer_changes import left_issuer
from gateway_core.connect.quoting import quoted
from gateway_core.connect.registration import Registrations
from gateway_core.errors import ConnectFailed
from gateway_core.ports import Clock
from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth
from gateway_core.upstream.auth.held_secrets import HeldSecrets, secret_missing
from gateway_core.upstream.connections import Connection, Connections, Tokens
from gateway_core.upstream.token_answers import (
    Granted,
    InvalidClient,
    InvalidGrant,
    OtherRefusal,
    TokenRefusal,
    public_words,
)
from gateway_core.upstream.token_endpoint import Client, TokenEndpoints, TokenRequest, code_grant

MAX_ANSWER: Final = 16_384
"""Characters of the query that comes back."""
MAX_CODE: Final = 8_192
"""Characters of a code. Those of Microsoft have about 1 500."""
AGAIN: Final = "Start again from your app, or from My access."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Callback:
    """The end of an authorization."""

    attempts: Attempts
    connections: Connections
    endpoints: TokenEndpoints
    secrets: HeldSecrets
    registrations: Registrations
    clock: Clock

    async def taken(self, query: str, *, browser: str, member: Member) -> "Returned":
        """Which authorization has ended, once.

        Args:
            query: Of the callback, as it came.
            browser: SHA-256 of the browser's cookie.
            member: Who is signed in there.

        Raises:
            ConnectFailed: It cannot be read, or is none that this member has begun in this browser.
        """
        answer = _read(query)
        attempt = await self.attempts.take(browser, answer.get("state", ""))
        if attempt is None or attempt.member_id != member.id:
            raise _failed(
                "attempt_unknown",
                "This was begun in another browser or before you signed in, more than ten minutes ago, or is finished "
                f"already. Nothing was connected by this. {AGAIN}",
            )
        return Returned(attempt, answer)

    async def elsewhere(self, query: str) -> None:
        """An answer has come to a browser in which nobody is signed in. See `Attempts.spoil`.

        Raises:
            ConnectFailed: It cannot be read.
        """
        await self.attempts.spoil(_read(query).get("state", ""))

    async def finish(self, returned: "Returned", server: Server, auth: OAuth, member: Member) -> Connection:
        """The account, connected in place of the one before.

        Args:
            returned: What the browser brought.
            server: For which the account is, as it is registered now.
            auth: The server's.
            member: Who connects it.

        Raises:
            ConnectFailed: It is not: the authorization server, or the person there, did not want it, or what came back
                cannot be believed.
            Refused: The secret of the client is not set.
            StoreUnavailable: It could not be kept. The account of before is what it was.
        """
        attempt, answer = returned.attempt, returned.answer
        _check_issuer(attempt, answer, server)
        if "error" in answer:
            raise _denied(answer, server, attempt)
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE:
            raise _failed("no_code", f"The answer for {server.name} holds no code, so nothing was connected. {AGAIN}")
        # Before the code is spent: with tokens in hand nothing may fail any more but keeping them.
        before = await self.connections.get(server.id, attempt.holder)
        asked_at = self.clock()
        granted = await self.endpoints.ask(await self._request(attempt, code, server, auth))
        if not isinstance(granted, Granted):
            await self._forget(attempt, granted, server)
            raise _not_granted(granted, server)
        made = _connection(attempt, granted, before, by=member.email, at=asked_at)
        # The tokens of before are not taken back at the authorization server: whoever is signed in there gets the same
        # grant again, and some end all of it with one of its tokens.
        await self.connections.add(made, Tokens(granted.access_token, granted.refresh_token, attempt.client_secret))
        left_issuer(before, made.issuer, server, by=member.id, connected=True)
        fields = {"server": server.id, "holder": attempt.holder.id, "actor": member.id}
        logger.info("account_connected", extra={"fields": fields})
        return made

    async def _request(self, attempt: Attempt, code: str, server: Server, auth: OAuth) -> TokenRequest:
        secret, name = attempt.client_secret, auth.client_secret
        if secret is None and name is not None and attempt.auth_method != "none":
            secret = await self.secrets.read(name, "")
            if secret is None:
                raise secret_missing(server.name, name)
        client = Client(attempt.client_id, attempt.auth_method, secret, attempt.issuer)
        grant = code_grant(code, redirect_uri=self.registrations.own.callback, verifier=attempt.verifier)
        return TokenRequest(attempt.token_endpoint, client, grant, attempt.resource)

    async def _forget(self, attempt: Attempt, refusal: TokenRefusal, server: Server) -> None:
        """Register anew the next time, where the authorization server no longer knows what it has registered."""
        if attempt.registered and isinstance(refusal, InvalidClient):
            await self.registrations.forget(server, attempt.issuer, attempt.client_id)


@dataclass(frozen=True, slots=True)
class Returned:
    """An authorization that this browser has begun, and what it was answered."""

    attempt: Attempt
    answer: Mapping[str, str]


def _read(query: str) -> Mapping[str, str]:
    """The parameters of the callback; none may come twice (RFC 6749, section 3.1)."""
    try:
        pairs = parse_qsl(query[:MAX_ANSWER], keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        pairs = []
    answer = dict(pairs)
    if not pairs or len(query) > MAX_ANSWER or len(answer) < len(pairs):
        raise _failed("unreadable_answer", f"What came back cannot be read, so nothing was connected. {AGAIN}")
    return answer


def _check_issuer(attempt: Attempt, answer: Mapping[str, str], server: Server) -> None:
    """2026-07-28 authorization, Authorization Response Validation. Nothing else of the answer counts before, its error
    included; compared letter by letter."""
    iss = answer.get("iss")
    demanded = attempt.issuer_demanded and iss is None
    other = attempt.issuer_known and iss is not None and iss != attempt.issuer
    if demanded or other:
        who = "does not say who gave it" if demanded else "is somebody else's"
        raise _failed(
            "issuer_mismatch",
            f"The answer for {server.name} {who}, and must be from {quoted(attempt.issuer)}. Nothing was connected. "
            "Tell whoever runs this gateway: it may be an attempt to get at your account.",
        )


def _denied(answer: Mapping[str, str], server: Server, attempt: Attempt) -> ConnectFailed:
    """What an error means (RFC 6749, section 4.1.2.1)."""
    who = urlsplit(attempt.issuer).hostname or "the authorization server"
    code = public_words(answer["error"], frozenset()).rstrip(".")
    if code == "access_denied":
        told = f"You did not allow this gateway to use your account at {server.name}, so nothing was connected."
        return _failed("access_denied", f"{told} {AGAIN}")
    said = public_words(answer.get("error_description"), frozenset())
    told = f"{who} gave no access to {server.name}. It says {code or 'nothing more'}{f': {said}' if said else '.'}"
    return _failed("authorization_refused", f"{told} Nothing was connected. {AGAIN}")


def _not_granted(refusal: TokenRefusal, server: Server) -> ConnectFailed:
    match refusal:
        case InvalidGrant():
            mends = AGAIN
        case InvalidClient() | OtherRefusal():
            mends = f"Whoever administers {server.name} here should check its `auth` settings."
        case _:
            mends = f"Try again in a minute. {AGAIN}"
    told = f"The authorization server of {server.name} gave no access. {refusal.told}"
    return _failed("no_token", f"{told} Nothing was connected. {mends}")


def _failed(reason: str, message: str) -> ConnectFailed:
    logger.warning("account_not_connected", extra={"fields": {"reason": reason}})
    return ConnectFailed(message, reason=reason)


def _connection(attempt: Attempt, granted: Granted, before: Connection | None, *, by: str, at: int) -> Connection:
    return Connection(
        server_id=attempt.server_id,
        holder=attempt.holder,
        issuer=attempt.issuer,
        origin=attempt.origin,
        client_id=attempt.client_id,
        auth_method=attempt.auth_method,
        token_endpoint=attempt.token_endpoint,
        revocation_endpoint=attempt.revocation_endpoint,
        resource=attempt.resource,
        scopes=attempt.asked if granted.scopes is None else granted.scopes,
        asked=attempt.asked,
        account=account_name(granted.told, issuer=attempt.issuer, client_id=attempt.client_id),
        connected_at=at,
        connected_by=by,
        refreshed_at=at,
        expires_at=None if granted.expires_in is None else at + granted.expires_in,
        renewable=granted.refresh_token is not None,
        # Where the server has wanted more, this is the answer to that, and whether it is enough is not known yet.
        step_ups=before.step_ups if before is not None and before.wanted else 0,
    )
