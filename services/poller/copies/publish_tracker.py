"""Publishes mail: each row is claimed once at a time, and marked in the ledger after the broker confirmed its message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.ledger import Row
from schemas.messages import MailFetched
from services.amqp import UNTRACED, TraceContext, trace_fields
from services.poller.copies.account_context import AccountContext
from services.store import LeaseLostError

CONFIRM_GRACE_SECONDS = 3.0
"""How long a cancelled publish may still be confirmed. A confirm takes milliseconds unless a queue is full."""


class Outgoing(NamedTuple):
    """A mail to publish."""

    message: MailFetched
    body: bytes
    """The raw mail, or empty if the message names a blob."""
    context: TraceContext = UNTRACED
    """Its trace."""


class PublishTracker:
    """Publishes rows. A row is claimed by one task at a time, however often it is found to be planned.

    Confirmed rows are marked as published in batches, behind the publishing. After a crash in between they are published again
    under the same id, which changes nothing.
    """

    _claimed = frozenset[str]()  # all accounts share the empty set

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._confirmed: list[str] = []
        self._marking: asyncio.Task[None] | None = None
        self._publishing: dict[asyncio.Task[int], set[str]] = {}

    def claim(self, rows: Iterable[Row]) -> list[Row]:
        """Claim the rows that no other task has claimed, and return them."""
        mine = [row for row in rows if row.id not in self._claimed]
        self._claimed = self._claimed.union(row.id for row in mine)
        return mine

    def release(self, rows: Iterable[Row]) -> None:
        """Release rows. Those being published, or confirmed but not yet marked, stay claimed until they are marked."""
        self._claimed -= {row.id for row in rows}.difference(self._confirmed, *self._publishing.values())

    async def settle(self) -> None:
        """Wait until every confirmed row is marked, or could not be."""
        while self._marking is not None:
            await asyncio.shield(self._marking)

    async def finish(self) -> None:
        """Wait for publishing that is still under way, so that its rows are marked and not published again."""
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
                    await self._context.store.poller_ledger.published(self._context.lease, ids)
                except LeaseLostError:
                    pass  # the poller that has the account publishes them again; the worker's next write raises this, too
                except Exception as error:  # noqa: BLE001 - the rows are still planned
                    self._context.log.warning("published rows not marked", rows=len(ids), error=type(error).__name__)
                finally:
                    self._claimed = self._claimed.difference(ids)
                    del self._confirmed[: len(ids)]
        finally:
            self._marking = None

    async def publish(self, mails: Sequence[Outgoing]) -> int:
        """Publish a batch. Confirmed rows get marked; the others stay planned. Return how many were confirmed.

        A cancelled call leaves the publishing under way for a moment, since the broker may have the messages. See ``finish``.
        """
        if not mails:
            return 0
        running = asyncio.create_task(self._publish(mails))
        self._publishing[running] = {mail.message.source.id for mail in mails}
        running.add_done_callback(self._published)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(CONFIRM_GRACE_SECONDS, running.cancel)
            raise

    def _published(self, task: asyncio.Task[int]) -> None:
        # The claiming task releases unconfirmed rows; if it was cancelled, this does.
        self._claimed -= self._publishing.pop(task).difference(self._confirmed)
        if not task.cancelled():
            task.exception()  # retrieved here because a cancelled caller does not

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
        """Log one line per mail at level debug."""
        if self._context.log.is_enabled_for(logging.DEBUG):
            for mail in mails:
                message = mail.message
                self._context.log.debug(
                    "mail published",
                    copy=message.source.id,
                    id=message.id,
                    lane=message.lane,
                    **trace_fields(mail.context),
                )
