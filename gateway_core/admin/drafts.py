"""What people write, before it is trusted: the configuration file and the bodies of the admin API."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from gateway_core.egress import check_header
from gateway_core.errors import Invalid
from gateway_core.protocol import header_values
from gateway_core.registry.servers import DEFAULT_TIMEOUT_S
from gateway_core.registry.slugs import secret_name_problem, slug_problem
from gateway_core.upstream.auth import protected


def _slug(text: str) -> str:
    problem = slug_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _secret_name(text: str) -> str:
    problem = secret_name_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _header_names(headers: dict[str, Any]) -> dict[str, Any]:
    seen: set[str] = set()
    for name in headers:
        try:
            check_header(name, "")
        except Invalid as problem:
            raise ValueError(problem.message) from None
        if protected(name):
            raise ValueError(f"{name} is set by the gateway itself")
        if name.lower() in seen:
            raise ValueError(f"{name} appears twice (header names do not differ by case)")
        seen.add(name.lower())
        if isinstance(headers[name], str) and _SECRET_HEADER.search(name):
            raise ValueError(
                f"the value of {name} is a secret: write {{secret: NAME}}, and set it with: gatehouse secrets set NAME"
            )
    return headers


_SECRET_HEADER: Final = re.compile(
    r"(?:^|[-_])(?:auth|authorization|(?:api|access)?-?(?:key|token)|secret|password|credentials?)(?:$|[-_])",
    re.IGNORECASE,
)
"""Headers whose values belong into the secret store and not into a file or the registry."""


def _header_value(text: str) -> str:
    if not header_values.sendable(text):
        raise ValueError("a header value is visible ASCII without spaces at its ends")
    return text


def _list_or_all(value: Any) -> Any:
    if value == "all" or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise ValueError("write a list of workspaces, like [research], or all")


Slug = Annotated[str, AfterValidator(_slug)]
SecretName = Annotated[str, AfterValidator(_secret_name)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Subject = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]


class Draft(BaseModel):
    """Base of everything that comes from outside: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretReference(Draft):
    """`{secret: name}`: the value is set apart, with `gatehouse secrets set name`."""

    secret: SecretName


def _kind_of_value(value: Any) -> str:
    return "text" if isinstance(value, str) else "reference"


class NoAuthDraft(Draft):
    """`{type: none}`."""

    type: Literal["none"]


class HeadersAuthDraft(Draft):
    """`{type: headers, headers: {Authorization: {secret: name}}}`."""

    type: Literal["headers"]
    headers: Annotated[
        dict[
            str,
            Annotated[
                Annotated[str, Field(max_length=4096), AfterValidator(_header_value), Tag("text")]
                | Annotated[SecretReference, Tag("reference")],
                Discriminator(_kind_of_value),
            ],
        ],
        Field(min_length=1, max_length=20),
        AfterValidator(_header_names),
    ]


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
    auth: Annotated[NoAuthDraft | HeadersAuthDraft, Field(discriminator="type")] = NoAuthDraft(type="none")
    workspaces: Annotated[Literal["all"] | list[str], BeforeValidator(_list_or_all)] = Field(default_factory=list)
    timeout_s: float = Field(default=DEFAULT_TIMEOUT_S, gt=0, le=840, description="seconds; one call, all of it")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.transport == "sse" and self.era == "modern":
            raise ValueError("transport: sse is of the legacy era; leave out era, or write era: legacy")
        return self


class ConfigDraft(Draft):
    """The configuration file."""

    organisation: Name | None = None
    workspaces: list[WorkspaceDraft] = Field(default_factory=list, max_length=10_000)
    servers: list[ServerDraft] = Field(default_factory=list, max_length=10_000)


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


class SecretDraft(Draft):
    """The value of a secret."""

    value: Annotated[str, Field(min_length=1, max_length=8192), AfterValidator(_header_value)]
