"""What of a caller's request goes on to an upstream: headers, and who they are. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway_core.access.credentials import KEY_HEADERS

_PROTOCOL: Final = "the gateway itself speaks with the server in it"
_CONNECTION: Final = "it belongs to one connection and ends there"
_PROXIES: Final = "servers believe what their own proxies write there"
_CREDENTIAL: Final = "it carries what the caller proves themselves with, or a browser its session"
_REWRITES: Final = "servers take what stands there for the request's own method or path"
_IDENTITY: Final = "servers believe what the gateway says there about who calls"

_RESERVED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("accept", "content-type", "last-event-id", "traceparent", "tracestate", "user-agent", "via"), _PROTOCOL
    ),
    # RFC 9110, sections 7.2, 7.6.1, 8.6, 10.1.1 and 12.5.3: what frames a message or speaks to the next hop.
    **dict.fromkeys(
        (
            "accept-encoding", "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te",
            "trailer", "transfer-encoding", "upgrade",
        ),
        _CONNECTION,
    ),
    "cookie": _CREDENTIAL,
    "forwarded": _PROXIES,
}  # fmt: skip
"""Headers that no setting sends, and why."""
_RESERVED_PREFIXES: Final[Mapping[str, str]] = {
    "cloudfront-": _PROXIES,
    "mcp-": _PROTOCOL,
    "proxy-": _CONNECTION,
    "sec-": "a browser writes it about its own request",
    "x-amz": _PROXIES,
    "x-forwarded-": _PROXIES,
    "x-gatehouse-": "the gateway's own parts speak with each other in it",
}
_WITHHELD: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("authorization", "set-cookie", "api-key", "apikey", "x-auth-token", "x-access-token", *KEY_HEADERS),
        _CREDENTIAL,
    ),
    **dict.fromkeys(("x-user-claims", "x-user-jwt", "remote-user", "x-remote-user"), _IDENTITY),
    **dict.fromkeys(("cf-connecting-ip", "true-client-ip", "x-client-ip", "x-real-ip"), _PROXIES),
    **dict.fromkeys(
        ("x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"), _REWRITES
    ),
}
"""Headers that are never passed on from a caller, besides those above, and why. A setting may send its own."""


def reserved(name: str) -> str | None:
    """Why no setting sends a header of this name, or None."""
    plain = _plain(name)
    return _RESERVED.get(plain) or next(
        (why for prefix, why in _RESERVED_PREFIXES.items() if plain.startswith(prefix)), None
    )


def withheld(name: str) -> str | None:
    """Why what stands in a header of this name is the gateway's to say, or stays with it; or None."""
    return reserved(name) or _WITHHELD.get(_plain(name))


def unpassable(name: str) -> str | None:
    """Why a header of this name is never passed on from a caller, nor made of one that is; or None."""
    return withheld(name) or ("many servers take _ in a name for -" if "_" in name else None)


def _plain(name: str) -> str:
    # Many servers read X_User_Jwt as X-User-JWT (RFC 3875, section 4.1.18, has one name for both).
    return name.lower().replace("_", "-")


CLAIMS: Final = (
    "sub", "email", "user_id", "name", "workspace_id", "workspace", "organisation", "client_id", "credential_kind",
)  # fmt: skip
"""What an upstream can be told about a caller."""
USUAL_HEADERS: Final = {"claims_header": "x-user-claims", "jwt_header": "x-user-jwt", "bearer": "authorization"}
"""Where it is told unless a setting names another header."""


class HeaderForwarding(NamedTuple):
    """Headers of the caller's request that are passed on."""

    mode: Literal["allowlist", "all-except"]
    headers: tuple[tuple[str, str], ...]
    """Names as they come in and as they go out, in lower case. `allowlist`: those that go, under their second name.
    `all-except`: those that stay; both names are the same."""


class IdentityForwarding(NamedTuple):
    """The upstream is told who calls."""

    method: Literal["claims_header", "jwt_header", "bearer"]
    """A JSON object; a token that the gateway signs; or the token of another issuer that the caller came with, as
    `Authorization: Bearer`."""
    header: str | None
    """Name of the header, in lower case; None: the usual one of the method."""
    claims: tuple[str, ...]
    """Those of `CLAIMS` that are told; of `bearer` none, since its token says what its issuer made it say."""

    @property
    def sent_as(self) -> str:
        """Name of the header that tells it, in lower case."""
        return self.header or USUAL_HEADERS[self.method]


def forwarding_to_data(forwarding: HeaderForwarding) -> dict[str, Any]:
    """The forwarding as a JSON object for the store."""
    return {"mode": forwarding.mode, "headers": [list(pair) for pair in forwarding.headers]}


def forwarding_from_data(data: Mapping[str, Any]) -> HeaderForwarding:
    """The forwarding that `forwarding_to_data` wrote."""
    return HeaderForwarding(data["mode"], tuple((came, goes) for came, goes in data["headers"]))


def identity_to_data(identity: IdentityForwarding) -> dict[str, Any]:
    """What is told as a JSON object for the store."""
    return {"method": identity.method, "header": identity.header, "claims": list(identity.claims)}


def identity_from_data(data: Mapping[str, Any]) -> IdentityForwarding:
    """What `identity_to_data` wrote."""
    return IdentityForwarding(data["method"], data["header"], tuple(data["claims"]))
