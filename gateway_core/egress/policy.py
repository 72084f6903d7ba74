"""Where an outbound request may go, as one value. Pure: reads no environment, resolves no name."""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from gateway_core.errors import Invalid

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

Origin = tuple[str, str, int]
"""Scheme, host and port (RFC 6454, section 4), normalised as in `targets.Target`."""

DEFAULT_PORTS = {"https": 443, "http": 80}
"""Ports that a URL, and the Host header, leave unsaid."""


class Policy(NamedTuple):
    """What may be reached. As it stands: public addresses over https, and nothing else."""

    loopback: bool = False
    """The local run: this machine may be reached as well, on any port and over plain http."""
    networks: tuple[IPNetwork, ...] = ()
    """Private networks that the operator opened. They never open what `addresses.NEVER` lists."""
    ports: tuple[int, ...] = (443, 8443)
    forbidden: frozenset[tuple[str, int]] = frozenset()
    """(host or address, port) that stay shut whatever else is allowed: the Lambda Runtime API, credential endpoints."""
    own_hosts: frozenset[str] = frozenset()
    """Our own public `host` or `host:port`: a server that points back at the gateway is a loop."""
    origins: frozenset[Origin] = frozenset()
    """When there are any, exactly these origins may be reached, at whatever address their names have."""

    @classmethod
    def for_aws(cls, urls: Iterable[str]) -> Self:
        """Exactly the origins of `urls`, which the operator set and no caller can influence.

        Their addresses are not vetted: a VPC endpoint has a private one, an emulator in tests a loopback one over http.
        """
        return cls(ports=(), origins=frozenset(_origin(url) for url in urls))


def read_networks(words: Iterable[str]) -> tuple[IPNetwork, ...]:
    """CIDR notation as networks.

    Raises:
        Invalid: A word is no network, or has bits set behind its prefix.
    """
    networks: list[IPNetwork] = []
    for word in words:
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError:
            raise Invalid(f"{word!r} is not a network. Write it like 10.0.0.0/8 or fd12:3456::/32.") from None
    return tuple(networks)


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise Invalid(f"{url!r} is not the URL of an endpoint. Write it like https://host.")
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]
