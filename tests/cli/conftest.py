"""The command on real servers, with databases and a virtual host of the test's own."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator

import pytest
import structlog
from pymongo import MongoClient

from testbed.local import LocalServers
from tests.cli.fixtures import World, fill


@pytest.fixture
def empty(environment: dict[str, str], servers: LocalServers, mongo_database: str) -> Iterator[World]:
    """A deployment without anything."""
    crm = f"{mongo_database}_crm"
    own = {
        "LEADMAIL_SECRET_KEY": base64.b64encode(b"k" * 32).decode(),
        "LEADMAIL_CRM_DATABASE": crm,
        "COLUMNS": "200",
    }
    yield World(environment | own)
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        client.drop_database(crm)


@pytest.fixture
def world(empty: World) -> World:
    """A deployment with a little of everything."""
    empty.store(fill)
    return empty


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command sets logs up for its process, on a stream that ends with the test: what comes after must not write there."""
    before = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before
