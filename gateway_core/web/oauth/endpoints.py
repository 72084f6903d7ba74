"""What OAuth clients ask without a browser: metadata, tokens, registration, revocation, introspection.

Bodies and headers go to the issuer as they came. No cookie is looked at here, so any web page may ask.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.access.throttle import Throttle
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.errors import NotFound
from gateway_core.headers import Headers, read_headers
from gateway_core.issuer.issuer import Answer, Issuer
from gateway_core.issuer.token_grants import refreshed_grant
from gateway_core.ports import Table
from gateway_core.storage import keys
from gateway_core.web.oauth.desk import address_of
from gateway_core.web.oauth.problems import ANY_PAGE, NEVER_STORED, json_answer

METADATA: Final = {**ANY_PAGE, "Cache-Control": "public, max-age=300"}
PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, MCP-Protocol-Version",
    "Access-Control-Max-Age": "86400",
}
Asking = Callable[[Headers, bytes], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of clients."""

    issuer: Issuer
    throttle: Throttle

    async def server_metadata(self, request: Request) -> Response:
        """RFC 8414."""
        return json_answer(await self.issuer.server_metadata(), 200, METADATA)

    async def resource_metadata(self, request: Request) -> Response:
        """RFC 9728, at the URL with the resource's path behind it."""
        path = request.scope["path"].removeprefix("/.well-known/oauth-protected-resource")
        found = self.issuer.resource_metadata(path)
        if found is None:
            raise NotFound("There is no such resource.")
        return json_answer(found, 200, METADATA)

    async def token(self, request: Request) -> Response:
        """RFC 6749, 3.2."""
        await self.throttle.check("token", address_of(request))
        grant_id = refreshed_grant(read_headers(request.scope["headers"]), await request.body())
        if grant_id is not None:
            await self.throttle.check("token_grant", grant_id)
        return await _asked(request, self.issuer.token, ANY_PAGE)

    async def register(self, request: Request) -> Response:
        """RFC 7591."""
        await self.throttle.check("register", address_of(request))
        return await _asked(request, self.issuer.register, ANY_PAGE)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009."""
        await self.throttle.check("token", address_of(request))
        return await _asked(request, self.issuer.revoke, ANY_PAGE)

    async def introspect(self, request: Request) -> Response:
        """RFC 7662. Not for web pages: whoever asks has a secret."""
        await self.throttle.check("token", address_of(request))
        return await _asked(request, self.issuer.introspect, {})


def own_document(own: OwnClient, table: Table) -> Callable[[Request], Awaitable[Response]]:
    """GET of who the gateway is as a client of others (draft-ietf-oauth-client-id-metadata-document-00)."""

    async def document(_: Request) -> Response:
        head = await table.get(keys.organisation_head())
        found = own.document("" if head is None else str(head.data["name"]))
        if found is None:
            raise NotFound("This gateway has no metadata document: nobody could fetch it.")
        return json_answer(found, 200, METADATA)

    return document


async def preflight(_: Request) -> Response:
    """OPTIONS of what web pages may ask."""
    return Response(status_code=204, headers=PREFLIGHT)


async def _asked(request: Request, ask: Asking, common: Mapping[str, str]) -> Response:
    answer = await ask(read_headers(request.scope["headers"]), await request.body())
    fields = {**NEVER_STORED, **common, **dict(answer.headers)}
    return json_answer(answer.body, answer.status, fields)
