"""Everything that a deployment stores or prints, as bytes: database, operations log, queues, logs, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient

from schemas.routes import DEAD_EXCHANGE, EXCHANGE, RETRY_EXCHANGE, ROUTES
from schemas.topology import delay_queues, queues

Place = tuple[str, bytes]
_PROFILE = 128 * 1024 * 1024
"""Octets: more than a test asks."""


def database(url: str, *names: str) -> Iterator[Place]:
    """Iterate over every document of every collection, as the server stores it, and over every blob as a whole."""
    with MongoClient[Any](url, document_class=RawBSONDocument) as client:
        for name in dict.fromkeys(names):
            for collection in client[name].list_collection_names():
                yield f"the names in {name}", collection.encode()
                for document in client[name][collection].find():
                    yield f"{name}.{collection}", document.raw
            chunks = client[name]["blobs.chunks"]
            # A text across the border of two chunks.
            for blob in chunks.distinct("files_id", {"n": {"$gt": 0}}):
                parts = [bytes(part["data"]) for part in chunks.find({"files_id": blob}).sort("n", 1)]
                yield f"{name}.blobs", b"".join(parts)


@contextlib.contextmanager
def profiled(url: str, name: str) -> Iterator[None]:
    """Make the server record, in the database itself, every request to it; deleted at the end of the block."""
    with MongoClient[Any](url) as client:
        client[name].create_collection("system.profile", capped=True, size=_PROFILE)
        client[name].command("profile", 2)
        try:
            yield
        finally:
            client[name].command("profile", 0)
            client[name].drop_collection("system.profile")


def moment_of(url: str) -> Timestamp:
    """Return the present time of the operations log's clock."""
    with MongoClient[Any](url) as client:
        moment: Timestamp = client.admin.command("ping")["operationTime"]
        return moment


def operations(url: str, since: Timestamp) -> Iterator[Place]:
    """Iterate over every write that the replica set logged since a moment."""
    with MongoClient[Any](url, document_class=RawBSONDocument) as client:
        for entry in client["local"]["oplog.rs"].find({"ts": {"$gte": since}}):
            yield "the operations log", entry.raw


@dataclass
class Shadow:
    """The messages that went through the exchanges."""

    seen: list[Place] = field(default_factory=list)

    def take(self, place: str, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Record a message with its headers."""
        self.seen.append((place, message.body))
        self.seen.append((place, repr((message.routing_key, message.message_id, message.headers)).encode()))


@contextlib.asynccontextmanager
async def shadow(url: str) -> AsyncIterator[Shadow]:
    """Record every message that our exchanges receive from now on, including retries and dead letters."""
    seen = Shadow()
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=500)
        topic = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        retry = await channel.declare_exchange(RETRY_EXCHANGE, "direct", durable=True)
        dead = await channel.declare_exchange(DEAD_EXCHANGE, "fanout", durable=True)
        queue = await channel.declare_queue("shadow", exclusive=True, auto_delete=True)
        await queue.bind(topic, "#")
        await queue.bind(dead, "")
        for route in ROUTES:
            for name in delay_queues(route):
                await queue.bind(retry, name)

        async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            seen.take(f"exchange {message.exchange}", message)
            await message.ack()

        await queue.consume(note)
        yield seen


async def send(url: str, messages: Sequence[tuple[str, dict[str, str], bytes]]) -> None:
    """Publish arbitrary (routing key, headers, body) to the exchange of work."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(EXCHANGE)
        for key, headers, body in messages:
            await exchange.publish(aio_pika.Message(body, headers={**headers}), key)


async def waiting(url: str) -> list[Place]:
    """Return the messages in all queues, without removing any."""
    found = Shadow()
    async with await aio_pika.connect(url) as connection:
        for wanted in queues():
            channel = await connection.channel()
            queue = await channel.get_queue(wanted.name, ensure=True)
            while (message := await queue.get(fail=False)) is not None:
                found.take(f"queue {wanted.name}", message)
            await channel.close()  # unacknowledged messages return to the queue
    return found.seen


def logs(folder: Path) -> Iterator[Place]:
    """Iterate over the logs of the stages."""
    for file in folder.glob("*.log"):
        yield f"the log {file.name}", file.read_bytes()


async def metrics(ports: dict[str, int]) -> list[Place]:
    """Return the metrics page of each stage."""

    def read(port: int) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            page: bytes = answer.read()
            return page

    pages = await asyncio.gather(*(asyncio.to_thread(read, port) for port in ports.values()))
    assert all(re.search(rb"^leadmail_", page, re.MULTILINE) for page in pages)
    return [(f"the metrics of {stage}", page) for stage, page in zip(ports, pages, strict=True)]
