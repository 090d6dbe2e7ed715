"""Decides which folders of a mailbox are asked about next: busy ones in every round, quiet ones now and then.

What a server announces, or tells of all folders in one answer (LIST-STATUS), needs no turns. Everything else takes commands of
each folder: STATUS for what is new, and without CONDSTORE also the flags. The turns are spread so that they fit into few commands
a second; where they do not, busy folders keep theirs, and quiet ones share the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from time import monotonic

from schemas.ledger import Folder
from services.mailbox.imap import Wakeup
from services.poller.sync.folder_snapshot import FolderSnapshot

ROOM = 100
"""Folders that are asked about at once when all of them should be."""
SLOW = 4
"""Rounds between two turns of what costs more: LIST without STATUS, flags, and the open folder, which the server announces."""
QUIETEST = 20
"""Rounds between two turns of a quiet folder."""
QUIETER = 60
"""The pause between two turns is this part of the time for which nothing has changed."""
LIST_BYTES = 4096
"""Bytes a second that answers to LIST may take in the long run."""
UNANSWERED, WITHOUT_IDLE = 2, 3600.0
"""After so many IDLEs in a row that the server did not answer, it is polled for so many seconds."""
NO_IDS = frozenset[str]()
"""The same for all mailboxes at rest: each empty set of its own takes 216 bytes."""
_OFTEN = ("inbox", "all", "sent", "archive")
"""Roles of folders that are always busy."""


@dataclass(slots=True)
class FolderTurn:
    """What is remembered of one folder."""

    snapshot: FolderSnapshot | None = None
    """How it looked when it was last synchronised."""
    unseen: int | None = None
    """Its unread mails, as STATUS last said; None if it was open since."""
    changed: float = -inf
    """When it was last seen to have changed."""
    asked: float = -inf
    """When the server last said how it looks."""
    compared: float = -inf
    """When it was last open, and its flags were compared."""


class FolderRounds:
    """The turns of one mailbox's folders. They outlive connections."""

    def __init__(self, poll: float, *, clock: Callable[[], float] = monotonic) -> None:
        """``poll`` is how many seconds one round takes."""
        self.poll = poll
        self.turns: defaultdict[str, FolderTurn] = defaultdict(FolderTurn)
        self.hints = NO_IDS
        """Ids of folders that changed, as another connection says."""
        self.announced = Wakeup()
        """Set while one folder is idled on, and the server announces nothing of the others."""
        self._clock = clock
        self._changed = clock()
        self._next_list = -inf
        self._unanswered = 0
        self._poll_until = -inf

    def keep(self, folders: Collection[str]) -> None:
        """Forget folders that are gone: one that comes back unchanged must be checked again."""
        for folder_id in self.turns.keys() - folders:
            del self.turns[folder_id]

    def changed(self, folder_id: str) -> None:
        """Note that a folder changed: it is busy, and so is the mailbox."""
        self.turns[folder_id].changed = self._changed = self._clock()

    def asked(self, folder_id: str) -> None:
        """Note that the server said how a folder looks."""
        self.turns[folder_id].asked = self._clock()

    def compared(self, folder_id: str, snapshot: FolderSnapshot) -> None:
        """Note that a folder was synchronised."""
        turn = self.turns[folder_id]
        turn.snapshot, turn.asked = snapshot, self._clock()
        turn.compared = turn.asked

    def listed(self, size: int, *, statuses: bool) -> None:
        """Note a LIST whose answer took ``size`` bytes. A long one is not asked for in every round."""
        pause = max(self.poll if statuses else SLOW * self.poll, size / LIST_BYTES)
        self._next_list = self._clock() + pause

    @property
    def list_due(self) -> bool:
        """Whether it is time to list the folders."""
        return self._clock() >= self._next_list

    def open_due(self, folder: Folder) -> bool:
        """Whether to check a folder that the server announces all the same."""
        return self._clock() - self.turns[folder.id].compared >= SLOW * self.poll

    def idled(self, *, answered: bool) -> None:
        """Note an IDLE, or a connection that was lost while the server did not answer it."""
        self._unanswered = 0 if answered else self._unanswered + 1
        if self._unanswered >= UNANSWERED:
            self._poll_until = self._clock() + WITHOUT_IDLE

    @property
    def idle_works(self) -> bool:
        """Whether the server has answered IDLE of late, as far as it was tried."""
        return self._clock() >= self._poll_until

    def seconds(self, folder: Folder) -> float:
        """Return how long the pause between two questions about a folder is."""
        if folder.role in _OFTEN:
            return self.poll
        return self._pause(self.turns[folder.id].changed, self.poll)

    def is_busy(self, folder: Folder) -> bool:
        """Whether a folder is important, or has changed of late."""
        return self.seconds(folder) <= SLOW * self.poll

    def _pause(self, changed: float, least: float) -> float:
        return min(max(least, (self._clock() - changed) / QUIETER), QUIETEST * self.poll)

    def unknown(self, folders: Iterable[Folder]) -> list[Folder]:
        """Return folders about which the server was never asked."""
        return [folder for folder in folders if self.turns[folder.id].asked == -inf]

    def to_ask(self, folders: Iterable[Folder], room: int) -> list[Folder]:
        """Return at most ``room`` folders whose turn it is."""
        now = self._clock()
        due = [folder for folder in folders if now - self.turns[folder.id].asked >= self.seconds(folder)]
        return self.first(due, room)

    def to_compare(self, folders: Sequence[Folder], asked: Iterable[Folder], room: int) -> list[Folder]:
        """Return folders whose flags should be compared, which takes two commands of each: an even share of them in each round.

        All of them have their turn within ``SLOW`` rounds while the mailbox is in use, and within ``QUIETEST`` while it is not, as
        far as ``room`` for commands allows; otherwise busy ones wait a round longer. It tells of new mail, too, so only folders of
        ``asked`` that changed within hours keep turns of their own, up to an eighth of the room.
        """
        turns, now = self.turns, self._clock()
        lively = (folder for folder in asked if self.seconds(folder) < QUIETEST * self.poll)
        left = (room - len(self.to_ask(lively, room // 8))) // 2
        share = min(left, ceil(len(folders) * self.poll / self._pause(self._changed, SLOW * self.poll)))
        waiting = sorted(folders, key=lambda folder: turns[folder.id].compared)
        late = now - (SLOW + 1) * self.poll
        busy = [one for one in waiting if turns[one.id].compared <= late and self.is_busy(one)]
        chosen = {one.id: one for one in [*busy[: share - share // 4], *waiting]}
        return list(chosen.values())[:share]

    def first(self, folders: Sequence[Folder], room: int) -> list[Folder]:
        """Return the ``room`` most urgent folders: three quarters for the busiest, the rest for those that wait the longest."""
        if len(folders) <= room:
            return list(folders)
        ranked = sorted(folders, key=lambda folder: (self.seconds(folder), self.turns[folder.id].asked))
        busiest = room - room // 4
        waiting = sorted(ranked[busiest:], key=lambda folder: self.turns[folder.id].asked)
        return [*ranked[:busiest], *waiting[: room - busiest]]
