"""``leadmail setup``, as a deployment runs it once before its stages, and ``leadmail --version``."""

from __future__ import annotations

from importlib import metadata

from pymongo import MongoClient

from schemas.topology import queues
from tests.cli.fixtures import Deployment


def test_makes_what_stages_need(empty: Deployment) -> None:
    """It prints what exists afterwards; a second run changes nothing."""
    database = empty.environment["LEADMAIL_MONGO_DATABASE"]
    said = f"MongoDB: the database {database} has all collections and indexes.\nRabbitMQ: {len(queues())} queues are declared.\n"
    first, _, rest = said.partition("RabbitMQ")
    assert empty.ok("setup") == f"{first}RabbitMQ{rest}"
    assert empty.ok("setup") == said


def test_a_foreign_index_is_reported(empty: Deployment) -> None:
    """An index with other properties than ours fails it with one sentence that says what to do."""
    empty.ok("setup")
    with MongoClient[dict[str, object]](empty.environment["LEADMAIL_MONGO_URL"]) as client:
        ledger = client[empty.environment["LEADMAIL_MONGO_DATABASE"]]["ledger"]
        ledger.drop_index("marks")
        ledger.create_index("marks", name="marks", sparse=True)
    done = empty.run("setup")
    assert done.code == 3
    assert "ledger with other properties than this version of Leadmail needs" in done.errors
    assert "Drop it" in done.errors


def test_a_broker_that_is_down_is_reported(empty: Deployment) -> None:
    """Without RabbitMQ it fails, so that a job is retried."""
    done = empty.run("setup", LEADMAIL_RABBITMQ_URL="amqp://x:y@127.0.0.1:1/x")
    assert done.code == 3
    assert "RabbitMQ at 127.0.0.1:1 accepts no connection" in done.errors


def test_tells_its_version(empty: Deployment) -> None:
    """The version is that of the package."""
    assert empty.ok("--version") == f"leadmail {metadata.version('leadmail')}\n"
