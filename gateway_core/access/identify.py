"""Who is behind a request: from headers to a `Caller`, in one consistent read."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from gateway_core.access import api_keys, tokens
from gateway_core.access.callers import Caller
from gateway_core.access.credentials import Shown, bare, shown, two_credentials
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.tokens import Proven
from gateway_core.errors import StoreUnavailable, Unauthenticated
from gateway_core.headers import Headers
from gateway_core.ports import Clock, Item, Key, Table
from gateway_core.registry.directory import Directory
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.workspaces import Organisation, organisation_from_data
from gateway_core.storage import keys

SEND_KEY: Final = (
    "end an API key as the header 'Authorization: Bearer ghk_…'; an administrator makes one with: gatehouse keys create"
)
SIGN_IN: Final = f"Sign in: your client opens the page for it (Claude Code: /mcp). Or s{SEND_KEY}"


class Person(NamedTuple):
    """Somebody whom another issuer vouches for."""

    subject: str
    client: str
    """The client that its token was made for, as the issuer calls it; empty where it does not say."""


class CheckJwt(Protocol):
    """Judges tokens of other issuers."""

    async def __call__(self, token: str, validation: JwtValidation, revision: str) -> Person | None:
        """Whom the issuer vouches for with `token`; None when it is not proved to be the issuer's.

        Args:
            token: As it was sent, of bounded length.
            validation: What it is judged by.
            revision: Of the registry.

        Raises:
            Unauthenticated: It is the issuer's, and not enough; the message says why.
        """
        ...


class Identified(NamedTuple):
    """Who calls, the organisation as it stands, and what was read along."""

    caller: Caller
    organisation: Organisation
    client: str
    """The client that the credential was given to; empty for API keys."""
    read: list[Item | None]


@dataclass(frozen=True, slots=True)
class Identify:
    """Authentication. Any doubt is a refusal: an exception here must never leave a caller behind."""

    table: Table
    clock: Clock
    directory: Directory
    public_url: str
    check_jwt: CheckJwt

    async def __call__(self, endpoint: Endpoint, headers: Headers, *also: Key) -> Identified:
        """Who calls `endpoint`, and the items under `also`. A warm call costs one round trip to the store.

        Raises:
            TwoCredentials: Headers disagree about the credential.
            Unauthenticated: None, or one that is unknown, expired, revoked, or for something else.
            StoreUnavailable: Nobody can be let in.
        """
        credential = shown(headers)
        own = self._keys(credential, endpoint)
        found = await self.table.get_many([*own, keys.organisation_head(), *also])
        proven = self._proven(credential, found[: len(own)], endpoint) if own else None
        head, *read = found[len(own) :]
        if head is None:
            raise StoreUnavailable(
                "The registry has no organisation yet. An administrator sets it up with: gatehouse apply"
            )
        organisation = organisation_from_data(head.data)
        revision = organisation.revision
        validation = await self._validation(credential, endpoint, revision)
        if proven is None:
            caller, client = await self._foreign(headers, credential, endpoint, validation, revision)
            return Identified(caller, organisation, client, read)
        if validation is not None and validation.header in credential.elsewhere:
            raise two_credentials()
        return Identified(await self._person(proven, revision), organisation, proven.client, read)

    def _keys(self, credential: Shown, endpoint: Endpoint) -> list[Key]:
        """What to read to judge a credential of ours; nothing for one of another issuer."""
        token = credential.token
        if not token and (endpoint.key_only or not credential.elsewhere):
            raise self._none(endpoint)
        if credential.own and token is not None:
            if tokens.is_token(token):
                _demand_tokens_allowed(endpoint)
                return tokens.keys_of(token)
            return [keys.api_key(*api_keys.locate(token))]
        _demand_tokens_allowed(endpoint)
        if token and not credential.in_authorization:
            raise self._not_accepted(endpoint)
        return []

    def _proven(self, credential: Shown, found: list[Item | None], endpoint: Endpoint) -> Proven:
        token = credential.token or ""
        if tokens.is_token(token):
            return tokens.proven(token, found, endpoint, public_url=self.public_url, now=self.clock())
        key = None if found[0] is None else api_keys.from_data(found[0].data)
        caller = api_keys.caller_of(token, key, self.clock())
        return Proven(caller, None if key is None else api_keys.member_of(key))

    async def _validation(self, credential: Shown, endpoint: Endpoint, revision: str) -> JwtValidation | None:
        """How tokens of other issuers are judged at an endpoint. Not looked up where nothing can be one."""
        if credential.own and not credential.elsewhere:
            return None
        server = await self.directory.server(endpoint.server, revision)
        if server is not None and server.jwt_validation is not None:
            return server.jwt_validation
        return await self.directory.jwt_validation(revision)

    async def _foreign(
        self, headers: Headers, credential: Shown, endpoint: Endpoint, validation: JwtValidation | None, revision: str
    ) -> tuple[Caller, str]:
        """Who a token of another issuer vouches for."""
        token = credential.token
        if validation is not None and validation.header in credential.elsewhere:
            if token or validation.header in headers.repeated:
                raise two_credentials()
            token = bare(headers.get(validation.header) or "")
        elif validation is not None and validation.header != "authorization":
            token = None
        if validation is None or not token:
            raise self._not_accepted(endpoint) if credential.token else self._none(endpoint)
        person = await self.check_jwt(token, validation, revision)
        if person is None:
            raise self._not_accepted(endpoint)
        if endpoint.workspace is None:
            raise Unauthenticated(
                "This token names no workspace, so the URL has to: /WORKSPACE/SERVER/mcp.", reason="no_workspace"
            )
        workspace = await self.directory.workspace(endpoint.workspace, revision)
        # An unknown workspace is told as such by whoever looks for it next; it is nobody's.
        place = "" if workspace is None else workspace.id
        return Caller("user", person.subject, place, "jwt", None, validation.issuer), person.client

    async def _person(self, proven: Proven, revision: str) -> Caller:
        """The caller under the name that the organisation has for them now."""
        caller = proven.caller
        if proven.member_id is None:
            return caller
        member = await self.directory.member(proven.member_id, revision)
        if member is None:
            raise Unauthenticated(
                "Whoever this credential belongs to was removed from the organisation. "
                "An administrator can send a new invitation.",
                reason="removed_member",
            )
        if not member.reaches(caller.workspace_id):
            workspace = await self.directory.workspace(caller.workspace_id, revision)
            place = "the workspace of this credential" if workspace is None else workspace.name
            raise Unauthenticated(
                f"{member.email} no longer belongs to {place}. Ask an administrator of {place} to add them again.",
                reason="left_workspace",
            )
        return replace(caller, subject=member.email)

    def _none(self, endpoint: Endpoint) -> Unauthenticated:
        return Unauthenticated(f"This gateway needs a credential. {self._way_in(endpoint)}", reason="no_credential")

    def _not_accepted(self, endpoint: Endpoint) -> Unauthenticated:
        """The refusal of a token that nobody vouches for: the same at every URL, whatever is set up there."""
        return Unauthenticated(
            f"This is not a Gatehouse API key (they begin with {api_keys.PREFIX}), nor another token that is good "
            f"here. {self._way_in(endpoint)}",
            reason="malformed_credential",
        )

    def _way_in(self, endpoint: Endpoint) -> str:
        return SIGN_IN if endpoint.metadata_url(self.public_url) else f"S{SEND_KEY}"


def _demand_tokens_allowed(endpoint: Endpoint) -> None:
    if endpoint.key_only:
        raise Unauthenticated(
            "This URL takes API keys alone (they begin with ghk_). To sign in instead, add the URL without /k at its "
            "beginning.",
            reason="keys_only",
        )
