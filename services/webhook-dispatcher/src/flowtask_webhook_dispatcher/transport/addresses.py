"""Which IP addresses a webhook may go to.

The list is our own: `ipaddress.is_global` of Python 3.11 calls 64:ff9b::/96 and 192.0.0.8 global, and it changes between
patch releases. Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), the IANA
multicast registries (RFC 5771, RFC 4291), and the IANA IPv6 address space registry, by which only 2000::/3 is global
unicast. Entries that IANA calls globally reachable (AS112, AMT, anycast relays) are refused too: no receiver lives there.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_V4_REASONS = {
    "0.0.0.0/8": "this network (RFC 791)",
    "10.0.0.0/8": "private use (RFC 1918)",
    "100.64.0.0/10": "shared address space (RFC 6598)",
    "127.0.0.0/8": "loopback (RFC 1122)",
    "168.63.129.16/32": "cloud platform metadata (Azure)",
    "169.254.0.0/16": "link local (RFC 3927)",
    "172.16.0.0/12": "private use (RFC 1918)",
    "192.0.0.0/24": "IETF protocol assignments (RFC 6890)",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.31.196.0/24": "AS112 (RFC 7535)",
    "192.52.193.0/24": "AMT (RFC 7450)",
    "192.88.99.0/24": "6to4 relay anycast (RFC 7526)",
    "192.168.0.0/16": "private use (RFC 1918)",
    "192.175.48.0/24": "AS112 (RFC 7534)",
    "198.18.0.0/15": "benchmarking (RFC 2544)",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast (RFC 5771)",
    "255.255.255.255/32": "limited broadcast (RFC 919)",
    "240.0.0.0/4": "reserved (RFC 1112)",
}

# The first match gives the reason, so a block stands before the wider one around it.
_V6_REASONS = {
    "::/128": "unspecified (RFC 4291)",
    "::1/128": "loopback (RFC 4291)",
    "::ffff:0:0/96": "IPv4-mapped (RFC 4291)",
    "::ffff:0:0:0/96": "IPv4-translated (RFC 2765)",
    "::/96": "IPv4-compatible (RFC 4291)",
    "64:ff9b::/96": "NAT64 (RFC 6052)",
    "64:ff9b:1::/48": "local-use NAT64 (RFC 8215)",
    "100::/64": "discard only (RFC 6666)",
    "100:0:0:1::/64": "dummy prefix (RFC 9780)",
    "2001::/32": "Teredo (RFC 4380)",
    "2001:2::/48": "benchmarking (RFC 5180)",
    "2001:3::/32": "AMT (RFC 7450)",
    "2001:4:112::/48": "AS112 (RFC 7535)",
    "2001:10::/28": "ORCHID (RFC 4843)",
    "2001:20::/28": "ORCHIDv2 (RFC 7343)",
    "2001:30::/28": "drone remote ID (RFC 9374)",
    "2001::/23": "IETF protocol assignments (RFC 2928)",
    "2001:db8::/32": "documentation (RFC 3849)",
    "2002::/16": "6to4 (RFC 3056)",
    "2620:4f:8000::/48": "AS112 (RFC 7534)",
    "3ffe::/16": "6bone, returned (RFC 3701)",
    "3fff::/20": "documentation (RFC 9637)",
    "5f00::/16": "SRv6 SIDs (RFC 9602)",
    "fc00::/7": "unique local (RFC 4193)",
    "fe80::/10": "link local (RFC 4291)",
    "fec0::/10": "site local (RFC 3879)",
    "ff00::/8": "multicast (RFC 4291)",
}

_V4_DENIED = tuple((IPv4Network(text), reason) for text, reason in _V4_REASONS.items())
_V6_DENIED = tuple((IPv6Network(text), reason) for text, reason in _V6_REASONS.items())
_V6_GLOBAL_UNICAST = IPv6Network("2000::/3")

_V4_IN_LOW_BITS = tuple(IPv6Network(n) for n in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96"))
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214, section 6.1: upper half of the interface identifier
_LOW_32 = 0xFFFFFFFF


class AddressPolicy:
    """Refuses every address that is not a public unicast one, except what lies in `allowed_networks`."""

    def __init__(self, allowed_networks: Sequence[Network] = ()) -> None:
        self._allowed_v4 = tuple(n for n in allowed_networks if isinstance(n, IPv4Network))
        self._allowed_v6 = tuple(n for n in allowed_networks if isinstance(n, IPv6Network))

    def refusal(self, address: Address | str) -> str | None:
        """Why no connection may be made to this address, or None if one may.

        An IPv6 address that carries an IPv4 one needs both allowed: exempting NAT64 opens the public IPv4 world
        behind it and not 10.0.0.0/8. Text that is no IP address is refused.
        """
        if isinstance(address, str):
            try:
                address = ip_address(address)
            except ValueError:
                return "not an IP address"
        if isinstance(address, IPv4Address):
            return self._refusal_v4(address)
        return self._refusal_v6(address)

    def _refusal_v4(self, address: IPv4Address) -> str | None:
        if any(address in network for network in self._allowed_v4):
            return None
        return next((reason for network, reason in _V4_DENIED if address in network), None)

    def _refusal_v6(self, address: IPv6Address) -> str | None:
        if address.scope_id is not None:
            return "bound to a zone (RFC 4007)"
        for inner in _embedded(address):
            if reason := self._refusal_v4(inner):
                return f"carries an IPv4 address: {reason}"
        if any(address in network for network in self._allowed_v6):
            return None
        for network, reason in _V6_DENIED:
            if address in network:
                return reason
        return None if address in _V6_GLOBAL_UNICAST else "not global unicast (RFC 4291)"


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Every IPv4 address that routers or relays would find inside this IPv6 address."""
    bits = int(address)
    low = bits & _LOW_32
    if any(address in network for network in _V4_IN_LOW_BITS):
        if bits > 1:  # `::` and `::1` are addresses of their own
            yield IPv4Address(low)
    elif address in _NAT64_LOCAL:
        # The prefix length is the operator's choice: /96 fills the low bits, /48 leaves them zero (RFC 6052, 2.2).
        yield IPv4Address(low or (bits >> 64 & 0xFFFF) << 16 | (bits >> 40 & 0xFFFF))
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif bits >> 32 & _LOW_32 in _ISATAP:
        yield IPv4Address(low)
