"""The guard: resolve once, check all, connect to what was checked."""

from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest

from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.netguard import NetGuard, system_resolve
from tests.mailbox.scripted_server import LOOPBACK, black_hole


def _guard(*addresses: str, allow: str = "") -> NetGuard:
    return NetGuard(allow=tuple(map(ip_network, allow.split())), resolve=lambda _name: list(addresses))


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    """A name with a public and a private address is refused: the resolver's order must not decide."""
    with pytest.raises(MailServerError) as refused:
        _guard("8.8.8.8", "10.0.0.1").addresses("mail.example.com")
    assert refused.value.code is Code.NOT_PUBLIC


def test_a_name_that_leads_inside_reads_like_one_that_does_not_exist() -> None:
    """The error of an internal name and of an unknown name are equal, so that typing names reveals nothing of the network."""

    def unknown(_name: str) -> list[str]:
        raise socket.gaierror("Name or service not known")

    texts = set()
    for guard in (_guard("10.0.0.1"), _guard("169.254.169.254"), NetGuard(resolve=unknown)):
        with pytest.raises(MailServerError) as refused:
            guard.addresses("mail.example.com")
        texts.add((refused.value.code, str(refused.value)))
    assert len(texts) == 1
    assert "10.0.0.1" not in str(texts)


def test_the_operators_networks_are_allowed() -> None:
    """With LEADMAIL_ALLOW_NETWORKS the private address passes, beside public ones, and no other."""
    assert set(_guard("8.8.8.8", "10.0.0.1", allow="10.0.0.0/8").addresses("mail.example.com")) == {
        "8.8.8.8",
        "10.0.0.1",
    }
    with pytest.raises(MailServerError):
        _guard("10.0.0.1", "192.168.0.1", allow="10.0.0.0/8").addresses("mail.example.com")


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name is asked for once, and a second answer (DNS rebinding) would change nothing."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def resolve(name: str) -> list[str]:
            asked.append(name)
            return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

        with NetGuard(allow=LOOPBACK, resolve=resolve).connect(
            "Mail.Example.COM", listener.getsockname()[1], timeout=2
        ) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"
            assert sock.gettimeout() == 2
    assert asked == ["mail.example.com"]


def test_the_next_address_is_tried_when_one_is_dead() -> None:
    """A server with a dead address is reached by its other one, within the common time."""
    with black_hole() as _, socket.create_server(("127.0.0.2", 0)) as listener:
        guard = NetGuard(allow=LOOPBACK, resolve=lambda _name: ["127.0.0.3", "127.0.0.2"])
        with guard.connect("mail.example.com", listener.getsockname()[1], timeout=5) as sock:
            assert sock.getpeername()[0] == "127.0.0.2"


def test_both_families_take_turns() -> None:
    """IPv6 and IPv4 addresses alternate, so that a family without a route costs one try."""
    guard = _guard("8.8.8.8", "8.8.4.4", "2a00::1", "2a00::2")
    assert guard.addresses("mail.example.com") == ("2a00::1", "8.8.8.8", "2a00::2", "8.8.4.4")


def test_a_closed_port_is_a_wrong_server() -> None:
    """Where nothing listens the user learns that the name or port is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MailServerError) as refused:
        NetGuard(allow=LOOPBACK, resolve=lambda _name: ["127.0.0.1"]).connect("mail.example.com", port, timeout=2)
    assert refused.value.code is Code.WRONG_SERVER


def test_a_black_hole_ends_in_time() -> None:
    """An address that swallows packets costs the given time and no more."""
    with black_hole() as port, pytest.raises(MailServerError) as refused:
        NetGuard(allow=LOOPBACK, resolve=lambda _name: ["127.0.0.1"]).connect("mail.example.com", port, timeout=0.3)
    assert refused.value.code is Code.TIMEOUT
    assert refused.value.transient


def test_a_name_with_a_line_break_is_never_resolved() -> None:
    """What is no host name is refused before the resolver sees it."""
    asked: list[str] = []

    def resolve(name: str) -> list[str]:
        asked.append(name)
        return ["8.8.8.8"]

    with pytest.raises(MailServerError) as refused:
        NetGuard(resolve=resolve).addresses("imap.example.com\r\nA1 LOGOUT")
    assert refused.value.code is Code.WRONG_SERVER
    assert asked == []


def test_the_systems_resolver_gives_every_address_once() -> None:
    """Localhost resolves to loopback addresses, each once."""
    found = system_resolve("localhost")
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))


def test_a_silent_connection_is_asked_whether_it_is_there() -> None:
    """Before address translators forget it, and a lost one is noticed within two minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        guard = NetGuard(allow=LOOPBACK, resolve=lambda _name: ["127.0.0.1"])
        with guard.connect("mail.example.com", listener.getsockname()[1], timeout=2) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            idle, interval, count = (sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    assert idle < 240
    assert idle + interval * count <= 120
