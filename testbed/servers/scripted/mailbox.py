"""Mailboxes in memory: what a server keeps, and the methods by which tests change it, as another client would."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

from testbed.servers.scripted.calls import ImapFault

COUNTED = 20_000
"""Commands whose times are kept."""


class Watcher(Protocol):
    """A connection that is notified of changes."""

    idling: bool
    """Whether the client waits for them."""

    def changed(self, folder: Folder) -> None:
        """Note that a folder changed."""

    def close(self) -> None:
        """Cut the connection."""


@dataclass(slots=True)
class Message:
    """One mail in one folder."""

    uid: int
    raw: bytes
    date: datetime
    flags: set[str]
    modseq: int
    labels: tuple[str, ...] = ()
    """Gmail's."""
    number: int = 0
    """Gmail's X-GM-MSGID."""


@dataclass(slots=True)
class Folder:
    """One folder; ``name`` as it is on the wire (modified UTF-7)."""

    name: bytes
    uidvalidity: int
    attributes: tuple[str, ...] = ()
    r"""Such as ``\Sent`` and ``\Noselect``."""
    uidnext: int = 1
    modseq: int = 1
    messages: list[Message] = field(default_factory=list)
    """Ascending by uid."""
    gone: list[tuple[int, int]] = field(default_factory=list)
    """The modification sequence and uid of each expunged message."""
    subscribed: bool = True

    @property
    def uids(self) -> list[int]:
        """The uids in it, ascending."""
        return [message.uid for message in self.messages]

    def of_uid(self, uid: int) -> Message:
        """Return the message with a uid."""
        return next(message for message in self.messages if message.uid == uid)


class ScriptedMailbox:
    """One user's mail, with counts of what clients did."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self.token = ""
        """The OAuth2 token that is accepted; none if empty."""
        self.folders: dict[bytes, Folder] = {}
        self.faults: list[ImapFault] = []
        """In effect for this mailbox, from the login on."""
        self.watchers: set[Watcher] = set()
        """The connections that are logged in."""
        self.calls: Counter[str] = Counter()
        """Commands by name."""
        self.times: deque[float] = deque(maxlen=COUNTED)
        """When commands came, on the monotonic clock."""
        self.most_connections = 0
        self.sent = 0
        """Bytes that the server sent."""
        self._validity = 1_700_000_000
        self._numbers = 1_278_455_344_230_334_865
        self.create("INBOX")

    # What clients and tests change.

    def create(self, name: str | bytes, *attributes: str) -> Folder:
        r"""Create a folder, with attributes such as ``\Sent``."""
        raw = name.encode() if isinstance(name, str) else name
        self._validity += 1
        folder = self.folders[raw] = Folder(raw, self._validity, attributes)
        self._tell(folder)
        return folder

    def folder(self, name: str | bytes = "INBOX") -> Folder:
        """Return a folder by name."""
        return self.folders[name.encode() if isinstance(name, str) else name]

    def add(
        self,
        raw: bytes,
        folder: str | bytes = "INBOX",
        *,
        flags: Iterable[str] = (),
        date: datetime | None = None,
        labels: Iterable[str] = (),
        uid: int | None = None,
    ) -> Message:
        """Deliver a mail; ``uid`` leaves a gap before it."""
        place = self.folder(folder)
        place.modseq += 1
        self._numbers += 1
        number = uid or place.uidnext
        message = Message(
            number, raw, date or datetime.now(UTC), set(flags), place.modseq, tuple(labels), self._numbers
        )
        place.messages.append(message)
        place.uidnext = number + 1
        self._tell(place)
        return message

    def delete(self, uids: Iterable[int], folder: str | bytes = "INBOX") -> None:
        """Expunge mails."""
        place, wanted = self.folder(folder), set(uids)
        for message in place.messages:
            if message.uid in wanted:
                place.modseq += 1
                place.gone.append((place.modseq, message.uid))
        place.messages = [message for message in place.messages if message.uid not in wanted]
        self._tell(place)

    def copy(self, uids: Iterable[int], source: str | bytes, target: str | bytes) -> dict[int, int]:
        """Copy mails; returns the new uids by the old ones."""
        wanted = set(uids)
        return {
            one.uid: self.add(one.raw, target, flags=one.flags, date=one.date, labels=one.labels).uid
            for one in list(self.folder(source).messages)
            if one.uid in wanted
        }

    def move(self, uids: Iterable[int], source: str | bytes, target: str | bytes) -> dict[int, int]:
        """Move mails; returns the new uids by the old ones."""
        wanted = set(uids)
        moved = self.copy(wanted, source, target)
        self.delete(wanted, source)
        return moved

    def flag(
        self, uids: Iterable[int], *, add: Iterable[str] = (), remove: Iterable[str] = (), folder: str | bytes = "INBOX"
    ) -> None:
        """Change flags."""
        place, wanted = self.folder(folder), set(uids)
        for message in place.messages:
            if message.uid in wanted:
                place.modseq += 1
                message.flags = (message.flags | set(add)) - set(remove)
                message.modseq = place.modseq
        self._tell(place)

    def rename(self, old: str | bytes, new: str | bytes) -> None:
        """Rename a folder; its uids stay valid."""
        place = self.folder(old)
        del self.folders[place.name]
        place.name = new.encode() if isinstance(new, str) else new
        self.folders[place.name] = place
        self._tell(place)

    def drop(self, name: str | bytes) -> None:
        """Delete a folder."""
        self._tell(self.folders.pop(self.folder(name).name))

    def renumber(self, name: str | bytes = "INBOX") -> None:
        """Give a folder another uidvalidity and its mails other uids."""
        place = self.folder(name)
        self._validity += 1
        place.uidvalidity, place.gone = self._validity, []
        for uid, message in enumerate(place.messages, 1):
            message.uid = uid
        place.uidnext = len(place.messages) + 1

    # What tests look at.

    def rate(self, since: float) -> float:
        """Return the commands per second since a moment (monotonic clock)."""
        return sum(moment >= since for moment in self.times) / max(monotonic() - since, 0.001)

    def cut(self) -> None:
        """Cut every connection, as a router that restarts."""
        for watcher in list(self.watchers):
            watcher.close()

    def _tell(self, folder: Folder) -> None:
        for watcher in list(self.watchers):
            watcher.changed(folder)
