"""URLs, read strictly: what cannot be understood in exactly one way is refused. Pure: resolves no name."""

import ipaddress
import re
from typing import Final, NamedTuple

from gateway_core.egress import addresses
from gateway_core.egress.policy import DEFAULT_PORTS, IPAddress, Origin, Policy
from gateway_core.errors import Invalid

MAX_URL: Final = 2048
"""Characters. Longer ones are cut by proxies on the way."""

_URL: Final = re.compile(r"(https?)://([^/?#\\@]*)(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE | re.ASCII)
"""ASCII, because IGNORECASE alone takes U+017F for an s, and U+212A, U+0130 and U+0131 for letters of [a-z]."""
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::([1-9][0-9]{0,4}))?", re.IGNORECASE | re.ASCII)
_PATH: Final = re.compile(r"(?:[!$&-;=?-Z_a-z~]|\[|\]|%(?![01][0-9a-f]|7f)[0-9a-f]{2})*", re.IGNORECASE | re.ASCII)
"""RFC 3986, section 3.3 and 3.4, and brackets, which real queries hold. An encoded control character is refused."""
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")

LOCALHOST: Final = ("localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback")
"""Names that hosts files give to this machine; `*.localhost` besides (RFC 6761, section 6.3)."""


class Target(NamedTuple):
    """A URL that may be called, as far as it can be told without resolving its name."""

    scheme: str
    host: str
    """Lower case, ASCII, without a trailing dot; an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query as they go on the wire; starts with "/"."""
    address: IPAddress | None
    """Set when the host is written as an address; then nothing is resolved."""

    @property
    def origin(self) -> Origin:
        """What connections are kept by."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The Host header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, policy: Policy) -> Target:
    """The target of `url`, for the moment when somebody saves it.

    Raises:
        Invalid: It can never be called under `policy`; the message says why.
    """
    target = read_target(url, policy)
    if isinstance(target, str):
        raise Invalid(target)
    return target


def read_target(url: str, policy: Policy) -> Target | str:
    """The target of `url`, or in one public sentence why it can never be called under `policy`."""
    target = parse_url(url)
    if isinstance(target, str):
        return target
    refusal = _refusal_of_exact_origin(target, policy) if policy.origins else _refusal(target, policy)
    return refusal or target


def names_loopback(target: Target) -> bool:
    """True when the host says plainly that it is this machine."""
    if target.address is not None:
        return addresses.is_loopback(target.address)
    return target.host in LOCALHOST or target.host.endswith(".localhost")


def _refusal_of_exact_origin(target: Target, policy: Policy) -> str | None:
    return None if target.origin in policy.origins else "This endpoint is not one that the gateway may call."


def _refusal(target: Target, policy: Policy) -> str | None:
    here = names_loopback(target)
    if here and not policy.loopback:
        return "This machine's own addresses cannot be reached through the gateway."
    if target.scheme != "https" and not here:
        return "The URL must start with https://."
    if target.port not in policy.ports and not here:
        return (
            f"Port {target.port} is not open for upstream servers. Open: {', '.join(map(str, policy.ports))}. "
            "An operator opens others with EGRESS_PORTS."
        )
    if {target.host, f"{target.host}:{target.port}"} & policy.own_hosts:
        return "The URL points back at this gateway."
    forbidden = (target.host, target.port) in policy.forbidden
    if forbidden or (target.address is not None and not addresses.allowed(target.address, policy)):
        return "This address is not public. An operator opens its network with EGRESS_ALLOW."
    return None


def parse_url(url: str) -> Target | str:
    """The target of `url` wherever it leads, or in one public sentence why it is not understood in exactly one way."""
    if len(url) > MAX_URL:
        return f"The URL is longer than {MAX_URL} characters."
    parts = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(parts[2]) if parts else None
    if parts is None or authority is None:
        return "Write the URL like https://host/path, without spaces, user name, password or fragment."
    path = (parts[3] or "/") + (parts[4] or "")
    if not _PATH.fullmatch(path):
        return "The path of the URL contains a character that must be percent-encoded."
    scheme = parts[1].lower()
    port = int(authority[2] or DEFAULT_PORTS[scheme])
    if port > 65535:
        return "The port of the URL is larger than 65535."
    host = _host(authority[1])
    if host is None:
        return "The host of the URL is not a name or an address in its usual form."
    return Target(scheme=scheme, host=str(host), port=port, path=path, address=None if isinstance(host, str) else host)


def _host(text: str) -> str | IPAddress | None:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    name = _ascii(text)
    if name is None:
        return None
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers read 127.1, 2130706433 and 0x7f000001 as addresses; only the dotted quad means one thing everywhere.
        return _ipv4(name)
    return name if len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) else None


def _ascii(text: str) -> str | None:
    """The name as DNS knows it (RFC 3490): ①②⑦ become digits here and are then judged as such."""
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name.lower().removesuffix(".")


def _ipv4(text: str) -> IPAddress | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _ipv6(text: str) -> IPAddress | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None
