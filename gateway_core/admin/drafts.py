"""What people write, before it is trusted: the configuration file and the bodies of the admin API."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gateway_core.admin.client_drafts import ClientPolicyDraft
from gateway_core.admin.draft import Draft, agreed
from gateway_core.admin.forwarding_drafts import ForwardingDraft, IdentityDraft, PlainHeaders, contradictions, listed
from gateway_core.admin.jwt_drafts import JwtValidationDraft, Unset
from gateway_core.admin.upstream_drafts import AskingDraft, AuthDraft, NoAuthDraft
from gateway_core.issuer.client import AuthMethod
from gateway_core.protocol import header_values
from gateway_core.registry.members import OrganisationRole, WorkspaceRole, email_problem, plain_email
from gateway_core.registry.servers import DEFAULT_TIMEOUT_S
from gateway_core.registry.slugs import MAX_SECRET_VALUE, slug_problem
from gateway_core.signin.groups import MAX_GROUP, MAX_ROWS


def _slug(text: str) -> str:
    problem = slug_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _secret_value(text: str) -> str:
    if not text:
        raise ValueError("the value is empty; to be rid of a secret, delete it: gatehouse secrets delete NAME")
    if len(text) > MAX_SECRET_VALUE:
        raise ValueError(f"the value has more than {MAX_SECRET_VALUE:,} characters, the most that a secret holds")
    if not header_values.sendable(text) and not _PEM.fullmatch(text):
        raise ValueError("a secret is visible ASCII in one line, without spaces at its ends, or a key in PEM")
    return text


_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----\r?\n[\x20-\x7e\r\n]+\n-----END [A-Z ]+-----\r?\n?")
"""RFC 7468, section 3: how private keys come. As the value of a header such a text is refused when it is sent."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a group's name has visible characters only")
    return text


def _email(text: str) -> str:
    problem = email_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return plain_email(text)


def _list_or_all(value: Any) -> Any:
    if value == "all" or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise ValueError("write a list of workspaces, like [research], or all")


Slug = Annotated[str, AfterValidator(_slug)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Email = Annotated[str, AfterValidator(_email)]
Subject = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]


def _kind_of_validation(value: Any) -> str:
    return "none" if isinstance(value, str) else "validation"


class WorkspaceDraft(Draft):
    """A workspace as someone asks for it."""

    slug: Slug
    name: Name | None = None


class ServerDraft(Draft):
    """A server as someone asks for it; becomes a frozen `registry.servers.Server`."""

    slug: Slug
    name: Name | None = None
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    transport: Literal["auto", "http", "sse"] = "auto"
    era: Literal["auto", "legacy", "modern"] = "auto"
    auth: AuthDraft = NoAuthDraft(type="none")
    workspaces: Annotated[Literal["all"] | list[str], BeforeValidator(_list_or_all)] = Field(default_factory=list)
    timeout_s: float = Field(default=DEFAULT_TIMEOUT_S, gt=0, le=840, description="seconds; one call, all of it")
    jwt_validation: JwtValidationDraft | None = None
    """Instead of the organisation's."""
    forward_headers: Annotated[ForwardingDraft, BeforeValidator(listed)] | None = None
    headers: PlainHeaders = {}  # noqa: RUF012 - pydantic copies it
    identity: IdentityDraft | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.transport == "sse" and self.era == "modern":
            raise ValueError("transport: sse is of the legacy era; leave out era, or write era: legacy")
        return agreed(self, contradictions(self.auth.auth(), self.headers, self.forward_headers, self.identity))

    def urls(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the gateway will call, or send a browser to, and where it is written."""
        yield ("url",), self.url
        if isinstance(self.auth, AskingDraft):
            yield from ((("auth", *path), url) for path, url in self.auth.urls())
        if self.jwt_validation is not None:
            yield from ((("jwt_validation", *path), url) for path, url in self.jwt_validation.urls())


class GroupDraft(Draft):
    """What the people of one group of the identity provider may do."""

    group: Annotated[str, Field(min_length=1, max_length=MAX_GROUP), AfterValidator(_printable)]
    organisation: OrganisationRole | None = None
    workspaces: dict[str, WorkspaceRole] = Field(default_factory=dict, max_length=1_000)

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if self.organisation is None and not self.workspaces:
            raise ValueError(
                "this group gives no role: write organisation: member to let its people in and nothing more, "
                "or leave it out"
            )
        return self


def _each_once(rows: list[GroupDraft]) -> list[GroupDraft]:
    seen: set[str] = set()
    for row in rows:
        if row.group in seen:
            raise ValueError(f"the group {row.group!r} appears twice")
        seen.add(row.group)
    return rows


GroupRows = Annotated[list[GroupDraft], Field(max_length=MAX_ROWS), AfterValidator(_each_once)]


class GroupsDraft(Draft):
    """The whole mapping."""

    groups: GroupRows


class ConfigDraft(Draft):
    """The configuration file."""

    organisation: Name | None = None
    workspaces: list[WorkspaceDraft] = Field(default_factory=list, max_length=10_000)
    servers: list[ServerDraft] = Field(default_factory=list, max_length=10_000)
    groups: GroupRows | None = None
    """The whole mapping; None leaves it as it is."""
    jwt_validation: (
        Annotated[
            Annotated[JwtValidationDraft, Tag("validation")] | Annotated[Unset, Tag("none")],
            Discriminator(_kind_of_validation),
        ]
        | None
    ) = None
    """For every server that has none of its own. None leaves it as it is; `none` takes it away."""
    clients: ClientPolicyDraft | None = None
    """The whole policy; None leaves it as it is."""


class ApplyDraft(Draft):
    """A configuration to carry out."""

    config: ConfigDraft
    prune: bool = False


class KeyDraft(Draft):
    """An API key as someone asks for it."""

    workspace: str
    kind: Literal["user", "service"]
    subject: Subject
    servers: list[str] | None = Field(default=None, min_length=1, max_length=100)
    expires_in_s: int | None = Field(default=None, gt=0, le=10 * 366 * 86_400)

    @field_validator("subject")
    @classmethod
    def _is_an_address(cls, subject: str, info: ValidationInfo) -> str:
        return _email(subject) if info.data.get("kind") == "user" else subject


class InvitationDraft(Draft):
    """A person to invite, or to give further roles."""

    email: Email
    name: Name | None = None
    organisation: OrganisationRole = "member"
    workspaces: dict[str, WorkspaceRole] = Field(default_factory=dict, max_length=1_000)


class RolesDraft(Draft):
    """Roles to change. What is not named stays; a workspace's `null` takes the person out of it."""

    organisation: OrganisationRole | None = None
    workspaces: dict[str, WorkspaceRole | None] = Field(default_factory=dict, max_length=1_000)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.organisation is None and not self.workspaces:
            raise ValueError("say what to change: organisation, workspaces, or both")
        return self


class ClientDraft(Draft):
    """An OAuth client as an administrator enters it."""

    name: Name
    redirect_uris: list[Annotated[str, Field(min_length=1, max_length=2048)]] = Field(min_length=1, max_length=20)
    auth_method: AuthMethod = "none"


class SecretDraft(Draft):
    """The value of a secret."""

    value: Annotated[str, AfterValidator(_secret_value)]
