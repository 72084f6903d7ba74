"""The token, revocation and introspection endpoints: read what a decision needs, let it be made, write what it was.

Every decision is one conditional transaction. Where somebody else was faster, everything is read and decided again; so
of two who show the same code or token at once, one gets tokens and the other what the rules say of the second.
"""

import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, assert_never

from gateway_core.access import grants as records
from gateway_core.access.grants import ACCESS_PREFIX, ORGANISATION_PLACE, REFRESH_PREFIX, Grant, locate
from gateway_core.errors import Conflict, OAuthError, StoreUnavailable
from gateway_core.headers import Headers
from gateway_core.issuer import codes, grants, rotation
from gateway_core.issuer.asked import Asked, Shown, ShownCode, ShownToken
from gateway_core.issuer.client import Client
from gateway_core.issuer.clients import Clients
from gateway_core.issuer.codes import digest
from gateway_core.issuer.credentials import read_credentials
from gateway_core.issuer.deciding import (
    INVALID_GRANT,
    AnswerAgain,
    Decided,
    Redeem,
    RevokeAccess,
    RevokeGrant,
    Rotate,
    Tell,
)
from gateway_core.issuer.forms import Form, read_form
from gateway_core.issuer.resources import read_resource
from gateway_core.issuer.token_checks import decide_introspection, decide_revocation, shown_for_check
from gateway_core.issuer.token_grants import decide_token, shown_for_tokens
from gateway_core.ports import ABSENT, Clock, Delete, Item, Keyring, Put, Table, Unchanged
from gateway_core.registry import members, servers
from gateway_core.storage import keys

MAX_TRIES: Final = 10
"""Decisions of one request, where others keep changing what it is about. Two are the rule, three the most seen."""


class Endpoint(NamedTuple):
    """What is different about each of the three."""

    shows: Callable[[Form], Shown]
    decide: Callable[[Asked], Decided]
    find: Callable[[Clients, str], Awaitable[Client | None]]


TOKEN: Final = Endpoint(shown_for_tokens, decide_token, Clients.find_without_fetching)
REVOCATION: Final = Endpoint(shown_for_check, decide_revocation, Clients.find_allowed_or_not)
"""Who is not allowed any more may still give up what it has."""
INTROSPECTION: Final = Endpoint(shown_for_check, decide_introspection, Clients.find_without_fetching)

logger = logging.getLogger(__name__)


