"""Finds the folders that changed, and has them synchronised: all folders at once, or in rounds those whose turn it is."""

from __future__ import annotations

from math import inf

from schemas.ledger import Folder
from services.mailbox.imap import ImapSession, Listed, primary
from services.poller.copies.account_context import AccountContext
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.folder_rounds import NO_IDS, ROOM, FolderRounds
from services.poller.sync.folder_sync import FolderSync

Statuses = dict[bytes, dict[str, int]]
"""What STATUS says, by raw name."""


class FolderCheck:
    """Asks a server about the folders of one mailbox."""

    def __init__(self, context: AccountContext, session: ImapSession, sync: FolderSync, rounds: FolderRounds) -> None:
        self._context = context
        self._session = session
        self._sync = sync
        self._rounds = rounds
        self.tracker = FolderTracker(context, session)

    async def check(self, *, everything: bool, room: int, idles: bool) -> None:
        """Check every folder (of many, the busiest), or take one round: the folders whose turn it is.

        ``room`` is how many commands a round may take; ``idles`` is whether the server announces what happens in the primary folder.
        """
        listed, statuses = None, Statuses()
        hints, self._rounds.hints = self._rounds.hints, NO_IDS
        if everything or self._rounds.list_due or self.tracker.doubtful:
            listed, statuses = await self._list()
        self._sync.nonexistent = NO_IDS
        changed, compared, partial = await self._look(statuses, hints, room, everything=everything, idles=idles)
        if not (self._sync.shrunk and partial):
            await self._sync.all(changed)
            self._sync.shrunk = False
            await self._sync.compare(compared)
        if self._sync.shrunk:
            self._sync.shrunk = False
            return await self.check(
                everything=True, room=room, idles=idles
            )  # the mail may have been moved to any folder
        if listed is None and self._sync.nonexistent:
            listed, _ = await self._list()
        if listed is not None:
            await self.tracker.drop_missing(listed, self._sync.nonexistent)
        return self._rounds.keep({folder.id for folder in self._context.selected})

    async def _look(
        self, statuses: Statuses, hints: frozenset[str], room: int, *, everything: bool, idles: bool
    ) -> tuple[list[str], list[str], bool]:
        """Return the ids of folders that changed, those whose flags should be compared, and whether others were not asked about."""
        changed = await self._changed_open(hints, everything=everything, idles=idles, told=bool(statuses))
        others = [folder for folder in self._context.selected if folder.raw_name != self._session.selected]
        for folder in others:
            status = statuses.get(folder.raw_name)
            if folder.id in hints or (status is not None and self._sync.differs(folder, status)):
                changed.append(folder.id)
        unmarked = [one for one in self._context.selected if one.id not in changed and self._sync.unmarked(one)]
        rest = [one for one in others if one.raw_name not in statuses and one.id not in changed]
        compared = [] if everything else [one.id for one in self._rounds.to_compare(unmarked, rest, room)]
        left = [one for one in rest if one.id not in compared]
        for folder in self._to_ask(left, room - 2 * len(compared), everything=everything):
            answer = await self._sync.status(folder)
            if answer is not None and self._sync.differs(folder, answer):
                changed.append(folder.id)
        return changed, compared, bool(rest) and not everything

    async def _list(self) -> tuple[list[Listed], Statuses]:
        received = self._session.received
        listed, statuses = await self._session.list_folders()
        self._rounds.listed(self._session.received - received, statuses=bool(statuses))
        await self.tracker.add_new(listed)
        return listed, statuses

    async def _changed_open(self, hints: frozenset[str], *, everything: bool, idles: bool, told: bool) -> list[str]:
        """Return the open folder, if it should be checked: its STATUS may be stale (RFC 3501 section 6.3.10)."""
        opened = next((one for one in self._context.selected if one.raw_name == self._session.selected), None)
        if opened is None:
            return []
        self._rounds.turns[opened.id].unseen = None
        announced = idles and opened == primary(self._context.selected)
        due = self._rounds.open_due(opened) if announced else bool(self._rounds.to_ask([opened], 1))
        if everything or due or opened.id in hints:
            return [opened.id]
        if announced and not told:
            await self._session.noop()  # lets a server report that looks for changes only now and then (Courier)
        return []

    def _to_ask(self, folders: list[Folder], room: int, *, everything: bool) -> list[Folder]:
        if everything:
            return self._rounds.first(folders, ROOM)
        never = self._rounds.unknown(folders)
        known = [folder for folder in folders if self._rounds.turns[folder.id].asked > -inf]
        missed = [folder for folder in known if folder.id in self._context.missed]
        rest = [folder for folder in known if folder.id not in self._context.missed]
        return [*missed, *never[:ROOM], *self._rounds.to_ask(rest, room)]
