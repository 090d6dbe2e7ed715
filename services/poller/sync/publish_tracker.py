"""Mail on its way to the queue: in one pair of hands at a time, and marked in the ledger once it has arrived there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.ledger import Row
from schemas.messages import MailFetched
from services.amqp.delivery.trace_context import UNTRACED, TraceContext, logged
from services.poller.sync.account_context import AccountContext
from services.store import LeaseLostError

GIVEN_UP = 3.0
"""Seconds that the broker is given to confirm what nobody waits for any more: it takes milliseconds, unless a queue is full."""


class Outgoing(NamedTuple):
    """A mail on its way to the queue."""

    message: MailFetched
    body: bytes
    """The raw mail; empty when the message names it."""
    context: TraceContext = UNTRACED
    """Its trace."""


class PublishTracker:
    """Takes rows to the queue. A row is in one pair of hands at a time, however often it is found to be planned.

    Rows are marked published behind the publishing, as many at once as have come together: after a crash in between they are published
    again under the same id, which changes nothing.
    """

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._in_hand: set[str] = set()
        self._confirmed: list[str] = []
        self._marking: asyncio.Task[None] | None = None
        self._publishing: dict[asyncio.Task[int], set[str]] = {}

    def claim(self, rows: Iterable[Row]) -> list[Row]:
        """Return those rows that are not being fetched, and take them in hand."""
        mine = [row for row in rows if row.id not in self._in_hand]
        self._in_hand.update(row.id for row in mine)
        return mine

    def release(self, rows: Iterable[Row]) -> None:
        """Give rows back, to be found again; what is on its way or was published stays in hand until that is known and marked."""
        self._in_hand.difference_update(
            {row.id for row in rows}.difference(self._confirmed, *self._publishing.values())
        )

    async def settle(self) -> None:
        """Wait until everything that was published is marked, or could not be."""
        while self._marking is not None:
            await asyncio.shield(self._marking)

    async def finish(self) -> None:
        """Wait for what was on its way when the work ended, so that what arrived is marked, too, and not published again."""
        if self._publishing:
            await asyncio.wait(self._publishing)
        await self.settle()

    def _mark(self) -> None:
        if self._marking is None:
            self._marking = asyncio.create_task(self._mark_all())

    async def _mark_all(self) -> None:
        try:
            while self._confirmed:
                ids = self._confirmed.copy()
                try:
                    await self._context.store.ledger.published(self._context.lease, ids)
                except LeaseLostError:
                    pass  # whoever has the account now publishes them again; our next write says so to those who wait for it
                except Exception as error:  # noqa: BLE001 - the rows are still planned, and found again
                    self._context.log.warning("rows not marked", rows=len(ids), error=type(error).__name__)
                finally:
                    self._in_hand.difference_update(ids)
                    del self._confirmed[: len(ids)]
        finally:
            self._marking = None

    async def publish(self, mails: Sequence[Outgoing]) -> int:
        """Publish a batch; what the broker confirmed will be marked, what it did not stays planned and is found again.

        Who is cancelled leaves it on its way for a moment: the broker may have it already. See ``finish``.
        """
        if not mails:
            return 0
        running = asyncio.create_task(self._publish(mails))
        self._publishing[running] = {mail.message.source.id for mail in mails}
        running.add_done_callback(self._published)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(GIVEN_UP, running.cancel)
            raise

    def _published(self, task: asyncio.Task[int]) -> None:
        # Those that were not confirmed are given back by whoever took them in hand, or here when that one was cancelled.
        self._in_hand.difference_update(self._publishing.pop(task).difference(self._confirmed))
        if not task.cancelled():
            task.exception()  # it is raised to whoever waits; nobody may

    async def _publish(self, mails: Sequence[Outgoing]) -> int:
        failures = await self._context.bus.publish_many(
            [(mail.message, mail.body) for mail in mails], contexts=[mail.context for mail in mails]
        )
        confirmed = [mail for mail, failure in zip(mails, failures, strict=True) if failure is None]
        if confirmed:
            self._confirmed += [mail.message.source.id for mail in confirmed]
            size = sum(mail.message.size for mail in confirmed)
            self._context.metrics.bodies(mails[0].message.lane, len(confirmed), size)
            self._mark()
            self._log(confirmed)
        if len(confirmed) < len(mails):
            error = next(failure for failure in failures if failure is not None)
            self._context.log.warning("publish failed", rows=len(mails) - len(confirmed), error=type(error).__name__)
        return len(confirmed)

    def _log(self, mails: Sequence[Outgoing]) -> None:
        """Log a line a mail, at level debug."""
        if self._context.log.is_enabled_for(logging.DEBUG):
            for mail in mails:
                message = mail.message
                self._context.log.debug(
                    "mail published", copy=message.source.id, id=message.id, lane=message.lane, **logged(mail.context)
                )
