"""Tells which folders changed, and synchronises them.

New mail comes first everywhere, so that moved mail is known at its new place before the old copy goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.ledger import Folder
from services.mailbox.imap import ImapSession, RefusedError, Selected, same_uids
from services.poller.copies import removals
from services.poller.copies.account_context import AccountContext
from services.poller.sync.folder_rounds import NO_IDS, FolderRounds
from services.poller.sync.folder_snapshot import FolderSnapshot
from services.poller.sync.live_sync import FEW_FLAGS, RECENT_FLAGS, LiveSync, now


class FolderSync:
    """Tells which folders changed, and synchronises them."""

    def __init__(self, context: AccountContext, session: ImapSession, live: LiveSync, rounds: FolderRounds) -> None:
        self._context = context
        self._session = session
        self._rounds = rounds
        self.live = live
        self.unseen = NO_IDS
        """Ids of folders where mail was announced and none with a new uid was found."""
        self.reread = NO_IDS
        """Ids of folders whose number of unread mails is not explained by mail that came or went."""
        self.nonexistent = NO_IDS
        """Ids of folders that do not exist, though the server may list them."""
        self.shrunk = False
        """Whether mail has left a folder: it may be in another one."""

    def differs(self, folder: Folder, status: Mapping[str, int]) -> bool:
        """Whether a folder looks different from when it was last synchronised."""
        turn, shown = self._rounds.turns[folder.id], FolderSnapshot.of_status(status)
        unseen, turn.unseen = turn.unseen, status.get("unseen")
        self._rounds.asked(folder.id)
        seen = turn.snapshot
        if turn.unseen is not None and (
            seen is None or unseen is None or turn.unseen - unseen != shown.messages - seen.messages
        ):
            self.reread |= {folder.id}
        if seen is not None:
            # The known folder may be older than the snapshot: opening an epoch updates all folders.
            if shown.uidvalidity != folder.uidvalidity:
                return not same_uids(folder, shown.uidvalidity, shown.uidnext)
            differs = shown != seen or (unseen is not None and turn.unseen is not None and unseen != turn.unseen)
            if differs:
                self._rounds.changed(folder.id)
            self.shrunk = self.shrunk or seen.shrinks_to(shown)
            return differs
        if folder.checked_at is None:
            return True  # recreated, perhaps by a poller that died before it dropped the stale rows
        known = (folder.uidvalidity, folder.live_next, folder.highestmodseq)
        # A modification sequence covers expunges, too. Without it, a folder is compared once after each start.
        if not self._session.announces_vanished or (shown.uidvalidity, shown.uidnext, shown.highestmodseq) != known:
            return True
        turn.snapshot = shown
        return False

    def unmarked(self, folder: Folder) -> bool:
        """Whether only its flags themselves tell whether a folder's flags changed: it has no modification sequences."""
        return not self._session.condstore or folder.highestmodseq is None

    async def status(self, folder: Folder) -> dict[str, int] | None:
        """Ask how a folder looks; returns None if the server refuses that."""
        self._rounds.asked(folder.id)
        try:
            return await self._session.status(folder.raw_name)
        except RefusedError as error:
            if error.throttled:
                raise
            if error.nonexistent:
                self.nonexistent |= {folder.id}
            return None

    async def open(self, folder: Folder) -> tuple[Folder, Selected] | None:
        """Open a folder; returns None if the server refuses that."""
        try:
            return await self.live.open(folder)
        except RefusedError as error:
            if error.throttled:
                raise
            if error.nonexistent:
                self.nonexistent |= {folder.id}
            self._context.log.info("folder cannot be opened", folder=folder.id, error=str(error)[:100])
            return None

    async def all(self, folders: Sequence[str]) -> None:
        """Synchronise the new mail of some folders, then their flags and expunges."""
        # The second step finds new mail, too.
        for step in (self.new_mail, self.changes) if len(folders) > 1 else (self.changes,):
            for folder_id in folders:
                if folder_id in self._context.folders:
                    await step(self._context.folders[folder_id])

    async def new_mail(self, folder: Folder) -> None:
        """Synchronise new mail."""
        opened = await self.open(folder)
        if opened is not None:
            folder, selected = opened
            if selected.uidnext > folder.live_next:
                await self.live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)

    async def compare(self, folders: Sequence[str]) -> None:
        """Compare the flags of folders that seem unchanged."""
        for folder_id in folders:
            if folder_id in self._context.folders:
                await self.changes(self._context.folders[folder_id], shrinks=False)

    async def changes(self, folder: Folder, *, shrinks: bool = True) -> None:
        """Synchronise flags, expunges, and mail that has arrived since its new mail was.

        Unless ``shrinks``, a folder that mail has left is only noted as such.
        """
        opened = await self.open(folder)
        if opened is None:
            return
        folder, selected = opened
        seen, shown = self._rounds.turns[folder.id].snapshot, FolderSnapshot.of_selected(selected)
        if not shrinks and seen is not None and seen.shrinks_to(shown):
            self.shrunk = True
            return
        if selected.uidnext > folder.live_next:
            # The snapshot below includes it, so no later check would find it.
            self._rounds.changed(folder.id)
            await self.live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)
            folder = self._context.folders[folder.id]
        recent = RECENT_FLAGS if self._rounds.is_busy(folder) else FEW_FLAGS
        if await self.live.flags(folder, selected.highestmodseq, recent=recent) and seen is not None:
            self._rounds.changed(folder.id)
        grown = seen is not None and selected.exists > seen.messages and selected.uidnext <= seen.uidnext
        if (grown or folder.id in self.unseen or selected.uidnext < folder.live_next) and await self.live.find_unseen(
            folder, selected.exists
        ):
            self._session.selected = None  # what the server reported meanwhile is not in the snapshot below
        self.unseen = self.unseen.difference((folder.id,)) or NO_IDS
        folder = self._context.folders.get(folder.id, folder)
        fresh = seen is None or seen.uidvalidity != selected.uidvalidity
        named = self._session.announces_vanished and selected.highestmodseq
        if not named and (seen is None or fresh or seen.shrinks_to(shown)):
            await self.live.find_expunged(folder, selected.exists)
        if fresh and folder.cursor <= 1:
            await removals.drop_superseded(self._context, folder)
        await self._read_elsewhere(folder)
        self._rounds.compared(folder.id, shown)

    async def announced_flags(self, folder: Folder) -> None:
        """Synchronise flags of the open folder, of which the server says that some changed."""
        if not await self.live.flags(folder) and self.unmarked(folder):
            await self.live.read_elsewhere(folder)

    async def _read_elsewhere(self, folder: Folder) -> None:
        unseen = self._rounds.turns[folder.id].unseen
        if self.unmarked(folder) and (folder.id in self.reread or unseen is None):
            await self.live.read_elsewhere(folder, unseen)
        self.reread = self.reread.difference((folder.id,)) or NO_IDS
