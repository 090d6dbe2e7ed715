"""Fixtures for the mailbox tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import AsyncMongoClient

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection.policy import ConnectPolicy
from services.settings import CliSettings
from services.store import Store, StoreConfig
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET, IdentityServer
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.mailbox.scripted_server import Authority, make_authority, make_policy

Settings = Callable[..., CliSettings]


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


@pytest.fixture
def user(new_mail_user: Callable[..., MailUser], identity: IdentityServer) -> MailUser:
    """The mailbox that sends: the application's own tokens open it."""
    user = new_mail_user()
    identity.set(app_user=user.address)
    return user


@pytest.fixture
def settings(servers: LocalServers, identity: IdentityServer, user: MailUser) -> Settings:
    """Return settings of a relay that takes no password."""

    def make(**changed: Any) -> CliSettings:
        url = f"smtps://{quote(user.address, safe='')}@{servers.smtp.host}:{servers.smtp.tls_port}"
        usual: dict[str, Any] = {
            "smtp_url": url,
            "mail_from": f"Leadmail <{user.address}>",
            "ca_file": str(servers.smtp.ca_file),
            "allow_plaintext": True,
            "smtp_oauth_client_id": CLIENT_ID,
            "smtp_oauth_client_secret": CLIENT_SECRET,
            "smtp_oauth_token_url": f"{identity.issuer}/token",
            "smtp_oauth_scopes": ("smtp-send",),
        }
        return CliSettings(**{**usual, **changed})

    return make


@pytest.fixture
def sent(servers: LocalServers, user: MailUser) -> Callable[[], int]:
    """Return how many mails were sent by the mailbox's login."""
    return lambda: sum(mail.login == user.address for mail in servers.sink.sent())


@pytest.fixture
async def store(servers: LocalServers, mongo_database: str) -> AsyncIterator[Store]:
    """An empty store."""
    async with AsyncMongoClient[dict[str, Any]](servers.mongo_url) as client:
        config = StoreConfig(blind_index_keys={"only": b"k" * 32})
        yield Store(client[mongo_database], client[f"{mongo_database}_crm"], config)
