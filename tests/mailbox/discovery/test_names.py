"""Which typed names and which addresses may be connected to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailbox.connection.hostname import HostNameError, host_name
from services.mailbox.connection.ip_ranges import in_networks, is_public


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("imap.Example.COM", "imap.example.com"),
        (" imap.example.com. ", "imap.example.com"),
        ("dovecot", "dovecot"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_a_typed_server_name_becomes_the_form_that_is_resolved(typed: str, name: str) -> None:
    """Case, spaces, the final dot and international letters are normalised; addresses stay addresses."""
    assert host_name(typed) == name.replace("::ffff:127.0.0.1", str(ipaddress.ip_address("::ffff:127.0.0.1")))


@pytest.mark.parametrize(
    "typed",
    [
        "", ".", "a..b", "-a.example", "a-.example", "a b.example", "a/b", "a@b.example", "a:143",
        "imap.example.com\r\nX", "a\0b", "a\n",
        "user:pw@host",
        "x" * 64 + ".example", "a." * 130 + "com", "127.1", "2130706433", "0x7f.1", "0177.0.0.01", "0x7f000001", "ex*mple.com",
        "a_b.example", "xn--\u0130.example", "fe80::1%eth0\r",
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(typed: str) -> None:
    """Control characters, separators, over-long labels and numbers in disguise never reach the resolver."""
    with pytest.raises(HostNameError):
        host_name(typed)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "142.250.1.1", "2a00:1450:4001::1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    """Ordinary IPv4 and IPv6 addresses pass, also in their mapped and translated forms."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255",
        "168.63.129.16", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1",
        "fe80::1", "fe80::1%eth0",
        "fec0::1", "ff02::1", "2001:4860::8888%1", "nonsense",
    ],
)  # fmt: skip
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    """Private, local, shared, special and documentation ranges are refused in every spelling."""
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_makes_an_ipv4_address_more_public(address: ipaddress.IPv4Address) -> None:
    """What is refused as IPv4 is refused v4-mapped, by NAT64 and by 6to4, and what is public stays so."""
    forms = (
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80) | 1)),
    )
    assert {is_public(form) for form in forms} == {is_public(str(address))}


@given(st.ip_addresses(v=4))
def test_nothing_that_python_calls_private_is_public(address: ipaddress.IPv4Address) -> None:
    """Our table refuses at least what the standard library's does."""
    assert not (address.is_private and is_public(str(address)))


def test_allowed_networks_cover_mapped_forms_too() -> None:
    """An operator who allows 10.0.0.0/8 allows its addresses however the resolver spells them."""
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert in_networks("10.9.8.7", networks)
    assert in_networks("::ffff:10.9.8.7", networks)
    assert in_networks("fd00::1", networks)
    assert not in_networks("192.168.0.1", networks)
