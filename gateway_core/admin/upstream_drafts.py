"""How the gateway proves itself to an upstream, as people write it: `auth` of a server."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from gateway_core.admin.draft import Draft, Problem, SecretReference, agreed
from gateway_core.admin.forwarding_drafts import MAX_HEADERS, HeaderText, holds_secret, name_problems
from gateway_core.admin.oauth_fields import ClientId, Issuer, Params, Scopes, Url
from gateway_core.registry.upstream_auth import (
    ClientCredentials,
    Granularity,
    HeaderValue,
    NoAuth,
    OAuth,
    StaticHeaders,
    TokenAuthMethod,
    TokenExchange,
)


def _kind_of_value(value: Any) -> str:
    return "text" if isinstance(value, str) else "reference"


def _header_names(headers: dict[str, Any]) -> dict[str, Any]:
    problems = list(name_problems(headers))
    for name, value in headers.items():
        if isinstance(value, str) and holds_secret(name):
            words = (
                f"the value of {name} is a secret: write {{secret: NAME}}, and set it with: gatehouse secrets set NAME"
            )
            problems.append(((name,), words))
    return agreed(headers, problems)


def _nobodys(granularity: Any) -> Any:
    if granularity == "user":
        raise ValueError(
            "client_credentials is an account of the gateway's own, of no person: write organisation or workspace, "
            "or type: oauth where each member has an account"
        )
    return granularity


class NoAuthDraft(Draft):
    """`{type: none}`."""

    type: Literal["none"]

    def auth(self) -> NoAuth:
        """As it is kept."""
        return NoAuth()


class HeadersAuthDraft(Draft):
    """`{type: headers, headers: {Authorization: {secret: name}}}`."""

    type: Literal["headers"]
    headers: Annotated[
        dict[
            str,
            Annotated[
                Annotated[HeaderText, Tag("text")] | Annotated[SecretReference, Tag("reference")],
                Discriminator(_kind_of_value),
            ],
        ],
        Field(min_length=1, max_length=MAX_HEADERS),
        AfterValidator(_header_names),
    ]

    def auth(self) -> StaticHeaders:
        """As it is kept."""
        return StaticHeaders(
            tuple(
                HeaderValue(name, value) if isinstance(value, str) else HeaderValue(name, secret=value.secret)
                for name, value in self.headers.items()
            )
        )


class AskingDraft(Draft):
    """What every way has that asks a token endpoint."""

    client_secret: SecretReference | None = None
    token_endpoint_auth_method: TokenAuthMethod | None = None
    scopes: Scopes | None = None
    issuer: Issuer | None = None
    token_endpoint: Url | None = None
    resource_indicator: bool = True

    def urls(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the gateway will call, and where it is written."""
        for field, url in (("issuer", self.issuer), ("token_endpoint", self.token_endpoint)):
            if url is not None:
                yield (field,), url

    def _asked(self) -> dict[str, Any]:
        """These fields as they are kept."""
        return {
            "client_secret": _name(self.client_secret),
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "scopes": None if self.scopes is None else tuple(self.scopes),
            "issuer": self.issuer,
            "token_endpoint": self.token_endpoint,
            "resource_indicator": self.resource_indicator,
        }


