"""How a client is told apart on a page: who vouches for its name, where it will be answered, until when. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway_core.access.api_keys import day
from gateway_core.access.grants import ClientKind
from gateway_core.issuer.metadata_documents import host_of
from gateway_core.issuer.rotation import IDLE_S

Trust = Literal["verified", "published", "entered", "built_in", "unverified"]
"""A web site that this gateway knows vouches for it, any web site does, an administrator entered it, it is our own
command line, or nobody knows it."""
_TRUST: Final[Mapping[ClientKind, Trust]] = {
    "metadata_document": "published",
    "registered": "entered",
    "built_in": "built_in",
    "dynamic": "unverified",
}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A client as a person is told of it."""

    name: str
    trust: Trust
    host: str | None
    """The web site that vouches."""
    address: str
    """Where the answer goes: host and port, or the scheme of a program."""
    loopback: bool
    """The answer goes to a program on the person's own computer."""
    program: bool
    """The answer goes to whichever program claims the scheme."""
    elsewhere: bool
    """The answer goes to another web site than the one that vouches."""


@dataclass(frozen=True, slots=True)
class Life:
    """How long a client is let in for, unless the person ends it."""

    until: str
    """The last day, e.g. `17 May 2027`."""
    unused_days: int
    """It ends earlier when it was not used for so long."""


def life(expires_at: int) -> Life:
    """That of a grant which ends at `expires_at` (Unix seconds), however often it is refreshed."""
    return Life(day(expires_at), IDLE_S // 86_400)


def trust_in(kind: ClientKind, *, well_known: bool) -> Trust:
    """Who vouches for a client of that kind.

    Args:
        kind: How the gateway knows it.
        well_known: Its metadata document is one of those that come with the gateway. Everybody can have a web site with
            a document on it, so another proves no more than that somebody has that site.
    """
    return "verified" if kind == "metadata_document" and well_known else _TRUST[kind]


def shown(*, name: str, trust: Trust, host: str | None, redirect_uri: str) -> Shown:
    """The client of an authorization request, or of a grant; `host` is the web site that vouches, if one does."""
    scheme, returns_to, port = _parts(redirect_uri)
    web = scheme in ("http", "https")
    loopback = web and returns_to in _LOOPBACK
    bare = f"[{returns_to}]" if ":" in returns_to else returns_to
    return Shown(
        name=name.strip() or "no name",
        trust=trust,
        host=host,
        address=(f"{bare}:{port}" if port else bare) if web else f"{scheme}://",
        loopback=loopback,
        program=not web,
        elsewhere=web and not loopback and host is not None and returns_to != _parts(f"https://{host}")[1],
    )


def document_host(client_id: str, kind: ClientKind) -> str | None:
    """The host that vouches for a client of a grant: that of its metadata document."""
    return host_of(client_id) if kind == "metadata_document" else None


def _parts(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", "", None
