"""Which IP addresses an outbound connection may go to. Pure: never resolves a name, never connects.

`ipaddress.is_global` alone is no guard. Python 3.11.7 calls 64:ff9b::a9fe:a9fe, 2002:a9fe:a9fe::, ::127.0.0.1, fec0::1,
192.88.99.1 and 224.0.0.1 global, and other patch releases differ. The special ranges are therefore spelled out here
(IANA special-purpose address registries, RFC 6890 as updated by RFC 8190), and `is_global` must agree on top.
"""

import ipaddress
from typing import Final

from gateway_core.egress.policy import IPAddress, IPNetwork, Policy


def _networks(text: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(word) for word in text.split())


NEVER: Final = _networks(
    "0.0.0.0/8 169.254.0.0/16 168.63.129.16/32 192.0.0.192/32 100.100.100.200/32 224.0.0.0/4 240.0.0.0/4 "
    "::/128 fe80::/10 fec0::/10 ff00::/8 fd00:ec2::/32 fd20:ce::254/128 fd00:42::42/128"
)
"""No operator's list opens these: a cloud's own endpoints (169.254.169.254 and 169.254.170.2 hand out credentials,
fd00:ec2::254, fd20:ce::254 and fd00:42::42 are the same of AWS, Google and Scaleway over IPv6, 168.63.129.16 is
Azure's, 192.0.0.192 Oracle's, 100.100.100.200 Alibaba's), and what is nobody's address."""

EMBEDDING: Final = _networks("::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 2001::/32 2002::/16")
"""IPv6 addresses that carry an IPv4 address: v4-compatible, v4-mapped, SIIT, NAT64 (RFC 6052, RFC 8215), Teredo, 6to4.
No operator's list opens them either: what they reach depends on a translator, not on the address."""

SPECIAL: Final = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 "
    "192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
    "2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20"
)
"""Not public: private, shared, documentation, benchmarking and protocol ranges."""

PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All that IANA has given out as global unicast (RFC 4291, section 2.4)."""

LOOPBACK: Final = _networks("127.0.0.0/8 ::1/128")

_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def allowed(address: IPAddress, policy: Policy) -> bool:
    """True when a connection to `address` may be opened under `policy`."""
    if is_loopback(address):
        return policy.loopback
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id is not None or embeds_ipv4(address)):
        return False
    if _within(address, NEVER):
        return False
    return _within(address, policy.networks) or _public(address)


def is_loopback(address: IPAddress) -> bool:
    """True for this machine, and only where it is named plainly: ::ffff:127.0.0.1 is not."""
    return _within(address, LOOPBACK)


def internal(address: IPAddress) -> bool:
    """True for one of a private network, however it came to be allowed: what listens there is nobody's business."""
    return not is_loopback(address) and not _public(address)


def embeds_ipv4(address: ipaddress.IPv6Address) -> bool:
    """True when some translator or tunnel would turn this address into an IPv4 one.

    ISATAP (RFC 5214, section 6.1) shows in the interface identifier, under any prefix.
    """
    return _within(address, EMBEDDING) or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP


def _public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in PUBLIC_V6:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not _within(address, SPECIAL)


def _within(address: IPAddress, networks: tuple[IPNetwork, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
