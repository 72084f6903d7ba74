"""Which addresses a server may have."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.egress import IPNetwork, Policy, read_networks
from gateway_core.egress.addresses import allowed
from gateway_core.errors import Invalid

PUBLIC = Policy()
LOCAL = Policy(loopback=True)
WIDE_OPEN = Policy(networks=read_networks(["0.0.0.0/0", "::/0"]))


def _words(table: str) -> list[str]:
    return table.split()


LAMBDA = _words("""
127.0.0.1 169.254.169.254 169.254.170.2 169.254.170.23 169.254.100.1 169.254.100.5 169.254.79.129 169.254.169.253
169.254.169.123 fd00:ec2::254 fd00:ec2::253 fd00:ec2::23
""")

CLOUDS = _words("168.63.129.16 192.0.0.192 100.100.100.200 fd20:ce::254 fd00:42::42")
"""Where other clouds tell a machine about itself."""

EMBEDDED = _words("""
::127.0.0.1 ::a9fe:a9fe ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1
64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::7f00:1 64:ff9b:1:ffff::a9fe:a9fe 2002:a9fe:a9fe::
2002:7f00:1:: 2002:808:808::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001::1 2a00:1450::5efe:7f00:1
2a00:1450::200:5efe:a9fe:a9fe 2606:4700::5efe:8.8.8.8
""")

SPECIAL = _words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
168.63.129.16 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1
192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 100::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2620:4f:8000::1 3fff::1
5f00::1 4000::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 fec0::a9fe:a9fe ff02::1 ff0e::1 fe80::1%eth0 2a00:1450::1%1
""")

