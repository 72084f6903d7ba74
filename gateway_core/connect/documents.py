"""What metadata documents say: of a protected resource (RFC 9728) and of an authorization server (RFC 8414, OpenID
Connect Discovery 1.0). Pure: each is read, or refused in words. A member that is of the wrong type counts as absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.connect.locations import refusal_of
from gateway_core.connect.quoting import quoted
from gateway_core.protocol.challenges import scopes_among

MAX_SERVERS: Final = 5
"""Authorization servers of one resource that are tried. All that was seen name one."""
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint")
"""Those that are used."""
DEFAULT_AUTH_METHODS: Final = ("client_secret_basic",)
"""RFC 8414, section 2: where `token_endpoint_auth_methods_supported` is not there."""


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """The metadata of an MCP server."""

    resource: str
    """As it names itself, byte for byte. Whether that is the server that was asked, is for the reader to judge."""
    servers: tuple[str, ...]
    """Issuers of its authorization servers, as they are written; at most `MAX_SERVERS`."""
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The metadata of an authorization server. Every URL may be used."""

    issuer: str
    authorization_endpoint: str | None
    token_endpoint: str | None
    registration_endpoint: str | None
    revocation_endpoint: str | None
    auth_methods: tuple[str, ...]
    """How clients may prove themselves at the token endpoint."""
    pkce: bool
    """True where it says that it takes S256."""
    iss_supported: bool
    """True where every answer at our callback names the issuer (RFC 9207)."""
    documents_supported: bool
    """True where a client may be known by its metadata document."""
    scopes: tuple[str, ...]
    ignored: Mapping[str, str]
    """Endpoints that are there and cannot be used, by name, with why."""


def read_resource(document: Mapping[str, Any]) -> ProtectedResource | str:
    """The metadata of a protected resource, or in words why it is none."""
    resource = document.get("resource")
    if not isinstance(resource, str) or not resource:
        return "does not name its `resource`"
    servers = dict.fromkeys(_texts(document, "authorization_servers"))
    return ProtectedResource(resource, tuple(servers)[:MAX_SERVERS], scopes_among(_texts(document, "scopes_supported")))


def read_server(document: Mapping[str, Any], *issuers: str, plain_http: bool) -> ServerMetadata | str:
    """The metadata of the authorization server that is known as one of `issuers`, or in words why it must not be used.

    Args:
        document: As it was fetched.
        issuers: The issuer that the document's place was made from; more than one where nobody named it.
        plain_http: See `locations.refusal_of`.
    """
    issuer = document.get("issuer")
    # RFC 8414, section 3.3, and OpenID Connect Discovery 1.0, section 4.3: the same string, nothing normalised.
    if not isinstance(issuer, str) or issuer not in issuers:
        named = quoted(issuer) if isinstance(issuer, str) else "nobody"
        return f"is the metadata of {named}, not of {quoted(issuers[0])}"
    refusals = {name: refusal_of(document.get(name), plain_http=plain_http) for name in ENDPOINTS}
    usable = {name: None if refusals[name] else str(document[name]) for name in ENDPOINTS}
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=usable["authorization_endpoint"],
        token_endpoint=usable["token_endpoint"],
        registration_endpoint=usable["registration_endpoint"],
        revocation_endpoint=usable["revocation_endpoint"],
        auth_methods=_texts(document, "token_endpoint_auth_methods_supported") or DEFAULT_AUTH_METHODS,
        pkce="S256" in _texts(document, "code_challenge_methods_supported"),
        iss_supported=document.get("authorization_response_iss_parameter_supported") is True,
        documents_supported=document.get("client_id_metadata_document_supported") is True,
        scopes=scopes_among(_texts(document, "scopes_supported")),
        ignored={name: why for name, why in refusals.items() if why and document.get(name) is not None},
    )


def unpublished(issuer: str) -> ServerMetadata:
    """An authorization server that says nothing about itself."""
    return ServerMetadata(issuer, None, None, None, None, DEFAULT_AUTH_METHODS, False, False, False, (), {})


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name)
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else ()
