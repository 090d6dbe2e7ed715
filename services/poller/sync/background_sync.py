"""The order of background work on one connection: backfills, waiting bodies (late contacts, threads), comparison, marks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schemas.accounts import Phase
from schemas.ledger import UNAVAILABLE, Epoch, EpochState, Row
from schemas.messages import Lane
from services.mailbox.imap import ImapSession, RefusedError, Wakeup
from services.poller.copies.account_context import REFUSED, AccountContext
from services.poller.copies.body_fetcher import BodyFetcher, batches
from services.poller.copies.doubts import doubt
from services.poller.copies.ledger_repair import read_blank
from services.poller.sync import backfill
from services.poller.sync.live_sync import LIVE_LIMIT, now
from services.poller.sync.mark_renewal import MarkRenewal
from services.poller.sync.reconcile import reconcile
from services.runtime.tasks import raise_if_cancelled


class BackgroundSync:
    """Does everything for an account that is not live."""

    def __init__(self, context: AccountContext, fetcher: BodyFetcher, *, opened: Callable[[], None]) -> None:
        """``opened`` is called after an epoch was opened, when the folders are up to date."""
        self._context = context
        self._fetcher = fetcher
        self._opened = opened
        self.wake = Wakeup()
        """Set when rows wait, a resync is requested, or a comparison with the server is due."""
        self.compared = Wakeup()
        """Set unless a comparison with the server is due."""
        self.compared.set()
        self._renewal = MarkRenewal(context)
        self.phase: Phase = "backfill"
        """What it is doing."""

    async def look_for_marks(self) -> bool:
        """Request that rows are marked again whose marks another key made. Returns whether there are any."""
        if found := await self._renewal.look():
            self.wake.set()
        return found

    def compare(self) -> None:
        """Request a comparison of the ledger with the server, after all other background work."""
        self.compared.clear()
        self.wake.set()

    async def pending(self) -> bool:
        """Whether there is anything to do."""
        account = self._context.account
        due = account.resync_requested or not self.compared.is_set() or self._renewal.due
        if due or await self._unsealed():
            return True
        return bool(await self._context.store.ledger.planned(account.id, limit=1))

    async def _unsealed(self) -> Epoch | None:
        epoch = await self._context.store.epochs.get(self._context.account.id, self._context.account.epoch)
        return epoch if epoch is not None and epoch.state is EpochState.ENUMERATING else None

    async def run(self, session: ImapSession) -> None:
        """Fetch waiting bodies, then run the backfill, or the comparison and new marks if there is no backfill."""
        self.wake.clear()
        epoch = await self._unsealed()
        if self._context.account.resync_requested:
            self.phase = "folders"
            epoch = await backfill.open_epoch(self._context, session)
            self._context.account = self._context.account.model_copy(
                update={"epoch": epoch.number, "resync_requested": False}
            )
            self._opened()
        self.phase = "backfill"
        await self._fetch_planned(session, late=False)
        await backfill.complete(self._context, self._context.account.epoch)  # its last row may just have ended
        if epoch is None:
            if not self.compared.is_set():
                self.phase = "compare"
                await reconcile(self._context, session)
                self.compared.set()
                await self._fetch_planned(session, late=False)
            if self._renewal.due:
                await self._renewal.run(session)
            return
        async with asyncio.TaskGroup() as tasks:
            late = tasks.create_task(self._fetch_late(session))
            await backfill.Backfill(self._context, self._fetcher, session, epoch).run()
            late.cancel()
        self.compared.set()  # a backfill ends with a comparison
        await self._fetch_planned(session, late=False)
        if self._context.account.resync_requested:
            self.wake.set()

    async def _fetch_late(self, session: ImapSession) -> None:
        """During a backfill, fetch bodies for late contacts and threads without waiting for its end."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            await self._fetch_planned(session, late=True)
            raise_if_cancelled()  # ended together with a command to the database, whose driver then loses it (Python 3.11)

    async def _fetch_planned(self, session: ImapSession, *, late: bool) -> None:
        """Fetch and publish bodies of planned rows until none is left that can be."""
        while rows := await self._context.store.ledger.planned(self._context.account.id, late=late):
            lane = Lane.LIVE if len(rows) <= LIVE_LIMIT else Lane.BACKFILL
            progress = 0
            fetchable = await self._fetchable(rows)
            usual = [row for row in fetchable if row.doubt != UNAVAILABLE]
            for batch in batches(row for row in usual if not row.blank):
                progress += await self._fetcher.deliver(session, batch, lane)
            for batch in batches(row for row in usual if row.blank):
                await read_blank(self._context, session, self._context.folder_of(batch[0]), batch)
                progress += len(batch)  # each has its header now, or is due later
            for row in (row for row in fetchable if row.doubt == UNAVAILABLE):
                await self._ask_again(session, row, lane)
                progress += 1
            await self._fetcher.settle()
            if not progress:
                return

    async def _ask_again(self, session: ImapSession, row: Row, lane: Lane) -> None:
        """Ask for a mail that the server did not deliver. If it does not now, it is due later, and nothing else waits for it."""
        try:
            if row.blank:
                await read_blank(self._context, session, self._context.folder_of(row), [row])
            else:
                await self._fetcher.deliver(session, [row], lane)
        except RefusedError:
            after = await self._context.store.ledger.get(row.id)
            if (
                after is None or after.retry_at is None or after.retry_at <= now()
            ):  # it is not this mail that was refused
                raise

    async def _fetchable(self, rows: list[Row]) -> list[Row]:
        """Return the rows in synchronised folders. Set the others to ``gone``: their folder is gone or has new uids.

        Those in a folder that the server refuses to open wait.
        """
        fetchable: list[Row] = []
        void, closed = list[Row](), list[Row]()
        moment = now()
        for row in rows:
            folder = self._context.folders.get(row.folder)
            if folder is not None and folder.selected and folder.uidvalidity == row.uidvalidity:
                # The delay of a replanned row counts from now, not from its arrival.
                fetchable.append(row.model_copy(update={"noticed_at": moment}) if row.attempts else row)
            else:
                (closed if folder is not None and folder.reason == REFUSED else void).append(row)
        if closed:
            await doubt(self._context, [row.id for row in closed], REFUSED)
        if void:
            await self._context.store.poller_ledger.gone(self._context.lease, [row.id for row in void])
        return fetchable
