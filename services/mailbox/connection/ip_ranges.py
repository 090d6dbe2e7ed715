"""Whether an IP address belongs to the public internet.

Written out from the IANA special-purpose registries (RFC 6890 and its updates) rather than taken from ``ipaddress``,
whose ``is_global`` answers differently from one Python patch release to the next (CVE-2024-4032).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers (CGNAT), also Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, reachable from its virtual machines only
        "169.254.0.0/16",  # link-local, the clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relay, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


def embedded(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that is embedded in an IPv6 address (v4-mapped, NAT64, 6to4), or the address itself."""
    if isinstance(address, IPv6Address):
        if address in _MAPPED or address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _6TO4:
            return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def is_public(text: str) -> bool:
    """Whether the address is reachable on the public internet. False for anything but a plain address, such as ``fe80::1%eth0``."""
    try:
        address = embedded(ip_address(text))
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None:
        return False
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def in_networks(text: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether the address, or the IPv4 address embedded in it, is in one of ``networks``."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    plain = embedded(address)
    return any(address in network or plain in network for network in networks)
