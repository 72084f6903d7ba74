"""Where metadata stands, and which URLs in it are believed. Pure.

URLs are compared as they are written: only scheme, host and port, which have one spelling each, are normalised.
"""

from functools import lru_cache
from typing import Final

from gateway_core.egress import Target, names_loopback, parse_url

RESOURCE: Final = "oauth-protected-resource"
"""RFC 9728, section 3."""
SERVER: Final = "oauth-authorization-server"
"""RFC 8414, section 3."""
OPENID: Final = "openid-configuration"
"""OpenID Connect Discovery 1.0, section 4."""


def resource_documents(url: str) -> tuple[str, ...]:
    """Where the metadata of the server at `url` stands where no challenge says it: under its path, then at the root
    (2026-07-28 authorization-server-discovery, Protected Resource Metadata Discovery Requirements).

    Raises:
        ValueError: `url` is none.
    """
    target = _target(url)
    origin = f"{target.scheme}://{target.authority}"
    root = f"{origin}/.well-known/{RESOURCE}"
    # RFC 9728, section 3.1: only the slash after the host is taken off.
    return (root,) if target.path == "/" else (f"{root}{_rest(target)}", root)


def server_documents(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an authorization server may stand, in the order to try
    (2026-07-28 authorization-server-discovery, Authorization Server Metadata Discovery).

    Raises:
        ValueError: `issuer` is no URL.
    """
    target = _target(issuer)
    origin = f"{target.scheme}://{target.authority}"
    # RFC 8414, section 3.1: a slash at the end is taken off before anything is put in.
    path = target.path.removesuffix("/")
    if not path:
        return f"{origin}/.well-known/{SERVER}", f"{origin}/.well-known/{OPENID}"
    return (
        f"{origin}/.well-known/{SERVER}{path}",
        f"{origin}/.well-known/{OPENID}{path}",
        f"{origin}{path}/.well-known/{OPENID}",
    )


@lru_cache(maxsize=1_024)
def origin_of(url: str) -> str:
    """`scheme://host[:port]` of a URL. Kept, since it is asked with each request.

    Raises:
        ValueError: `url` is none.
    """
    target = _target(url)
    return f"{target.scheme}://{target.authority}"


def canonical(url: str) -> str:
    """The server at `url` as a resource (2026-07-28 authorization, Canonical Server URI): no slash where there is no
    path.

    Raises:
        ValueError: `url` is none.
    """
    return origin_of(url) + ("" if _target(url).path == "/" else _target(url).path)


def covers(resource: str, url: str) -> bool:
    """True when the server at `url` is the protected resource `resource`, or lies below it.

    RFC 9728, section 3.3, wants the two identical. As the official SDKs do, and as
    draft-mcguinness-oauth-rfc9728bis-01 proposes, a parent of the same origin is taken too: there are servers that
    publish one document for all that they serve. A path ends at a slash: /mcp is no parent of /mcp2.
    """
    wide, exact = parse_url(resource), parse_url(url)
    if isinstance(wide, str) or isinstance(exact, str) or wide.origin != exact.origin:
        return False
    if "?" in wide.path:
        return wide.path == exact.path
    path = exact.path.partition("?")[0]
    return f"{path}/".startswith(f"{wide.path.removesuffix('/')}/")


def refusal_of(url: object, *, plain_http: bool) -> str | None:
    """Why an issuer or endpoint that a document names cannot be used, in a few words; None when it can.

    2026-07-28 authorization/security-considerations, Communication Security: https. Plain http only on this machine,
    and only where `plain_http` says that the server itself is reached so.
    """
    if not isinstance(url, str):
        return "is not there" if url is None else "is no text"
    if not url.isascii():
        # RFC 3986, section 2. People read the host before they log in there, and letters of two scripts look alike.
        return "is not in ASCII, in which a host of another script is written xn--…"
    target = parse_url(url)
    if isinstance(target, str):
        return "is no URL that can be read in exactly one way"
    if target.scheme != "https" and not (plain_http and names_loopback(target)):
        return "does not start with https://"
    return None


def _rest(target: Target) -> str:
    return target.path.removeprefix("/") if target.path.startswith("/?") else target.path


def _target(url: str) -> Target:
    target = parse_url(url)
    if isinstance(target, str):
        raise ValueError(target)  # noqa: TRY004 - the text was wrong, not its type
    return target
