"""Folders that are created, renamed (one appears, one goes; its mail is recognised) and deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from schemas.accounts import Folder, FolderState
from services.mailbox.imap import ImapSession, Listed, RefusedError, plan_folders, readable
from services.poller.sync import removals
from services.poller.sync.account_context import AccountContext

ANSWERS = 2
"""So many LIST answers in a row must lack a folder, and STATUS must refuse it, before it is gone."""


class FolderTracker:
    """Compares what the server lists with what is known."""

    def __init__(self, context: AccountContext, session: ImapSession) -> None:
        self._context = context
        self._session = session

    @property
    def doubtful(self) -> bool:
        """Whether a folder was missing from the last answer: ask again soon."""
        return bool(self._context.missed)

    async def appeared(self, listed: Sequence[Listed]) -> None:
        """Store folders that are new. All their mail counts as new; what was moved there with them is recognised by its header."""
        new = []
        for folder in plan_folders(self._context.account, listed, gmail=self._session.gmail):
            known = self._context.folders.get(folder.id)
            # One may be synchronised only now: it held folders only, or the server refused to open it.
            if known is None or (folder.selected and not known.selected and not self._context.account.resync_requested):
                begun = await self._begin(folder)
                if known is None or begun.selected:
                    new.append(begun)
        if new:
            await self._context.store.folders.save(self._context.lease, new)
            self._context.folders |= {folder.id: folder for folder in new}
            self._context.log.info("folders appeared", count=len(new))

    async def _begin(self, folder: Folder) -> Folder:
        begun: dict[str, object] = {"epoch": self._context.account.epoch, "state": FolderState.ENUMERATED, "cursor": 1}
        if folder.selected:
            try:
                selected = await self._session.examine(folder.raw_name)
                begun |= {"uidvalidity": selected.uidvalidity, "highestmodseq": selected.highestmodseq}
            except RefusedError:
                begun |= {"selected": False, "reason": "refused"}
        return folder.model_copy(update=begun)

    async def disappeared(self, listed: Sequence[Listed], nonexistent: Collection[str] = ()) -> None:
        """Drop folders that are gone. Call it after new mail was taken in everywhere: what was moved is known at its new place then.

        One that was deleted, but for the folders in it, keeps its name: as one without mail, or (Dovecot 2.3) as if nothing had happened.

        Args:
            listed: the server's answer.
            nonexistent: ids of folders of which the server says that there are none, listed or not.
        """
        names = {entry.raw_name for entry in listed}
        with_mail = {entry.raw_name for entry in listed if readable(entry)}
        if not any(name.upper() == b"INBOX" for name in names):
            return  # every mailbox has one (RFC 3501 section 5.1): this answer is not to be believed
        for folder in list(self._context.folders.values()):
            if folder.raw_name in (with_mail if folder.selected else names) and folder.id not in nonexistent:
                self._context.missed.pop(folder.id, None)
                continue
            self._context.missed[folder.id] = self._context.missed.get(folder.id, 0) + 1
            if self._context.missed[folder.id] >= ANSWERS and await self._refused(folder):
                await removals.drop_folder(self._context, folder.id)
                await self._context.store.folders.save(
                    self._context.lease, [folder.model_copy(update={"state": FolderState.GONE, "cursor": 1})]
                )
                del self._context.folders[folder.id], self._context.missed[folder.id]
                self._context.log.info("folder is gone", folder=folder.id)

    async def _refused(self, folder: Folder) -> bool:
        try:
            await self._session.status(folder.raw_name)
        except RefusedError:
            return True
        return False
