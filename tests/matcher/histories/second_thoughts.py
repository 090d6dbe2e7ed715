"""Steps of a history by which people hide mail or change their mind: keep private, share again, delete for everyone, undo, readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.mail import Content
from schemas.records import RecordRef
from services.store import NotAllowedError, NotFoundError
from tests.matcher.fixtures import World
from tests.matcher.histories.company import TEAM, Company, Held, Line, Mailbox
from tests.matcher.histories.steps import USERS


@dataclass
class Deletion:
    """A mail that was deleted for everyone."""

    by: str | None
    """The user; None is the operator."""
    copies: list[Held]
    """The copies that were stored."""

    def undone_by(self, user: str, boxes: Mapping[str, Mailbox], alive: Iterable[Held]) -> bool | None:
        """Whether who deleted it may undo it: with all copies in their mailboxes. None where that depends on a copy that was not stored."""

        def all_theirs(copies: Iterable[Held]) -> bool:
            return all(boxes[one.mailbox].of(user) for one in copies if one.mailbox in boxes)

        if user != self.by or not all_theirs(self.copies):
            return False
        return True if all_theirs(alive) else None


@dataclass
class SecondThoughts(World):
    """What ``History`` keeps, as far as these steps need it."""

    paper: Company = field(init=False)
    refs: dict[str, RecordRef] = field(init=False)
    documents: dict[str, dict[str, Any]] = field(init=False)
    """The last CRM document of each record, for restoring it."""
    written: dict[str, Content] = field(init=False)
    deletions: dict[str, Deletion] = field(init=False)
    happened: Counter[str] = field(default_factory=Counter)
    """How often each kind of step changed something, over all companies."""
    lists_readers: bool = False
    """Whether the CRM lists readers, in the field ``access.readers``."""

    async def _settle(self) -> None:
        raise NotImplementedError

    async def _arrive(self, copies: tuple[tuple[str, str, tuple[str, ...], bool], ...]) -> None:
        raise NotImplementedError

    async def check_no_page_shows_too_much(self) -> None:
        """Check, before links are updated, that no page shows more than the rule allows."""
        raise NotImplementedError

    def _works(self, user: str) -> bool:
        """Whether a user has not left and is not disabled; the mailboxes of others are paused."""
        return user in self.paper.users and user not in self.paper.disabled

    def _lines_of(self, user: str, name: str) -> dict[Line, list[Held]]:
        return {line: copies for line, copies in self.paper.granting(user).items() if line[1] == name}

    def _held(self, user: str) -> set[str]:
        """Return the mails of which a user holds a copy by which they see them."""
        boxes = self.paper.mailboxes
        granted = self.paper.granting(user).items()
        return {name for (_, name), copies in granted if any(boxes[copy.mailbox].of(user) for copy in copies)}

    def _holders(self, user: str, name: str) -> set[str]:
        """Return as whom a user holds a mail by copies that let them see it: as themselves, or as a team."""
        boxes = self.paper.mailboxes
        held = {copy.mailbox for copies in self._lines_of(user, name).values() for copy in copies}
        return {boxes[one].owner for one in held if boxes[one].of(user)}

    async def _withdraw(self, number: int, thread: bool, on: bool) -> None:
        """Keep a mail, or its thread, private; or share it again. Only who holds a copy that they see may do so."""
        await self._settle()
        held = [(user, name) for user in USERS for name in sorted(self._held(user))]
        await self._refuse_others(number, held, thread=thread)
        if not on:
            held = [
                (user, name)
                for user, name in held
                if {
                    (holder, one)
                    for holder in self._holders(user, name)
                    for one in (self.paper.letters[name].ids if thread else (name,))
                }
                & self.paper.withdrawn
            ]
        if not held:
            return
        user, name = held[number % len(held)]
        before, holders = set(self.paper.withdrawn), self._holders(user, name)
        pairs = {pair for holder in holders for pair in self._withdrawn(user, holder, name, thread=thread)}
        self.happened["kept private for a team"] += on and any(holder.startswith(TEAM) for holder in holders)
        (self.paper.withdrawn.update if on else self.paper.withdrawn.difference_update)(pairs)
        if before != self.paper.withdrawn:
            self.happened[f"{'keep private' if on else 'share again'}: {'thread' if thread else 'email'}"] += 1
        change = self.store.withdrawing.keep_private if on else self.store.withdrawing.share_again
        await change(self.written[name].key, by=user, thread=thread)
        if on:
            await self.check_no_page_shows_too_much()

    def _withdrawn(self, user: str, holder: str, name: str, *, thread: bool) -> set[tuple[str, str]]:
        """Return what is noted for a holder: the mail, or every Message-ID of the thread that this holder's mail joins."""
        if not thread:
            return {(holder, name)}
        boxes = self.paper.mailboxes
        granted = self.paper.granting(user, any_record=True).items()
        own = {one for (_, one), copies in granted if any(boxes[copy.mailbox].owner == holder for copy in copies)}
        names = self.paper.thread(name, own)
        return {(holder, one) for other in {name, *names} for one in self.paper.letters[other].ids}

    async def _refuse_others(self, number: int, held: list[tuple[str, str]], *, thread: bool) -> None:
        others = [(user, name) for user in USERS for name in sorted(self.written) if (user, name) not in held]
        if others:
            user, name = others[number % len(others)]
            with pytest.raises(NotAllowedError if self._lines_of(user, name) else NotFoundError):
                await self.store.withdrawing.keep_private(self.written[name].key, by=user, thread=thread)

    async def _readers(self, label: str, users: tuple[str, ...]) -> None:
        """Let the CRM list who may read a record; without readers every user may."""
        if label not in self.paper.records or not self.lists_readers:
            return
        self.paper.readers[label] = set(users)
        listed = [user.title() for user in users]
        self.documents[label] = {**self.documents[label], "access": {"readers": listed}}
        collection = self.crm[f"{self.refs[label].kind}s"]
        await collection.update_one({"_id": self.documents[label]["_id"]}, {"$set": {"access.readers": listed}})
        self.happened["readers"] += bool(users)
        await self.check_no_page_shows_too_much()
        await self.changed(self.refs[label])

    async def _bury(self, number: int) -> None:
        """Delete a mail for everyone: by the holder of its only copies if there is one, else by the operator."""
        await self._settle()
        names = sorted({name for user in USERS for name in self._held(user)})
        if not names:
            return
        name = names[number % len(names)]
        seeing = [user for user in USERS if self._lines_of(user, name)]
        boxes = self.paper.mailboxes
        holders = {user for user in USERS if any(boxes[one.mailbox].of(user) for one in self.paper.live(name))}
        key = self.written[name].key
        for user in USERS:
            if self._works(user) and user not in seeing:
                with pytest.raises(NotFoundError):
                    await self.store.deleting.delete(key, by=user)
        user = next(user for user in seeing if user in holders)
        kept = self.paper.kept(name, self.paper.linked())
        deletion = Deletion(user, kept)
        others = [one for one in kept if not boxes[one.mailbox].of(user)]
        try:
            await self.store.deleting.delete(key, by=user)
        except NotAllowedError:  # "administrators, or the holder of its only copies"
            copies = [one for one in self.paper.copies.values() if one.letter == name and one.alive]
            assert not all(boxes[one.mailbox].of(user) for one in copies)
            deletion.by = None
            await self.store.deleting.delete(key, by=None)
        else:
            assert not others, f"{name} was deleted although others hold it"
        self.happened["delete for everyone"] += 1
        self.deletions[name] = deletion
        self.paper.deleted.add(name)
        for user in seeing:
            with pytest.raises(NotFoundError):
                await self.store.reading.show(user, key)
        await self._settle()

    async def _late(self, box: str, number: int) -> None:
        """Let a copy of a deleted mail arrive."""
        if names := sorted(self.paper.deleted):
            await self._arrive(((box, names[number % len(names)], (), False),))

    async def _unbury(self, number: int) -> None:
        """Undo a deletion: "it leaves a tombstone … and can be undone within a grace period", by who deleted it or an administrator.

        Not by one who has left the team of a mailbox that had it.
        """
        if not self.paper.deleted:
            return
        await self._settle()
        name = sorted(self.paper.deleted)[number % len(self.paper.deleted)]
        key, deletion = self.written[name].key, self.deletions[name]
        alive = [one for one in self.paper.copies.values() if one.letter == name and one.alive]
        may = {user: self._works(user) and deletion.undone_by(user, self.paper.mailboxes, alive) for user in USERS}
        for user in USERS:
            if may[user] is False:
                with pytest.raises(NotFoundError):
                    await self.store.undoing.restore(key, by=user)
        self.happened["no undo by a former member"] += any(
            user == deletion.by and self._works(user) and may[user] is False for user in USERS
        )
        left = [one for one in self.paper.copies.values() if one.letter == name and one.alive and not one.lost]
        by = deletion.by if deletion.by and may[deletion.by] else None
        try:
            await self.store.undoing.restore(key, by=by)
        except NotFoundError:
            assert not [one for one in left if any(one is first for first in deletion.copies)], (
                f"{name} is not restored"
            )
            return
        assert left, f"{name} is restored without a copy"
        for copy in left:
            copy.lost = copy.late and not self.paper.mailboxes[copy.mailbox].connected
        self.happened["undo"] += 1
        self.paper.deleted.discard(name)
        await self._settle()
