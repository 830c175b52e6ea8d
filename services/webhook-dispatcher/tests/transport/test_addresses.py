from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.transport import AddressPolicy

REFUSED_NETWORKS = [
    # IANA IPv4 Special-Purpose Address Registry
    "0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
    # multicast, and a cloud's metadata server on a public address
    "224.0.0.0/4", "168.63.129.16/32",
    # IANA IPv6 Special-Purpose Address Registry
    "::1/128", "::/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
    "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48",
    "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    "5f00::/16", "fc00::/7", "fe80::/10",
    # the rest of IPv6 that is not global unicast, and what was returned
    "::/96", "::ffff:0:0:0/96", "::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "3ffe::/16", "4000::/3",
    "6000::/3", "8000::/3", "a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9", "fec0::/10", "ff00::/8",
]  # fmt: skip

PUBLIC = [
    "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0",
    "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700::1111",
    "2620:4f:7fff::1", "2620:4f:8001::1", "2a00:1450::1", "3ffd:ffff::1", "3fff:1000::1",
]  # fmt: skip

POLICY = AddressPolicy()


@pytest.mark.parametrize("network", REFUSED_NETWORKS)
def test_both_edges_and_the_middle_of_every_special_range_are_refused(network):
    net = ip_network(network)
    for address in (net[0], net[net.num_addresses // 2], net[-1]):
        assert POLICY.refusal(address), address
        assert POLICY.refusal(str(address)), address


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_next_to_special_ranges_are_allowed(address):
    assert POLICY.refusal(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.0.0.1", "1.1.1.1/32", " 1.1.1.1", "1.1.1.1\n", "::g"])
def test_text_that_is_no_address_is_refused(text):
    assert POLICY.refusal(text)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1111%1"])
def test_an_address_bound_to_a_zone_is_refused_even_if_its_network_is_allowed(address):
    assert POLICY.refusal(address)
    assert AddressPolicy([ip_network("::/0")]).refusal(address)


def test_an_allowed_network_is_exempt_and_its_neighbours_are_not():
    policy = AddressPolicy([ip_network("127.0.0.1/32"), ip_network("fd00:1::/32")])
    assert policy.refusal("127.0.0.1") is None
    assert policy.refusal("fd00:1::7") is None
    assert policy.refusal("127.0.0.2")
    assert policy.refusal("fd00:2::7")
    assert policy.refusal("::ffff:127.0.0.1")


@pytest.mark.parametrize(
    "form",
    [
        "::ffff:{v4}", "::ffff:0:{v4}", "::{v4}", "64:ff9b::{v4}", "64:ff9b:1::{v4}", "64:ff9b:1:{hi:x}:{lo8:x}:{lo24:x}::",
        "2002:{hi:x}:{lo:x}::1", "2001:0:{hi:x}:{lo:x}::f7f7:f7f7", "2001:0:808:808::{not_hi:x}:{not_lo:x}",
        "2606:4700::5efe:{v4}", "2606:4700::200:5efe:{v4}",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("inner", "allowed"), [("10.1.2.3", False), ("127.0.0.1", False), ("169.254.169.254", False), ("8.8.8.8", True)]
)
def test_an_exempt_ipv6_form_opens_no_private_ipv4_address(form, inner, allowed):
    bits = int(IPv4Address(inner))
    hi, lo = bits >> 16, bits & 0xFFFF
    text = form.format(
        v4=inner, hi=hi, lo=lo, lo8=lo >> 8, lo24=(lo & 0xFF) << 8, not_hi=hi ^ 0xFFFF, not_lo=lo ^ 0xFFFF
    )  # fmt: skip
    everything = AddressPolicy([ip_network("::/0")])
    assert (everything.refusal(ip_address(text)) is None) == allowed
    assert AddressPolicy([ip_network("::/0"), ip_network("0.0.0.0/0")]).refusal(ip_address(text)) is None


def test_the_loopback_of_ipv6_needs_no_ipv4_exemption():
    assert AddressPolicy([ip_network("::1/128")]).refusal("::1") is None


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_knows_to_be_private_in_ipv4_is_never_allowed(address):
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert POLICY.refusal(address)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_what_python_knows_to_be_private_in_ipv6_is_never_allowed(address):
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_site_local:
        assert POLICY.refusal(address)
