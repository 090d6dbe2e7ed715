"""The handler: raw mail from a message or from the blob store, blobs stored, ``MailParsed`` out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from schemas.errors import PermanentError
from schemas.messages import Copy, Lane, MailFetched, MailParsed
from services.amqp import Delivery, Done, Failed
from services.parser.handler import handle
from services.parser.worker_pool import WorkerPool
from services.store import Store, StoreConfig, copy_ref, email_ref
from tests.parser.samples import ACCOUNT, RECEIVED, mail, mixed, part

Database = AsyncDatabase[dict[str, Any]]
NOTICED = datetime(2025, 3, 3, 12, 0, 1, tzinfo=UTC)


@pytest.fixture
async def database(servers: Any, mongo_database: str) -> AsyncIterator[Database]:
    """This test's own database."""
    async with AsyncMongoClient[dict[str, Any]](servers.mongo_url, tz_aware=True) as client:
        yield client[mongo_database]


@pytest.fixture
async def store(database: Database) -> Store:
    """A store without the key of the marks, as the parser has it."""
    made = Store(database, database, StoreConfig(blind_index_keys={}))
    await made.setup()
    return made


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """Workers that obey what a mail's body says."""
    module = "tests.parser.failing_worker"
    async with WorkerPool(workers=1, seconds=5, memory_mb=512, log=structlog.get_logger(), module=module) as running:
        yield running


def fetched(raw: bytes, uid: int = 1, *, blob: str | None = None, lane: Lane = Lane.BACKFILL) -> Delivery[MailFetched]:
    """Return a delivery of a mail, as a body or by name."""
    source = Copy(account=ACCOUNT, folder="0" * 12, uidvalidity=1, uid=uid)
    message = MailFetched(
        id=f"{source.id}/1",
        source=source,
        lane=lane,
        epoch=3 if lane is Lane.BACKFILL else None,
        internal_date=RECEIVED,
        noticed_at=NOTICED,
        size=len(raw),
        blob=blob,
    )
    return Delivery(message, b"" if blob else raw, 1, False, "parser.mail-fetched.backfill")


def published(outcome: Done | Failed) -> MailParsed:
    """Return the one message that came of a mail."""
    assert isinstance(outcome, Done)
    (message,) = outcome.publish
    assert isinstance(message, MailParsed)
    return message


async def refs(database: Database, name: str) -> list[str]:
    """Return who needs a blob."""
    document = await database["blobs.files"].find_one({"_id": name})
    return sorted(document["refs"]) if document else []


async def test_batch_is_parsed_and_its_blobs_are_stored(pool: WorkerPool, store: Store, database: Database) -> None:
    """Every mail of a batch becomes a message on its own lane; raw mail and attachments are stored for its email."""
    pdf = part(b"%PDF", b"Content-Type: application/pdf; name=a.pdf")
    raws = [mail(b"one"), mixed(part(b"two", b"Content-Type: text/plain"), pdf)]
    deliveries = [fetched(raw, uid) for uid, raw in enumerate(raws, 1)]
    outcomes = await handle(deliveries, pool=pool, store=store, large=asyncio.Semaphore(1))
    messages = [published(outcome) for outcome in outcomes]
    for delivery, message, raw in zip(deliveries, messages, raws, strict=True):
        before = delivery.message
        assert message.id == f"{before.id}/parsed"
        for field in ("source", "lane", "epoch", "internal_date", "noticed_at"):
            assert getattr(message, field) == getattr(before, field)
        assert message.head
        assert await store.blobs.get(message.head) + await store.blobs.get(message.content.raw) == raw
        for name in (message.head, message.content.raw):
            assert await refs(database, name) == [email_ref(message.content.key)]
    (attachment,) = messages[1].content.attachments
    assert await store.blobs.get(attachment.sha256) == b"%PDF"
    assert await refs(database, attachment.sha256) == [email_ref(messages[1].content.key)]


async def test_large_mail_comes_from_the_blob_store(pool: WorkerPool, store: Store, database: Database) -> None:
    """Of a mail that came by name, header block and body are stored apart. It stays for a while, for when it is delivered again."""
    raw = mail(b"large")
    delivery = fetched(raw, blob=hashlib.sha256(raw).hexdigest())
    await store.blobs.put_many([(raw, copy_ref(delivery.message.source.id))])
    (outcome,) = await handle([delivery], pool=pool, store=store, large=asyncio.Semaphore(1))
    message, name = published(outcome), delivery.message.blob
    content = message.content
    assert content.text == "large"
    assert message.head
    assert name
    assert await store.blobs.get(message.head) + await store.blobs.get(content.raw) == raw
    assert await refs(database, content.raw) == [email_ref(content.key)]
    assert await refs(database, name) == []
    await store.blob_sweep.run()
    (again,) = await handle([delivery], pool=pool, store=store, large=asyncio.Semaphore(1))
    assert published(again).content == content


async def test_a_failing_mail_does_not_affect_its_batch(pool: WorkerPool, store: Store) -> None:
    """A mail that cannot be parsed, or whose raw form is gone, fails alone; its neighbours are done."""
    deliveries = [
        fetched(mail(b"one"), 1),
        fetched(mail(b"KILL"), 2),
        fetched(b"", 3, blob="0" * 64),
        fetched(mail(b"RAISE"), 4),
    ]
    one, killed, missing, raised = await handle(deliveries, pool=pool, store=store, large=asyncio.Semaphore(1))
    assert published(one).content.text == "one"
    assert isinstance(killed, Failed)
    assert isinstance(killed.error, PermanentError)
    assert killed.error.reason == "parser-died"
    assert isinstance(missing, Failed)
    assert isinstance(missing.error, PermanentError)
    assert missing.error.reason == "blob-missing"
    assert isinstance(raised, Failed)
    assert not isinstance(raised.error, PermanentError)


async def test_bcc_belongs_to_the_copy(pool: WorkerPool, store: Store) -> None:
    """Bcc is in the message and nowhere in the content."""
    raw = mail(b"one", b"Bcc: secret@x.example")
    (outcome,) = await handle([fetched(raw, lane=Lane.LIVE)], pool=pool, store=store, large=asyncio.Semaphore(1))
    message = published(outcome)
    assert message.bcc == ("secret@x.example",)
    assert "secret@x.example" not in message.content.model_dump_json()
