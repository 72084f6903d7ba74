"""The authorization server as the web calls it: everything in, everything out, no page and no cookie."""

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from gateway_core import json_text
from gateway_core.access.grants import ORGANISATION_PLACE
from gateway_core.errors import BadRequest, OAuthError
from gateway_core.headers import Headers
from gateway_core.issuer import client_metadata, codes, metadata, registration
from gateway_core.issuer.authorization import AuthorizationRequest, read_request
from gateway_core.issuer.client_metadata import Unacceptable
from gateway_core.issuer.clients import WHOM_TO_ASK, Clients, log_not_allowed
from gateway_core.issuer.codes import Approved
from gateway_core.issuer.credentials import CHALLENGE
from gateway_core.issuer.redirects import with_parameters
from gateway_core.issuer.resources import read_resource
from gateway_core.issuer.tokens import INTROSPECTION, REVOCATION, TOKEN, Tokens
from gateway_core.ports import ABSENT, Clock, Keyring, Table
from gateway_core.protocol.header_values import quotable
from gateway_core.storage import keys

NO_STORE: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"))
"""RFC 6749, section 5.1."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint for programs answers: JSON, with every header it needs."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = NO_STORE


@dataclass(frozen=True, slots=True)
class Issuer:
    """One per process. What is no fault of the request (`StoreUnavailable`, `StoreFull`) is raised by every method."""

    public_url: str
    """The issuer: an origin, without a path."""
    table: Table
    keyring: Keyring
    clock: Clock
    clients: Clients

    async def read(self, query: str) -> AuthorizationRequest:
        """The authorization request in the query string of `/authorize`.

        Raises:
            OAuthError: Must be shown on a page, never redirected.
        """
        return await read_request(query, self.public_url, self.clients.find)

    async def approve(self, request: AuthorizationRequest, *, member_id: str, place: str, resource: str) -> str:
        """Give a code for what `member_id` has approved, and the URL to redirect to with it.

        Args:
            request: As read; without a refusal.
            member_id: Who is signed in and approved.
            place: Id of the workspace, or `org` for the admin API.
            resource: What the tokens will be for: what the request named, or the URL of the workspace chosen.

        Raises:
            OAuthError: The request was to be refused, or names another resource than `resource`.
        """
        if request.refusal is not None:
            raise request.refusal
        chosen = read_resource(resource, self.public_url)
        if chosen is None or (request.resource is not None and chosen != request.resource):
            raise OAuthError("invalid_target", "What was approved is not what was asked for.")
        if (chosen.kind == "admin") != (place == ORGANISATION_PLACE):
            raise OAuthError("invalid_target", "What was approved does not belong to that place.")
        code, now = codes.new_code(), self.clock()
        approved = Approved(
            client_id=request.client.id,
            client_name=request.client.name,
            client_kind=request.client.kind,
            redirect_uri=request.redirect_uri,
            redirect_uri_named=request.redirect_uri_named,
            challenge=request.challenge,
            scope=request.scope,
            resource=chosen.url,
            resource_named=request.resource is not None,
            member_id=member_id,
            place=place,
            expires_at=now + codes.LIFE_S,
        )
        key = keys.authorization_code(codes.digest(code))
        await self.table.put(key, codes.to_data(approved), when=ABSENT, expires_at=approved.expires_at)
        return self._redirect(request, [("code", code)])

    def refuse(self, request: AuthorizationRequest, error: OAuthError) -> str:
        """The URL to redirect to with an error (RFC 6749, section 4.1.2.1)."""
        return self._redirect(request, [("error", error.error), ("error_description", quotable(error.message))])

    async def token(self, headers: Headers, body: bytes) -> Answer:
        """POST /token (RFC 6749, section 3.2)."""
        return await _answered(self._tokens().answer(headers, body, TOKEN))

    async def revoke(self, headers: Headers, body: bytes) -> Answer:
        """POST /revoke (RFC 7009)."""
        return await _answered(self._tokens().answer(headers, body, REVOCATION))

    async def introspect(self, headers: Headers, body: bytes) -> Answer:
        """POST /introspect (RFC 7662)."""
        return await _answered(self._tokens().answer(headers, body, INTROSPECTION))

    async def register(self, headers: Headers, body: bytes) -> Answer:
        """POST /register (RFC 7591). None of the RFC's own codes says that nobody may (section 3.2.2)."""
        if not (await self.clients.policy()).dynamic_registration:
            log_not_allowed("dynamic", None)
            why = f"The organisation does not allow apps that register themselves. {WHOM_TO_ASK}"
            return Answer(400, {"error": "access_denied", "error_description": why})
        try:
            said = _registration(headers, body)
            client_metadata.check_elsewhere(said, self.public_url)
            return Answer(201, await registration.register(self.keyring, said, now=self.clock()))
        except Unacceptable as problem:
            logger.info("oauth_refused", extra={"fields": {"reason": problem.code}})
            return Answer(400, {"error": problem.code, "error_description": problem.why})

    async def server_metadata(self) -> dict[str, Any]:
        """What stands at /.well-known/oauth-authorization-server (RFC 8414)."""
        return metadata.server_metadata(self.public_url, await self.clients.policy())

    def resource_metadata(self, path: str) -> dict[str, Any] | None:
        """What stands at /.well-known/oauth-protected-resource + `path` (RFC 9728), or None: 404."""
        return metadata.resource_metadata(path, self.public_url)

    async def close(self) -> None:
        """Cut the connections to where metadata documents are."""
        await self.clients.documents.close()

    def _tokens(self) -> Tokens:
        return Tokens(self.public_url, self.table, self.keyring, self.clock, self.clients)

    def _redirect(self, request: AuthorizationRequest, parameters: list[tuple[str, str]]) -> str:
        """The client's URI with an answer: its own `state` back, and who answers (RFC 9207)."""
        state = [] if request.state is None else [("state", request.state)]
        return with_parameters(request.redirect_uri, [*parameters, *state, ("iss", self.public_url)])


async def _answered(answer: Awaitable[dict[str, Any]]) -> Answer:
    try:
        return Answer(200, await answer)
    except OAuthError as problem:
        logger.info("oauth_refused", extra={"fields": {"reason": problem.error}})
        told = {"error": problem.error, "error_description": quotable(problem.message)}
        challenge = (CHALLENGE,) if problem.http_status == 401 else ()
        return Answer(problem.http_status, told, NO_STORE + challenge)


def _registration(headers: Headers, body: bytes) -> dict[str, Any]:
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" or "content-type" in headers.repeated:
        raise Unacceptable("invalid_client_metadata", "Send the metadata as JSON: Content-Type: application/json.")
    if len(body) > registration.MAX_BODY:
        raise Unacceptable("invalid_client_metadata", f"The metadata is longer than {registration.MAX_BODY:,} bytes.")
    try:
        said = json_text.parse(body)
    except BadRequest as problem:
        raise Unacceptable("invalid_client_metadata", problem.message) from None
    if not isinstance(said, dict):
        raise Unacceptable("invalid_client_metadata", "The metadata must be a JSON object.")
    # Programs with optional fields write null for what they leave out (as RFC 7592, section 2.2, reads it).
    return {name: value for name, value in said.items() if value is not None}