ALLOWED = _words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 52.94.236.248 99.83.190.102 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1
169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1
223.255.255.255 2600:1f18::1 2606:4700:4700::1111 2a00:1450:4001:82a::200e 2400:cb00::1 2001:4860:4860::8888
""")


@pytest.mark.parametrize("text", LAMBDA + EMBEDDED + SPECIAL)
def test_an_address_that_is_not_plainly_public_is_refused(text: str):
    assert not allowed(ipaddress.ip_address(text), PUBLIC)


@pytest.mark.parametrize("text", ALLOWED)
def test_a_public_address_is_allowed(text: str):
    assert allowed(ipaddress.ip_address(text), PUBLIC)


@pytest.mark.parametrize("text", LAMBDA + CLOUDS + EMBEDDED)
def test_no_list_of_an_operator_opens_what_a_cloud_or_a_translator_answers(text: str):
    assert not allowed(ipaddress.ip_address(text), WIDE_OPEN)


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "fe80::1", "fec0::1", "::1"]
)
def test_no_list_of_an_operator_opens_what_is_no_host_in_a_private_network(text: str):
    assert not allowed(ipaddress.ip_address(text), WIDE_OPEN)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"),
        ("100.64.0.0/10", "100.64.0.1", "10.0.0.1"),
        ("192.168.7.7/32", "192.168.7.7", "192.168.7.8"),
        ("fd12:3456::/32", "fd12:3456::1", "fd12:3457::1"),
    ],
)
def test_an_operator_opens_exactly_the_networks_that_are_listed(network: str, inside: str, outside: str):
    policy = Policy(networks=read_networks([network]))
    assert allowed(ipaddress.ip_address(inside), policy)
    assert not allowed(ipaddress.ip_address(outside), policy)
    assert allowed(ipaddress.ip_address("8.8.8.8"), policy)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.9.9.9", "::1"])
def test_the_local_run_reaches_this_machine(text: str):
    assert allowed(ipaddress.ip_address(text), LOCAL)


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "::127.0.0.1", "0.0.0.0", "fd00:ec2::254"]
)
def test_the_local_run_reaches_nothing_else_that_is_special(text: str):
    assert not allowed(ipaddress.ip_address(text), LOCAL)


@pytest.mark.parametrize("word", ["10.0.0.1/8", "10.0.0.0/33", "everything", "", "10.0.0.0/8;"])
def test_a_network_that_is_not_written_exactly_is_refused(word: str):
    with pytest.raises(Invalid, match="is not a network"):
        read_networks([word])


IANA = [
    ipaddress.ip_network(word)
    for word in _words("""
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 240.0.0.0/4 255.255.255.255/32
    ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:2::/48
    2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48
    3fff::/20 5f00::/16 fc00::/7 fe80::/10
    224.0.0.0/4 ff00::/8 fec0::/10 ::/96 ::ffff:0:0:0/96 168.63.129.16/32
    """)
]
"""The special-purpose address registries (RFC 6890, as they stand), whatever they say of reachability; multicast
(RFC 5771, RFC 4291), what was once given out (RFC 3879, RFC 4291, section 2.5.5.1; RFC 2765), and Azure's platform."""
SPECIAL_V4 = [network for network in IANA if network.version == 4]
SPECIAL_V6 = [network for network in IANA if network.version == 6]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def public(address: Address) -> bool:
    """What anybody would read from the registries; ISATAP from the text of the address (RFC 5214, section 6.1)."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    given_out = address.exploded[0] in "23"
    tunnelled = address.exploded[20:30] in ("0000:5efe:", "0200:5efe:")
    return given_out and not tunnelled and not any(address in network for network in SPECIAL_V6)


@pytest.mark.parametrize("network", IANA, ids=str)
def test_a_special_range_is_refused_from_its_first_address_to_its_last_and_no_further(network: IPNetwork):
    first, last = network.network_address, network.broadcast_address
    assert not allowed(first, PUBLIC)
    assert not allowed(last, PUBLIC)
    beside = [int(first) - 1, int(last) + 1]
    for address in [type(first)(number) for number in beside if 0 <= number < 2**network.max_prefixlen]:
        assert allowed(address, PUBLIC) == public(address), address


def _embedding(inner: ipaddress.IPv4Address, rest: int, form: int) -> ipaddress.IPv6Address:
    """`inner` in every way that an IPv6 address can hold it, with `rest` (80 bits) where the way leaves room."""
    forms = (
        int(inner),
        0xFFFF << 32 | int(inner),
        0xFFFF << 48 | int(inner),
        0x64FF9B << 96 | int(inner),
        0x64FF9B0001 << 80 | (rest & 0xFFFFFFFFFFFF) << 32 | int(inner),
        0x2002 << 112 | int(inner) << 80 | rest,
        0x20010000 << 96 | int(inner) << 64 | rest >> 16,
        0x20010000 << 96 | rest >> 16 << 32 | ~int(inner) & 0xFFFFFFFF,
        0x2A << 120 | (rest & 2**56 - 1) << 64 | 0x5EFE << 32 | int(inner),
        0x2A << 120 | (rest & 2**56 - 1) << 64 | 0x02005EFE << 32 | int(inner),
    )
    return ipaddress.IPv6Address(forms[form])


embedded = st.builds(_embedding, st.ip_addresses(v=4), st.integers(0, 2**80 - 1), st.integers(0, 9))
inside = st.sampled_from(IANA).flatmap(lambda network: st.ip_addresses(network=network))


@given(st.one_of(inside, embedded))
@settings(max_examples=600, deadline=None)
def test_every_address_of_every_special_range_and_every_address_inside_another_is_refused(address: Address):
    assert not allowed(address, PUBLIC)


@given(embedded)
@settings(max_examples=300, deadline=None)
def test_no_list_of_an_operator_opens_an_address_inside_another(address: ipaddress.IPv6Address):
    assert not allowed(address, WIDE_OPEN)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(network="2000::/3"), st.ip_addresses(v=6)))
@settings(max_examples=600, deadline=None)
def test_every_address_is_judged_as_the_registries_have_it(address: Address):
    assert allowed(address, PUBLIC) == public(address)