class OAuthDraft(AskingDraft):
    """Somebody connects an account with their browser; becomes an `OAuth`. Only `type` must be written."""

    type: Literal["oauth"]
    granularity: Granularity = "user"
    client_id: ClientId | None = None
    authorization_params: Params = {}  # noqa: RUF012 - pydantic copies it
    authorization_endpoint: Url | None = None
    revocation_endpoint: Url | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        return agreed(self, [*_client_problems(self, self.client_id), *self._endpoint_problems()])

    def _endpoint_problems(self) -> Iterator[Problem]:
        ends = {"authorization_endpoint": self.authorization_endpoint, "token_endpoint": self.token_endpoint}
        missing = [name for name, url in ends.items() if url is None]
        if self.issuer is None and len(missing) == 1:
            (there,) = ends.keys() - set(missing)
            yield (there,), f"write {missing[0]} too, or issuer, whose metadata says the other"

    def urls(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the gateway will call, or send a browser to, and where it is written."""
        yield from super().urls()
        ends = {"authorization_endpoint": self.authorization_endpoint, "revocation_endpoint": self.revocation_endpoint}
        yield from (((field,), url) for field, url in ends.items() if url is not None)

    def auth(self) -> OAuth:
        """As it is kept."""
        return OAuth(
            **self._asked(),
            granularity=self.granularity,
            client_id=self.client_id,
            authorization_params=tuple(sorted(self.authorization_params.items())),
            authorization_endpoint=self.authorization_endpoint,
            revocation_endpoint=self.revocation_endpoint,
        )


class ClientCredentialsDraft(AskingDraft):
    """The gateway's own account at the upstream; becomes a `ClientCredentials`."""

    type: Literal["client_credentials"]
    client_id: ClientId
    private_key: SecretReference | None = None
    granularity: Annotated[Literal["organisation", "workspace"], BeforeValidator(_nobodys)] = "organisation"

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        return agreed(self, self._problems())

    def _problems(self) -> Iterator[Problem]:
        method = self.token_endpoint_auth_method
        if (self.client_secret is None) == (self.private_key is None):
            yield ("client_secret",), "write one of client_secret and private_key, each as {secret: NAME}"
        elif self.private_key is None and method == "private_key_jwt":
            yield _METHOD, "private_key_jwt signs with a key: write private_key in place of client_secret"
        elif self.private_key is None:
            yield from _method_problems(method, has_secret=True)
        elif method not in (None, "private_key_jwt"):
            yield _METHOD, f"{method} sends no key: write private_key_jwt, or client_secret in place of private_key"

    def auth(self) -> ClientCredentials:
        """As it is kept."""
        return ClientCredentials(
            **self._asked(),
            client_id=self.client_id,
            private_key=_name(self.private_key),
            granularity=self.granularity,
        )


class TokenExchangeDraft(AskingDraft):
    """Whoever calls is exchanged for a token of the upstream (RFC 8693); becomes a `TokenExchange`."""

    type: Literal["token_exchange"]
    subject: Literal["identity", "bearer"]
    client_id: ClientId | None = None
    audience: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x20-\x7e]+$")] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        return agreed(self, [*_client_problems(self, self.client_id), *self._place_problems()])

    def _place_problems(self) -> Iterator[Problem]:
        if self.issuer is None and self.token_endpoint is None:
            yield ("issuer",), "write issuer or token_endpoint: whom a server names by itself is told nobody's identity"

    def auth(self) -> TokenExchange:
        """As it is kept."""
        return TokenExchange(**self._asked(), subject=self.subject, client_id=self.client_id, audience=self.audience)


_TYPES: Final = "none, headers, oauth, client_credentials, token_exchange"


def _typed(written: Any) -> Any:
    if isinstance(written, dict) and "type" not in written:
        raise ValueError(f"the field 'type' is missing; there are: {_TYPES}")
    return written


AuthDraft = Annotated[
    Annotated[
        NoAuthDraft | HeadersAuthDraft | OAuthDraft | ClientCredentialsDraft | TokenExchangeDraft,
        Field(discriminator="type"),
    ],
    BeforeValidator(_typed),
]

_METHOD: Final = ("token_endpoint_auth_method",)


def _client_problems(draft: AskingDraft, client_id: str | None) -> Iterator[Problem]:
    """What does not go together about a client that may be entered by hand, or be left to the gateway."""
    if client_id is not None:
        yield from _method_problems(draft.token_endpoint_auth_method, has_secret=draft.client_secret is not None)
        return
    for field in ("client_secret", "token_endpoint_auth_method"):
        if getattr(draft, field) is not None:
            yield (field,), "this is of a client that was entered by hand: write client_id too, or leave this out"


def _method_problems(method: TokenAuthMethod | None, *, has_secret: bool) -> Iterator[Problem]:
    if method == "private_key_jwt":
        yield _METHOD, "private_key_jwt takes a private_key, and only type: client_credentials has one"
    elif method == "none" and has_secret:
        yield _METHOD, "none sends no secret, and client_secret names one: leave one of them out"
    elif method in ("client_secret_basic", "client_secret_post") and not has_secret:
        yield _METHOD, f"{method} sends a secret: write client_secret: {{secret: NAME}}, or none"


def _name(reference: SecretReference | None) -> str | None:
    return None if reference is None else reference.secret
