"""Fixtures for the mailbox tests."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection.policy import ConnectPolicy
from testbed.local import LocalServers
from tests.mailbox.scripted_server import Authority, make_authority, make_policy


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this run's own."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def policy(authority: Authority) -> ConnectPolicy:
    """A policy that allows loopback and plain text, trusts the test's authority, and gives up after two seconds."""
    return make_policy(authority.ca_file)


@pytest.fixture
def live(servers: LocalServers) -> ConnectPolicy:
    """A policy under which the real servers of the run can be reached."""
    return ConnectPolicy.build(
        allow_networks=(ip_network("127.0.0.0/8"),), ca_file=servers.imap.ca_file, allow_plaintext=True
    )


@pytest.fixture
def imap_at(servers: LocalServers) -> Callable[[Any, Tls], ServerAddress]:
    """The real Dovecot as a user's incoming server."""

    def at(user: Any, tls: Tls) -> ServerAddress:
        port = servers.imap.tls_port if tls == "tls" else servers.imap.port
        return ServerAddress(host=servers.imap.host, port=port, tls=tls, username=user.address)

    return at


@pytest.fixture
def smtp_at(servers: LocalServers) -> Callable[[Any, Tls], ServerAddress]:
    """The SMTP sink as a user's outgoing server."""

    def at(user: Any, tls: Tls) -> ServerAddress:
        port = servers.smtp.tls_port if tls == "tls" else servers.smtp.port
        return ServerAddress(host=servers.smtp.host, port=port, tls=tls, username=user.address)

    return at
