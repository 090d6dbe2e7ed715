"""Fixtures for tests against real servers: one start for the whole run, and separate databases, hosts and users for each test."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from pymongo import MongoClient

from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from testbed.mutants.run import running as shared

ROOM = 6 * 1024**3
"""Bytes that have to be free in memory for the servers' files."""

_numbers = itertools.count(1)

# What commands print is as wide as in a pipe, whatever terminal (or parallel worker, which claims to be one of 80 columns) this is.
os.environ.pop("COLUMNS", None)

# How long an example takes is a matter of the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@dataclass(frozen=True, slots=True)
class MailUser:
    """A mailbox made for one test."""

    address: str
    password: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever uses the servers, so that `-m "not servers"` is the fast, self-contained rest."""
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)


@contextmanager
def files_in_memory() -> Iterator[None]:
    """Let temporary folders lie in memory where there is room: waiting for the disk is a third of the time of a run."""
    memory, before = Path("/dev/shm"), tempfile.tempdir
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        tempfile.tempdir = str(memory)
    try:
        yield
    finally:
        tempfile.tempdir = before


@pytest.fixture(scope="session")
def servers() -> Iterator[LocalServers]:
    """RabbitMQ, MongoDB, Dovecot and the SMTP sink, started once; a test that stops one starts it again."""
    if shared:
        yield shared[0]
        return
    with ExitStack() as stack:
        with files_in_memory():
            running = stack.enter_context(LocalServers())
        yield running


@pytest.fixture
def mongo_database(servers: LocalServers) -> Iterator[str]:
    """The name of a database that is this test's alone (at `servers.mongo_url`)."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        client.drop_database(name)


@pytest.fixture
def rabbitmq_url(servers: LocalServers) -> Iterator[str]:
    """The URL of a virtual host that is this test's alone."""
    name = f"test-{secrets.token_hex(6)}"
    yield servers.broker.create_virtual_host(name)
    servers.broker.drop_virtual_host(name)


@pytest.fixture
def new_mail_user(servers: LocalServers) -> Callable[..., MailUser]:
    """Make mail users with an empty mailbox each: call it, with a name of your choice or without."""

    def make(name: str = "user") -> MailUser:
        user = MailUser(f"{name}-{next(_numbers)}-{secrets.token_hex(3)}@example.test", secrets.token_hex(8))
        servers.add_user(user.address, user.password)
        return user

    return make


@pytest.fixture
def identity(servers: LocalServers) -> Iterator[IdentityServer]:
    """The identity server whose tokens the mail servers take. It behaves again at the end of the test."""
    if servers.hosting != "processes":
        pytest.skip("a mail server in a container does not reach the identity server")
    found = servers.identity
    yield found
    if not found.alive():
        found.start()
    found.set(lifetime=3600, rotates=True, strict=False, skew=0, claims={}, app_user="", opens={}, faults={})


@pytest.fixture
def environment(servers: LocalServers, mongo_database: str, rabbitmq_url: str) -> dict[str, str]:
    """The LEADMAIL_* settings that point services at this test's own database and virtual host."""
    return {
        **servers.environment(),
        "LEADMAIL_RABBITMQ_URL": rabbitmq_url,
        "LEADMAIL_MONGO_DATABASE": mongo_database,
    }
