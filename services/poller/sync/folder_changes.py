"""Folders that are created, deleted, or renamed, which is one of each: moved mail is recognised by its header."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from schemas.ledger import Folder, FolderState
from services.mailbox.imap import (
    NEVER,
    UNREADABLE_LINE,
    ImapSession,
    Listed,
    RefusedError,
    canonical,
    plan_folders,
    readable,
)
from services.poller.copies import removals
from services.poller.copies.account_context import REFUSED, AccountContext

LIST_ANSWERS = 2
"""A folder is gone when this many consecutive LIST answers lack it and STATUS refuses it."""


class FolderTracker:
    """Compares the folders that the server lists with those that are known."""

    def __init__(self, context: AccountContext, session: ImapSession) -> None:
        self._context = context
        self._session = session

    @property
    def doubtful(self) -> bool:
        """Whether the last answer lacked a folder, so that the server should be asked again soon."""
        return bool(self._context.missed)

    async def add_new(self, listed: Sequence[Listed]) -> None:
        """Store new folders. All their mail counts as new; moved mail is recognised by its header.

        A folder that now holds unsent or deleted mail, or another user's mail, is excluded from now on.
        """
        async with self._context.listing:
            await self._add_new(listed)

    async def _add_new(self, listed: Sequence[Listed]) -> None:
        new = []
        for folder in plan_folders(self._context.account, listed, gmail=self._session.gmail):
            known = self._context.folders.get(folder.id)
            # A known folder may become selectable: it only had subfolders before, or the server refused to open it.
            if known is None or (folder.selected and not known.selected and not self._context.account.resync_requested):
                opened = await self._open(folder)
                if opened is not None and (known is None or opened.selected):
                    new.append(opened)
            elif known.selected and folder.reason in NEVER:
                new.append(known.model_copy(update={"role": folder.role, "selected": False, "reason": folder.reason}))
                await removals.drop_folder(self._context, folder.id)
        if new:
            await self._context.store.folders.save(self._context.lease, new)
            self._context.folders |= {folder.id: folder for folder in new}
            self._context.log.info("folders appeared or changed", count=len(new))

    async def _open(self, folder: Folder) -> Folder | None:
        """Return the folder as the server has it; None if that cannot be known at the moment."""
        update: dict[str, object] = {"epoch": self._context.account.epoch, "state": FolderState.ENUMERATED, "cursor": 1}
        if folder.selected:
            try:
                selected = await self._session.examine(folder.raw_name)
                update |= {"uidvalidity": selected.uidvalidity, "highestmodseq": selected.highestmodseq}
            except RefusedError as error:
                if error.throttled:
                    raise
                if error.passing:
                    return None
                update |= {"selected": False, "reason": REFUSED}
        return folder.model_copy(update=update)

    async def drop_missing(self, listed: Sequence[Listed], nonexistent: Collection[str] = ()) -> None:
        """Drop folders that are gone. Call it after the new mail of all folders was stored, so that moved mail is known at its new place.

        A deleted folder that has subfolders stays listed: as not selectable, or (Dovecot 2.3) unchanged.

        ``nonexistent`` are ids of folders that do not exist according to the server, listed or not.
        """
        names = {entry.raw_name for entry in listed}
        with_mail = {entry.raw_name for entry in listed if readable(entry)}
        if not any(name.upper() == b"INBOX" for name in names):
            return  # every mailbox has an INBOX (RFC 3501 section 5.1): the answer is wrong
        for folder in list(self._context.folders.values()):
            if folder.raw_name in (with_mail if folder.selected else names) and folder.id not in nonexistent:
                self._context.missed.pop(folder.id, None)
                continue
            self._context.missed[folder.id] = self._context.missed.get(folder.id, 0) + 1
            # An INBOX that was stored as the server wrote it once is the INBOX that is there now.
            nameless = canonical(folder.raw_name) != folder.raw_name or folder.reason == UNREADABLE_LINE
            if self._context.missed[folder.id] >= LIST_ANSWERS and (nameless or await self._refused(folder)):
                await removals.drop_folder(self._context, folder.id)
                await self._context.store.folders.save(
                    self._context.lease, [folder.model_copy(update={"state": FolderState.GONE, "cursor": 1})]
                )
                del self._context.folders[folder.id], self._context.missed[folder.id]
                self._context.log.info("folder is gone", folder=folder.id)

    async def _refused(self, folder: Folder) -> bool:
        try:
            await self._session.status(folder.raw_name)
        except RefusedError as error:
            if error.throttled:
                raise
            return not error.passing
        return False
