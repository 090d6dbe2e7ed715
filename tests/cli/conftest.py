"""The command on real servers, with databases and a virtual host for each test."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator

import pytest
import structlog
from pymongo import MongoClient

from testbed.local import LocalServers
from tests.cli.fixtures import Deployment, fill


@pytest.fixture
def empty(environment: dict[str, str], servers: LocalServers, mongo_database: str) -> Iterator[Deployment]:
    """A deployment without users, accounts or mail."""
    crm = f"{mongo_database}_crm"
    own = {
        "LEADMAIL_SECRET_KEY": base64.b64encode(b"k" * 32).decode(),
        "LEADMAIL_CRM_DATABASE": crm,
        "COLUMNS": "200",
    }
    yield Deployment(environment | own)
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        client.drop_database(crm)


@pytest.fixture
def deployment(empty: Deployment) -> Deployment:
    """A deployment with a little of everything."""
    empty.store(fill)
    return empty


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Restore the logging set-up. A command logs to a stream that closes with its test, so later tests must not write there."""
    before = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before
