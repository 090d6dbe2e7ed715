"""Synchronises new mail, flags and expunges of one folder. New mail is found by uid, never by modification sequence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from schemas.ledger import Folder, Row, RowState
from schemas.messages import Lane
from services.mailbox.imap import (
    HIGHEST_UID,
    ConnectionLostError,
    ContradictionError,
    Fetched,
    ImapSession,
    RefusedError,
    Selected,
    UidRanges,
    all_uids,
    same_uids,
    uid_set,
)
from services.poller.copies import relevance, removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher, batches
from services.poller.copies.folder_scan import WINDOW
from services.poller.copies.header_reader import MessageHeader, header_groups
from services.poller.copies.ledger_repair import read_headers_of, store_flags
from services.poller.copies.publish_tracker import Outgoing
from services.poller.sync.comparison import compare, second_look
from services.store import FolderPatch

LIVE_LIMIT = 50
"""More mails at once (a folder was moved in) use the backfill lane, so that they do not delay other people's new mail."""
RECENT_FLAGS, FEW_FLAGS = 500, 100
"""How many of the newest messages have their flags compared if the server lacks CONDSTORE, in busy and in quiet folders."""


class LiveSync:
    """Synchronises the folders of one account on one connection."""

    def __init__(self, context: AccountContext, fetcher: BodyFetcher, session: ImapSession) -> None:
        self._context = context
        self._fetcher = fetcher
        self._session = session
        self.taken = 0
        """New mails so far."""
        self._flags: dict[str, int] = {}
        """By folder id, a hash of the last known flags of the newest messages, for servers without CONDSTORE."""
        self._unread: dict[str, int] = {}
        """By folder id, a hash of the uids that were last known to be unread, for the same servers."""

    async def open(self, folder: Folder) -> tuple[Folder, Selected]:
        """Open a folder. If its uidvalidity changed, start it again."""
        selected = await self._session.examine(folder.raw_name)
        folder = self._context.folders.get(folder.id, folder)  # an epoch may have been opened meanwhile
        if not same_uids(folder, selected.uidvalidity, selected.uidnext):
            folder = await self._renew(folder, selected)
        return folder, selected

    async def _renew(self, folder: Folder, selected: Selected) -> Folder:
        """Start a folder again whose uids are void. An open backfill walks it; otherwise all its mail is new, known mail is moved."""
        current = {
            "uidvalidity": selected.uidvalidity,
            "uidnext": selected.uidnext,
            "highestmodseq": selected.highestmodseq,
        }
        renewed = await self._context.store.folders.renew(self._context.lease, folder.model_copy(update=current))
        self._context.folders[folder.id] = renewed
        self._flags.pop(folder.id, None)
        self._context.log.info("uidvalidity changed", folder=folder.id, state=renewed.state.value)
        return renewed

    async def new_mail(self, folder: Folder, *, noticed_at: datetime, uidnext: int | None = None) -> int:
        """Store and publish the new mail of the open folder. Return how many mails.

        Where ``uidnext`` says that there is much new mail, it is processed in windows.
        """
        count = 0
        suspects = self._context.suspects
        if folder.id in suspects.unsafe or (uidnext is not None and uidnext - folder.live_next > WINDOW):
            last = HIGHEST_UID if uidnext is None else uidnext - 1
            waiting = await self._waiting(folder, last)
            for start in range(0, len(waiting), WINDOW):
                window = waiting[start : start + WINDOW]
                messages = await read_headers_of(self._context, self._session, folder, window, None)
                count += await self._take(folder, messages, window[-1] + 1, noticed_at)
                folder = self._context.folders[folder.id]
            if folder.id in suspects.unsafe:
                suspects.unsafe -= {folder.id}
                return count
        try:
            messages = await self._session.newest(folder.live_next)
        except ConnectionLostError:
            suspects.unsafe |= {folder.id}
            raise
        if messages:
            count += await self._take(folder, messages, messages[-1].uid + 1, noticed_at)
        return count

    async def _waiting(self, folder: Folder, last: int) -> list[int]:
        """Return the uids of new mail, without mail that was set aside because it breaks the connection."""
        known = await self._context.store.ledger.uids(folder.account, folder.id, folder.uidvalidity, folder.live_next)
        aside = {row.uid for row in known if row.blank}
        return sorted(await all_uids(self._session, last, first=folder.live_next) - aside)

    async def _take(self, folder: Folder, messages: list[Fetched], live_next: int, noticed_at: datetime) -> int:
        async for group, left in header_groups(self._context, self._session, messages):
            await self._take_group(folder, group, left[0].uid if left else live_next, noticed_at)
            self.taken += len(group)
        return len(messages)

    async def _take_group(
        self, folder: Folder, headers: list[MessageHeader], live_next: int, noticed_at: datetime
    ) -> None:
        decisions, version = await relevance.decide(self._context, folder, headers, epoch=None, noticed_at=noticed_at)
        planned = [line.row for line in decisions if line.row.state is RowState.PLANNED]
        claimed = self._fetcher.claim(planned)
        lane = Lane.LIVE if len(planned) <= LIVE_LIMIT else Lane.BACKFILL
        patch = FolderPatch(folder.id, folder.uidvalidity, live_next=live_next)
        try:
            first, *rest = list(batches(claimed)) or [[]]
            # Fetch bodies while the rows are written. Publish only afterwards.
            wanted, fetched = await asyncio.gather(
                relevance.write_rows(self._context, decisions, version, patch=patch),
                self._fetcher.fetch(self._session, folder, first, lane),
                return_exceptions=True,
            )
            if isinstance(wanted, BaseException):
                raise wanted
            self._context.update_folder(folder, live_next=live_next)
            if isinstance(fetched, BaseException):
                raise fetched  # background sync fetches them, and finds out which mail it is because of
            await self._publish(wanted, fetched)
            for batch in rest:
                await self._publish(wanted, await self._fetcher.fetch(self._session, folder, batch, lane))
        finally:
            self._fetcher.release(claimed)

    async def _publish(self, wanted: list[Row], fetched: list[Outgoing]) -> None:
        ids = {row.id for row in wanted}
        await self._fetcher.publish([mail for mail in fetched if mail.message.source.id in ids])

    async def flags(self, folder: Folder, upto: int | None = None, *, recent: int = RECENT_FLAGS) -> bool:
        """Store flags that changed on any device, and expunges if the server names them. Return whether flags changed.

        ``upto`` is the modification sequence of the open folder when it was opened. Without CONDSTORE, only the ``recent`` newest
        messages are compared.
        """
        if not self._session.condstore or folder.highestmodseq is None:
            return await self._compare_flags(folder, max(1, folder.live_next - recent))
        changed, vanished = await self._session.flags(f"1:{HIGHEST_UID}", folder.highestmodseq)
        changed = [message for message in changed if message.uid < folder.live_next]
        modseq = max((message.modseq or 0 for message in changed), default=0)
        await self._vanished(folder, vanished)
        if (modseq := max(modseq, upto or 0)) > folder.highestmodseq:
            # Mail without a row has no flags to update: the backfill asks for changes since it started.
            walked = folder.cursor <= 1
            await store_flags(self._context, self._session, folder, changed, modseq=modseq if walked else None)
            if walked:
                self._context.update_folder(folder, highestmodseq=modseq)
        return bool(changed)

    async def _compare_flags(self, folder: Folder, first: int) -> bool:
        messages, _ = await self._session.flags(f"{first}:{HIGHEST_UID}")
        seen = {message.uid: relevance.flags_of(message) for message in messages if message.uid < folder.live_next}
        digest = hash((first, frozenset(seen.items())))
        if self._flags.get(folder.id) == digest:
            return False
        rows = await self._context.store.ledger.uids(folder.account, folder.id, folder.uidvalidity, first)
        stored = {row.uid: row.flags for row in rows}
        different = [
            message for message in messages if message.uid in seen and stored.get(message.uid) != seen[message.uid]
        ]
        if different:
            await store_flags(self._context, self._session, folder, different)
        self._flags[folder.id] = digest
        return bool(different)

    async def read_elsewhere(self, folder: Folder, count: int | None = None) -> None:
        r"""Store the flags of mail that was read, or marked as unread, however old it is. Without CONDSTORE nothing else shows that soon.

        ``count`` is how many unread mails the server says that the open folder has. If as many are known, nothing is asked.
        """
        if folder.cursor > 1 or folder.live_next <= 1:
            return
        ledger, key = self._context.store.ledger, (folder.account, folder.id, folder.uidvalidity)
        if count is not None and count == len(await ledger.unread(*key)):
            return
        try:
            unread = await self._session.unread(folder.live_next - 1)
        except RefusedError as error:
            if error.passing:
                raise
            return  # the periodic comparison finds them
        digest = hash(frozenset(unread))
        if self._unread.get(folder.id) == digest:
            return
        differing = sorted(unread ^ await ledger.unread(*key))
        for start in range(0, len(differing), RECENT_FLAGS):
            messages, _ = await self._session.flags(uid_set(differing[start : start + RECENT_FLAGS]))
            await store_flags(self._context, self._session, folder, messages)
        self._unread[folder.id] = digest

    async def _vanished(self, folder: Folder, ranges: UidRanges) -> None:
        for first, last in ranges:
            rows = await self._context.store.ledger.uids(folder.account, folder.id, folder.uidvalidity, first, last)
            if rows:
                await removals.confirm_gone(self._context, self._session, folder, [row.uid for row in rows])

    async def find_expunged(self, folder: Folder, exists: int) -> None:
        """Find expunges by comparing the uids of server and ledger. ``exists`` is how many messages the server says there are.

        Raises:
            ContradictionError: the server names none of them.
        """
        rows = await self._context.store.ledger.uids(folder.account, folder.id, folder.uidvalidity)
        if rows:
            there = await all_uids(self._session, max(folder.live_next - 1, rows[-1].uid))
            gone = [row.uid for row in rows if row.uid not in there]
            if gone and exists and not there:
                detail = f"the server says that the folder holds {exists} messages, and names none"
                raise ContradictionError("empty-folder-contradicted", detail, folder=folder.id)
            if gone:
                second_look(self._context, folder, gone=len(gone), left=len(rows) - len(gone))
                await removals.confirm_gone(self._context, self._session, folder, gone)

    async def find_unseen(self, folder: Folder, exists: int) -> bool:
        """Find mail that arrived under another uid than UIDNEXT said. Return whether the server was asked.

        ``exists`` is how many messages the server says there are.
        """
        rows = await self._context.store.ledger.uids(folder.account, folder.id, folder.uidvalidity)
        if folder.cursor > 1 or exists <= len(rows) or await self.new_mail(folder, noticed_at=now()):
            return False
        compared = await compare(self._context, self._session, folder, folder.live_next - 1, epoch=None)
        if not compared.missing:
            return True
        highest = max(await self._session.present("*"), default=0)
        self._context.log.warning("mail below the next uid", folder=folder.id, mails=compared.missing)
        if highest + 1 < folder.live_next:
            patch = FolderPatch(folder.id, folder.uidvalidity, live_next=highest + 1)
            await self._context.store.folders.patch(self._context.lease, patch)
            self._context.update_folder(folder, live_next=highest + 1)
        return True


def now() -> datetime:
    """Return the current time in whole milliseconds, as it is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
