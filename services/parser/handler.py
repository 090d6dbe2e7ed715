"""The parser's flow: raw mail in, ``MailParsed`` out, blobs stored in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from schemas.errors import PermanentError
from schemas.messages import Lane, MailFetched, MailParsed
from services.amqp import Delivery, Done, Failed
from services.parser.content.parse import ParsedMail
from services.parser.worker_pool import WorkerPool
from services.parser.worker_protocol import Request
from services.store import NotFoundError, Store, copy_ref, email_ref

_KEPT = timedelta(hours=6)
"""For how long a large mail can be parsed again, because its message is delivered again."""

Deliveries = Sequence[Delivery[MailFetched]]


async def handle(
    deliveries: Deliveries, *, pool: WorkerPool, store: Store, large: asyncio.Semaphore
) -> list[Done | Failed]:
    """Parse a batch of mails and store their blobs at once. Return one outcome per mail.

    The errors: ``PermanentError`` (``parser-died``, ``parser-timeout``, ``blob-missing``), ``WorkerBugError``.

    ``large`` bounds how many mails from the blob store are in memory at a time.
    """
    small = [delivery for delivery in deliveries if delivery.message.blob is None]
    done = iter(await _bodies(small, pool, store))
    outcomes: list[Done | Failed] = []
    for delivery in deliveries:
        if (name := delivery.message.blob) is None:
            outcomes.append(next(done))
        else:
            async with large:
                outcomes.append(await _named(delivery.message, name, pool, store))
    return outcomes


def _blobs(raw: bytes, mail: ParsedMail) -> list[bytes]:
    """Return what is stored of a mail. Header block and body are apart: each copy has its own header block, most share the body."""
    return [raw[len(mail.blobs[mail.head]) :], *mail.blobs.values()]


async def _parse(raw: bytes, message: MailFetched, pool: WorkerPool) -> ParsedMail:
    account, date = message.source.account, message.internal_date
    return await pool.parse(raw, account=account, internal_date=date, urgent=message.lane is Lane.LIVE)


async def _bodies(deliveries: Deliveries, pool: WorkerPool, store: Store) -> list[Done | Failed]:
    """Parse mails that are message bodies."""
    urgent = any(delivery.message.lane is Lane.LIVE for delivery in deliveries)
    requests = [
        Request(delivery.body, delivery.message.source.account, delivery.message.internal_date)
        for delivery in deliveries
    ]
    mails = await pool.parse_many(requests, urgent=urgent)
    pairs = list(zip(deliveries, mails, strict=True))
    done = [(delivery.body, mail) for delivery, mail in pairs if isinstance(mail, ParsedMail)]
    await store.blobs.put_many(
        [(data, email_ref(mail.content.key)) for raw, mail in done for data in _blobs(raw, mail)]
    )
    return [_outcome(delivery.message, mail) for delivery, mail in pairs]


async def _named(message: MailFetched, name: str, pool: WorkerPool, store: Store) -> Done | Failed:
    """Parse a mail from the blob store. What the poller stored goes some time after what is stored of it now."""
    try:
        raw = await store.blobs.get(name)
        mail = await _parse(raw, message, pool)
    except NotFoundError:
        return Failed(PermanentError("blob-missing", name))
    except Exception as error:  # noqa: BLE001 - the bus decides on retries
        return Failed(error)
    ref = email_ref(mail.content.key)
    await store.blobs.put_many([(data, ref) for data in _blobs(raw, mail)])
    await store.blob_refs.retire(copy_ref(message.source.id), ref, keep=_KEPT)
    return _outcome(message, mail)


def _outcome(message: MailFetched, mail: ParsedMail | BaseException) -> Done | Failed:
    if isinstance(mail, Exception):
        return Failed(mail)
    if not isinstance(mail, ParsedMail):
        raise mail  # a cancellation
    parsed = MailParsed(
        id=f"{message.id}/parsed",
        source=message.source,
        lane=message.lane,
        epoch=message.epoch,
        internal_date=message.internal_date,
        noticed_at=message.noticed_at,
        content=mail.content,
        bcc=mail.bcc,
        head=mail.head,
        former_key=mail.former_key,
    )
    return Done([parsed])
