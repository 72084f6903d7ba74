"""Redirect URIs: which may be registered, which one a request may name, and how an answer is put on one. Pure.

What a browser, a phone and this module could understand in different ways is refused. Nothing is ever normalised:
what was registered is what is compared, and what is redirected to.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit

MAX_LENGTH: Final = 1_000
"""Characters of one redirect URI; the longest seen in the field has 90."""
PRIVATE_SCHEMES: Final = frozenset(
    {"cursor", "vscode", "vscode-insiders", "vscodium", "windsurf", "zed", "kiro", "goose"}
)
"""Schemes without a dot that editors registered for themselves. All others need one (RFC 8252, section 7.1)."""
ANSWERED: Final = frozenset({"code", "state", "iss", "error", "error_description"})
"""Parameters of an answer. One that stood in the URI before could be taken for ours, `iss` too (RFC 9207)."""
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""RFC 8252, section 7.3, and `localhost`, which most clients use."""

_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%(?![01][0-9A-Fa-f]|7[Ff])[0-9A-Fa-f]{2})+")
"""RFC 3986, section 2, without `#`; an encoded control character is refused like a plain one."""
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)")
_WEB: Final = re.compile(r"//(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([1-9][0-9]{0,4}))?((?:[/?][^\[\]]*)?)")
"""Brackets stand around an IPv6 address and nowhere else (RFC 3986, section 3.2.2)."""
_REVERSE_DOMAIN: Final = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+")
_PRIVATE_REST: Final = re.compile(r"/(?:[^/\[\]][^\[\]]*)?|//[A-Za-z0-9.-]+(?:[/?][^\[\]]*)?")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOOPBACK: Final = re.compile(
    r"(http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?][^\[\]]*)?)", re.IGNORECASE | re.ASCII
)


def problem_of(uri: str) -> str | None:
    """Why `uri` cannot be registered, in one public clause, or None."""
    if len(uri) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters"
    if "#" in uri:
        return "it has a fragment"
    if not _CHARACTERS.fullmatch(uri):
        return "it holds a character that no URI may hold"
    parts = _SCHEME.fullmatch(uri)
    if parts is None:
        return "it is not an absolute URI"
    scheme, rest = parts[1].lower(), parts[2]
    problem = _web_problem(scheme, rest) if scheme in ("http", "https") else _private_problem(scheme, rest)
    if problem is None and _answered_already(uri):
        return "its query holds a parameter that only an answer may have"
    return problem


def is_loopback(uri: str) -> bool:
    """True when `uri` leads to a program on the person's own machine by http."""
    return _LOOPBACK.fullmatch(uri) is not None


def leads_to(uri: str, public_url: str) -> bool:
    """True when `uri` leads to the origin of `public_url`; every name of this machine counts as the same.

    Args:
        uri: One that could be registered, or is matched by one.
        public_url: The gateway's own.
    """
    return _origin(uri) == _origin(public_url)


def matches(registered: str, asked: str) -> bool:
    """True when a request may name `asked` where `registered` was registered.

    The same bytes (RFC 9700, section 4.1.3), or the same but for the port of a loopback address (RFC 8252, section
    7.3). There an empty path and "/" are one, as they are on the wire (RFC 3986, section 6.2.3).
    """
    if registered == asked:
        return True
    one, other = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(asked)
    if one is None or other is None or int(other[2] or 80) > 65535:
        return False
    return one[1] == other[1] and (one[3] or "/") == (other[3] or "/")


def with_parameters(uri: str, parameters: Sequence[tuple[str, str]]) -> str:
    """`uri` with `parameters` at the end of its query. What was there stays byte for byte."""
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
    if "?" not in uri:
        return f"{uri}?{added}"
    return uri + added if uri.endswith(("?", "&")) else f"{uri}&{added}"


def _answered_already(uri: str) -> bool:
    """In any spelling that some client might read as one of those parameters."""
    names = (part.partition("=")[0] for part in re.split("[&;]", uri.partition("?")[2]))
    return any(unquote_plus(name).lower() in ANSWERED for name in names)


def _origin(uri: str) -> tuple[str, str, int]:
    parts = urlsplit(uri)
    host = parts.hostname or ""
    here = host in ("localhost", "127.0.0.1", "::1")
    return parts.scheme, "this machine" if here else host, parts.port or (80 if parts.scheme == "http" else 443)


def _web_problem(scheme: str, rest: str) -> str | None:
    parts = _WEB.fullmatch(rest)
    if parts is None or int(parts[2] or 1) > 65535:
        return "write it like https://app.example/callback, without user name or password"
    host = parts[1].lower()
    if scheme == "http":
        return None if host in LOOPBACK_HOSTS else "http is for this machine alone (localhost, 127.0.0.1, [::1])"
    return None if _is_host(host) else "its host is not a name or an address in its usual form"


def _private_problem(scheme: str, rest: str) -> str | None:
    if scheme not in PRIVATE_SCHEMES and not _REVERSE_DOMAIN.fullmatch(scheme):
        return f"the scheme {scheme[:40]}: is not one that the gateway redirects to"
    if not _PRIVATE_REST.fullmatch(rest):
        return "after its scheme it needs a path, like com.example.app:/callback"
    return None


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
            return True
        labels = host.split(".")
        # Browsers read 127.1, 2130706433 and 0x7f.1 as addresses; only the dotted quad means one thing everywhere.
        if labels[-1].isdigit() or labels[-1].startswith("0x"):
            ipaddress.IPv4Address(host)
            return True
    except ValueError:
        return False
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
