"""How the gateway proves itself to an upstream, as the registry holds it: names of secrets, never a value. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, assert_never

Granularity = Literal["organisation", "workspace", "user"]
"""Whose the account at the upstream is: one for everybody, one for each workspace, or each member's own."""
TokenAuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
"""How a client proves itself to a token endpoint (RFC 7591, section 2; OpenID Connect Core 1.0, section 9)."""


@dataclass(frozen=True, slots=True)
class NoAuth:
    """The upstream asks for no credential."""


MAX_HEADER_VALUE: Final = 4_096
"""Characters of the value of a header that we add: half of what common servers read of all headers."""


class HeaderValue(NamedTuple):
    """One header that we add: a plain value, or the name of a secret that holds it."""

    name: str
    value: str | None = None
    secret: str | None = None


class StaticHeaders(NamedTuple):
    """Fixed headers on every request to the upstream."""

    headers: tuple[HeaderValue, ...]


class OAuth(NamedTuple):
    """Somebody connects an account with their browser (OAuth 2.1, code and PKCE). Discovery fills what is None."""

    granularity: Granularity = "user"
    client_id: str | None = None
    """Entered by hand. None: the gateway's metadata document, else a client that it registers."""
    client_secret: str | None = None
    """Name of the secret."""
    token_endpoint_auth_method: TokenAuthMethod | None = None
    """None: what the authorization server's metadata offers."""
    scopes: tuple[str, ...] | None = None
    """None: those of the challenge, else `scopes_supported` of the resource, else none."""
    authorization_params: tuple[tuple[str, str], ...] = ()
    """Further parameters of the authorization request."""
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    revocation_endpoint: str | None = None
    resource_indicator: bool = True
    """False leaves `resource` out (RFC 8707), for providers that refuse it."""


class ClientCredentials(NamedTuple):
    """The gateway's own account at the upstream, without a person (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: str | None = None
    """Name of the secret; exactly one of this and `private_key`."""
    private_key: str | None = None
    """Name of the secret that holds the key of the assertions (RFC 7523, section 2.2)."""
    granularity: Literal["organisation", "workspace"] = "organisation"
    token_endpoint_auth_method: TokenAuthMethod | None = None
    scopes: tuple[str, ...] | None = None
    issuer: str | None = None
    token_endpoint: str | None = None
    resource_indicator: bool = True


class TokenExchange(NamedTuple):
    """Whoever calls is exchanged for a token of the upstream (RFC 8693)."""

    subject: Literal["identity", "bearer"]
    """What is exchanged: who the caller is, signed by the gateway; or the token of another issuer that they sent."""
    client_id: str | None = None
    client_secret: str | None = None
    """Name of the secret."""
    token_endpoint_auth_method: TokenAuthMethod | None = None
    token_endpoint: str | None = None
    issuer: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] | None = None
    resource_indicator: bool = True


UpstreamAuth = NoAuth | StaticHeaders | OAuth | ClientCredentials | TokenExchange


def type_of(auth: UpstreamAuth) -> str:
    """The word for it in the configuration file and in lists."""
    match auth:
        case NoAuth():
            return "none"
        case StaticHeaders():
            return "headers"
        case OAuth():
            return "oauth"
        case ClientCredentials():
            return "client_credentials"
        case TokenExchange():
            return "token_exchange"
    assert_never(auth)


def granularity_of(auth: UpstreamAuth) -> Granularity | None:
    """Whose account it is; None where there is no account that is connected."""
    return auth.granularity if isinstance(auth, OAuth | ClientCredentials) else None


def headers_of(auth: UpstreamAuth) -> frozenset[str]:
    """Names of the headers that it sends, in lower case."""
    match auth:
        case NoAuth():
            return frozenset()
        case StaticHeaders(headers):
            return frozenset(header.name.lower() for header in headers)
        case OAuth() | ClientCredentials() | TokenExchange():
            return frozenset({"authorization"})
    assert_never(auth)


def secrets_of(auth: UpstreamAuth) -> frozenset[str]:
    """Names of the secrets that it takes."""
    match auth:
        case NoAuth():
            named: Iterable[str | None] = ()
        case StaticHeaders(headers):
            named = (header.secret for header in headers)
        case OAuth() | TokenExchange():
            named = (auth.client_secret,)
        case ClientCredentials():
            named = (auth.client_secret, auth.private_key)
        case _:
            assert_never(auth)
    return frozenset(name for name in named if name is not None)


def auth_to_data(auth: UpstreamAuth) -> dict[str, Any]:
    """The way as a JSON object for the store."""
    match auth:
        case NoAuth():
            told: dict[str, Any] = {}
        case StaticHeaders(headers):
            told = {"headers": headers_to_data(headers)}
        case OAuth():
            told = {
                **_asking(auth),
                "granularity": auth.granularity,
                "authorization_params": [list(pair) for pair in auth.authorization_params],
                "authorization_endpoint": auth.authorization_endpoint,
                "revocation_endpoint": auth.revocation_endpoint,
            }
        case ClientCredentials():
            told = {**_asking(auth), "granularity": auth.granularity, "private_key": auth.private_key}
        case TokenExchange():
            told = {**_asking(auth), "subject": auth.subject, "audience": auth.audience}
        case _:
            assert_never(auth)
    return {"type": type_of(auth), **told}


def _asking(auth: OAuth | ClientCredentials | TokenExchange) -> dict[str, Any]:
    """What every way that asks a token endpoint has."""
    return {
        "client_id": auth.client_id,
        "client_secret": auth.client_secret,
        "token_endpoint_auth_method": auth.token_endpoint_auth_method,
        "scopes": None if auth.scopes is None else list(auth.scopes),
        "issuer": auth.issuer,
        "token_endpoint": auth.token_endpoint,
        "resource_indicator": auth.resource_indicator,
    }


def auth_from_data(data: Mapping[str, Any]) -> UpstreamAuth:
    """The way that `auth_to_data` wrote.

    Raises:
        ValueError: It is of a type that this version does not know.
    """
    match data["type"]:
        case "none":
            return NoAuth()
        case "headers":
            return StaticHeaders(headers_from_data(data["headers"]))
        case "oauth":
            return OAuth(
                **_asked(data),
                granularity=data["granularity"],
                authorization_params=tuple((name, value) for name, value in data["authorization_params"]),
                authorization_endpoint=data["authorization_endpoint"],
                revocation_endpoint=data["revocation_endpoint"],
            )
        case "client_credentials":
            return ClientCredentials(**_asked(data), granularity=data["granularity"], private_key=data["private_key"])
        case "token_exchange":
            return TokenExchange(**_asked(data), subject=data["subject"], audience=data["audience"])
    raise ValueError(f"an auth of type {data['type']!r} is not known to this version")


def _asked(data: Mapping[str, Any]) -> dict[str, Any]:
    scopes = data["scopes"]
    return {
        "client_id": data["client_id"],
        "client_secret": data["client_secret"],
        "token_endpoint_auth_method": data["token_endpoint_auth_method"],
        "scopes": None if scopes is None else tuple(scopes),
        "issuer": data["issuer"],
        "token_endpoint": data["token_endpoint"],
        "resource_indicator": data["resource_indicator"],
    }


def headers_to_data(headers: tuple[HeaderValue, ...]) -> list[list[str | None]]:
    """Headers as a JSON list for the store."""
    return [[header.name, header.value, header.secret] for header in headers]


def headers_from_data(data: Iterable[Iterable[Any]]) -> tuple[HeaderValue, ...]:
    """The headers that `headers_to_data` wrote."""
    return tuple(HeaderValue(name, value, secret) for name, value, secret in data)
