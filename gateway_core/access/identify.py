"""Who is behind a request: from headers to a `Caller`, in one consistent read."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from gateway_core.access import api_keys, tokens
from gateway_core.access.callers import Caller, CredentialEnded, no_longer_member
from gateway_core.access.credentials import Shown, bare, shown, two_credentials
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.hints import Hints
from gateway_core.access.names import goes_by_another
from gateway_core.access.tokens import Proven
from gateway_core.errors import StoreUnavailable, Unauthenticated
from gateway_core.headers import Headers
from gateway_core.parts import part
from gateway_core.ports import Clock, Item, Key, Table
from gateway_core.registry.directory import Directory
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.members import Member
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


class Guessed(NamedTuple):
    """An item that was read because such a request needed it the last time."""

    credential: Key | None
    endpoint: Endpoint
    key: Key | None
    item: Item | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Identified:
    """Who calls, the organisation as it stands, and what was read along."""

    caller: Caller
    member: Member | None
    """The caller as a person of the organisation, where they are one."""
    organisation: Organisation
    client: str
    """The client that the credential was given to; empty for API keys."""
    bearer: str = field(repr=False)
    """The token of another issuer that was sent; empty for credentials of ours."""
    read: list[Item | None]
    guessed: Guessed


@part
class Identify:
    """Authentication. Any doubt is a refusal: an exception here must never leave a caller behind."""

    table: Table
    clock: Clock
    directory: Directory
    public_url: str
    check_jwt: CheckJwt
    hints: Hints = field(default_factory=Hints)

    async def __call__(self, endpoint: Endpoint, headers: Headers, *also: Key) -> Identified:
        """Who calls `endpoint`, and the items under `also`. A warm call costs one round trip to the store.

        Raises:
            TwoCredentials: Headers disagree about the credential.
            Unauthenticated: None, or one that is unknown, expired, revoked, or for something else.
            StoreUnavailable: Nobody can be let in.
        """
        credential = shown(headers)
        own = self._keys(headers, credential, endpoint)
        name = own[-1] if own else None
        hint = self.hints.of(name, endpoint)
        asked = [*own, keys.organisation_head(), *also]
        # Nobody needs an item twice, and a store is asked for each once.
        found = await self.table.get_many(asked if hint is None else [*asked, hint])
        try:
            proven = self._proven(credential, found[: len(own)], endpoint) if own else None
        except CredentialEnded as refused:
            at = found[len(own)]
            if at is not None:
                await self._placed(refused, organisation_from_data(at.data).revision)
            raise
        guessed = Guessed(name, endpoint, hint, None if hint is None else found.pop())
        head, *read = found[len(own) :]
        if head is None:
            raise StoreUnavailable(
                "The registry has no organisation yet. An administrator sets it up with: gatehouse apply"
            )
        organisation = organisation_from_data(head.data)
        revision = organisation.revision
        validation = await self._validation(credential, endpoint, revision)
        if proven is None:
            caller, client, token = await self._foreign(headers, credential, endpoint, validation, revision)
            return Identified(caller, None, organisation, client, token, read, guessed)
        if validation is not None and validation.header in credential.elsewhere:
            raise two_credentials()
        caller, member = await self._person(proven.caller, revision)
        return Identified(caller, member, organisation, proven.client, "", read, guessed)

    async def beside(self, guessed: Guessed, key: Key | None) -> Item | None:
        """The item under `key`, which a request turned out to need: read along already, as a rule."""
        if key is None:
            if guessed.key is not None:
                self.hints.forget(guessed.credential, guessed.endpoint)
            return None
        if key == guessed.key:
            return guessed.item
        self.hints.learn(guessed.credential, guessed.endpoint, key)
        return await self.table.get(key)

    def _keys(self, headers: Headers, credential: Shown, endpoint: Endpoint) -> list[Key]:
        """What to read to judge a credential of ours; nothing for one of another issuer."""
        token = credential.token
        if not token and (endpoint.key_only or not credential.elsewhere):
            raise self._none(headers, endpoint)
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
        return Proven(api_keys.caller_of(token, key, self.clock()))

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
    ) -> tuple[Caller, str, str]:
        """Who a token of another issuer vouches for, by which client, and the token."""
        token = credential.token
        if validation is not None and validation.header in credential.elsewhere:
            if token or validation.header in headers.repeated:
                raise two_credentials()
            token = bare(headers.get(validation.header) or "")
        elif validation is not None and validation.header != "authorization":
            token = None
        if validation is None or not token:
            raise self._not_accepted(endpoint) if credential.token else self._none(headers, endpoint)
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
        caller = Caller("user", person.subject, place, "jwt", None, validation.issuer, client_id=person.client)
        return caller, person.client, token

    async def _person(self, caller: Caller, revision: str) -> tuple[Caller, Member | None]:
        """The caller under the name that the organisation has for them now."""
        if caller.member_id is None:
            return caller, None
        member = await self.directory.member(caller.member_id, revision)
        if member is None:
            gone = CredentialEnded(no_longer_member(caller.subject), caller, reason="removed_member")
            raise await self._placed(gone, revision)
        if not member.reaches(caller.workspace_id):
            workspace = await self.directory.workspace(caller.workspace_id, revision)
            place = "the workspace of this credential" if workspace is None else workspace.name
            told = f"{member.email} no longer belongs to {place}. Ask an administrator of {place} to add them again."
            refused = CredentialEnded(told, caller._replace(subject=member.email), reason="left_workspace")
            raise await self._placed(refused, revision)
        return caller._replace(subject=member.email), member

    async def _placed(self, refused: CredentialEnded, revision: str) -> CredentialEnded:
        """A refusal with the slug of its workspace, as records name it. Whoever is let in waits for none of this."""
        workspace = await self.directory.workspace(refused.caller.workspace_id, revision)
        refused.workspace = "" if workspace is None else workspace.slug
        return refused

    def _none(self, headers: Headers, endpoint: Endpoint) -> Unauthenticated:
        """The refusal of a request without a credential."""
        way_in = self._way_in(endpoint)
        if goes_by_another(headers.get("host") or "", self.public_url) and not endpoint.key_only:
            # Clients compare what they were told to connect to with what the metadata says (RFC 9728, section 3.3).
            way_in = (
                f"This gateway goes by {self.public_url}: to sign in, give your client the URL "
                f"{self.public_url}{endpoint.path} instead. Or s{SEND_KEY}"
            )
        return Unauthenticated(f"This gateway needs a credential. {way_in}", reason="no_credential")

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