class _Again(Exception):
    """What was decided on has changed."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One for each request: it holds nothing but what `Issuer` holds."""

    public_url: str
    table: Table
    keyring: Keyring
    clock: Clock
    clients: Clients

    async def answer(self, headers: Headers, body: bytes, endpoint: Endpoint) -> dict[str, Any]:
        """What the client gets for a request to `endpoint`.

        Raises:
            OAuthError: It is refused.
            StoreUnavailable: Nothing could be decided or written.
        """
        form = read_form(headers, body)
        presented = read_credentials(headers, form)
        client = await endpoint.find(self.clients, presented.client_id)
        asked = Asked(form, presented, client, self.clock(), self.public_url)
        for _ in range(MAX_TRIES):
            whole = await self._read(replace(asked, now=self.clock()), endpoint.shows(form))
            try:
                return await self._carry_out(whole, endpoint.decide(whole))
            except _Again:
                continue
        raise StoreUnavailable("Too many requests for the same grant at once. Try again in a moment.")

    async def _read(self, asked: Asked, shown: Shown) -> Asked:
        code = await self._code(shown.code)
        token = await self._token(shown.token, asked.now)
        about = token.grant if token else code.approved if code else None
        member = None if about is None else await self.table.get(keys.member(about.member_id))
        return replace(
            asked,
            code=code,
            token=token,
            member_known=member is not None,
            member_reaches=member is not None and about is not None and _reaches(member, about.place),
            names_server=code is not None and await self._names_server(asked.form, code.approved.place),
        )

    async def _code(self, code: str | None) -> ShownCode | None:
        if code is None or not code.startswith(codes.PREFIX):
            return None
        item = await self.table.get(keys.authorization_code(digest(code)))
        return None if item is None else ShownCode(codes.from_data(item.data), item.version, digest(code))

    async def _token(self, token: str | None, now: int) -> ShownToken | None:
        located = None if token is None else locate(token)
        if token is None or located is None:
            return None
        hashed, refresh = digest(token), token.startswith(REFRESH_PREFIX)
        assert refresh or token.startswith(ACCESS_PREFIX)  # noqa: S101  # the only two forms that `locate` reads
        item, access = await self.table.get_many([keys.grant(*located), keys.access_token(located.place, hashed)])
        if item is None:
            return None
        grant = records.from_data(item.data)
        if refresh:
            standing = rotation.standing(grant, hashed, now)
            return ShownToken(grant, item.version, hashed, refresh, standing, rotation.ends_at(grant))
        if access is None:
            return None
        return ShownToken(grant, item.version, hashed, refresh, "current", access.expires_at or 0)

    async def _names_server(self, form: Form, place: str) -> bool:
        """Servers and workspaces share their names; only a server's may stand for a part of a workspace, and only of
        one that has it: whether there is such a server elsewhere, the client must not learn."""
        resource = read_resource(form.get("resource") or "", self.public_url)
        if resource is None or resource.kind != "name":
            return False
        item = await self.table.get(keys.name(resource.names[0]))
        if item is None or item.data["kind"] != "server":
            return False
        server = await self.table.get(keys.server(item.data["id"]))
        return server is not None and servers.from_data(server.data).in_workspace(place)

    async def _carry_out(self, asked: Asked, decided: Decided) -> dict[str, Any]:
        match decided:
            case Tell():
                return decided.body
            case Redeem():
                return await self._redeem(asked, decided)
            case Rotate():
                return await self._rotate(asked, decided)
            case AnswerAgain():
                return await self._answer_again(asked)
            case RevokeGrant():
                return await self._revoke(decided)
            case RevokeAccess():
                await self.table.delete(keys.access_token(decided.place, decided.digest))
                return {}
            case _:
                assert_never(decided)

    async def _redeem(self, asked: Asked, decided: Redeem) -> dict[str, Any]:
        code, answer, now = asked.code, decided.answer, asked.now
        if code is None:
            raise _Again
        approved = code.approved
        grant = Grant(
            id=decided.grant_id,
            place=approved.place,
            member_id=approved.member_id,
            client_id=approved.client_id,
            client_name=approved.client_name,
            client_kind=approved.client_kind,
            redirect_uri=approved.redirect_uri,
            resource=decided.resource,
            scope=approved.scope,
            created_at=now,
            expires_at=now + rotation.ABSOLUTE_S,
            refresh_hash=digest(answer["refresh_token"]),
            refreshed_at=now,
        )
        await grants.Grants(self.table, self.clock).make_room(grant.member_id)
        used = codes.to_data(replace(approved, grant_id=grant.id))
        spent = Put(keys.authorization_code(code.key), used, Unchanged(code.version), now + codes.KEPT_S)
        await self._write(spent, grants.put(grant, ABSENT), grants.pointer(grant), _access(grant, answer, now))
        _log("grant_made", grant)
        return dict(answer)

    async def _rotate(self, asked: Asked, decided: Rotate) -> dict[str, Any]:
        shown, answer, now = asked.token, decided.answer, asked.now
        if shown is None:
            raise _Again
        before = shown.grant
        plain = json.dumps(answer).encode()
        sealed = b64encode(await self.keyring.seal(plain, context=_context(before))).decode()
        after = rotation.rotated(before, digest(answer["refresh_token"]), sealed, now)
        await self._write(grants.put(after, Unchanged(shown.version)), _access(after, answer, now))
        return dict(answer)

    async def _answer_again(self, asked: Asked) -> dict[str, Any]:
        shown = asked.token
        previous = None if shown is None else shown.grant.previous
        if shown is None or previous is None:
            raise _Again
        plain = await self.keyring.open(b64decode(previous.answer), context=_context(shown.grant))
        if plain is None:
            raise OAuthError("invalid_grant", INVALID_GRANT)
        await self._write(grants.put(rotation.answered_again(shown.grant), Unchanged(shown.version)))
        answer: dict[str, Any] = json.loads(plain)
        # The tokens are the same and a little older.
        return {**answer, "expires_in": answer["expires_in"] - (asked.now - previous.rotated_at)}

    async def _revoke(self, decided: RevokeGrant) -> dict[str, Any]:
        await grants.Grants(self.table, self.clock).revoke(decided.place, decided.grant_id)
        if decided.refusal is not None:
            fields = {"grant": decided.grant_id, "place": decided.place}
            logger.warning("token_reuse_detected", extra={"fields": fields})
            raise decided.refusal
        return {}

    async def _write(self, *writes: Put | Delete) -> None:
        try:
            await self.table.transact(writes)
        except Conflict:
            raise _Again from None


def _reaches(member: Item, place: str) -> bool:
    """As every call at an endpoint of `place` asks; at the admin API each call has a question of its own."""
    return place == ORGANISATION_PLACE or members.from_data(member.data).reaches(place)


def _access(grant: Grant, answer: dict[str, Any], now: int) -> Put:
    return grants.access_token(grant, digest(answer["access_token"]), expires_at=now + answer["expires_in"])


def _context(grant: Grant) -> str:
    return f"refresh:{grant.id}"


def _log(event: str, grant: Grant) -> None:
    fields = {"grant": grant.id, "place": grant.place, "member": grant.member_id, "kind": grant.client_kind}
    logger.info(event, extra={"fields": fields})
