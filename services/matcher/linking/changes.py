"""How stored emails and links differ from what they should be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from schemas.emails import Link
from schemas.records import RecordRef
from services.matcher.linking.evidence import Evidence, Wanted, wanted_of
from services.matcher.linking.linking import ordered
from services.store import LinkAddition, LiveRow


class Unheld(Enum):
    """What becomes of an email without a live copy."""

    LEAVE = "leave"
    """Nothing: it may be on its way in at this moment."""
    HIDE = "hide"
    """Its links stay, without owners, for a grace: most copies that go were moved and come back elsewhere."""
    REMOVE = "remove"


class Changes(NamedTuple):
    """What differs between the stored and the wanted."""

    sets: list[Link]
    additions: list[LinkAddition]
    by_thread: dict[str, bool]
    bare: list[LiveRow]
    """Live copies that do not hold a link: another copy's Bcc is why their email is stored."""
    faded: list[str]
    """Emails that have been on no record for the grace, and lose their body now."""
    removed: list[str]
    lost: list[str]
    """Emails that are not stored and have live copies."""
    unlinked: list[str]
    """Emails that are on no record; their grace begins, or goes on."""
    linked: dict[str, datetime]
    """Emails that are on a record again, by the mark that says that they are on none."""
    records: set[RecordRef]
    message_ids: set[str]
    """Of emails whose records changed: their threads follow."""
    passed: dict[str, set[str]]
    """Who holds an email now and did not before, or no more, by its Message-ID: in the mail of these its thread follows."""

    @property
    def any(self) -> bool:
        """Whether there is anything to do. Marks of grace do not count: they are made when all else is at rest."""
        links = self.sets or self.additions or self.by_thread
        return bool(links or self.bare or self.faded or self.removed or self.lost)

    @property
    def emails(self) -> set[str]:
        """The emails whose links change."""
        return {link.email for link in self.sets} | {addition.email for addition in self.additions}


def compare(keys: Sequence[str], evidence: Evidence, unheld: Unheld, *, fade: bool = False) -> Changes:
    """Return what to change about emails. Pure."""
    changes = Changes([], [], {}, [], [], [], [], [], {}, set(), set(), {})
    for key in keys:
        email, links = evidence.emails.get(key), evidence.links.get(key, ())
        if email is None:
            if evidence.copies.get(key):
                changes.lost.append(key)
            _set(changes, [link.model_copy(update={"matches": ()}) for link in links])
            continue
        held = any(row.account in evidence.holders for row in evidence.copies.get(key, ()))
        if not held:
            # On no record for long, and no copy either: whoever took its copies off it died before it was removed. Its thread
            # followed when it lost its last link.
            _unheld(changes, key, links, Unheld.REMOVE if fade and not links else unheld)
            following, others = unheld is Unheld.REMOVE, set[str]()
        else:
            wanted = wanted_of(email, evidence)
            following, others = _differences(changes, links, wanted)
            if wanted.links:
                changes.bare.extend(wanted.bare)
                if email.unlinked_at:
                    changes.linked[key] = email.unlinked_at
                if email.by_thread is wanted.named:
                    changes.by_thread[key] = not wanted.named
            elif fade:
                changes.faded.append(key)
            else:
                changes.unlinked.append(key)
        if email.message_id:
            _follow(changes, email.message_id, others, following=following)
    return changes


def _follow(changes: Changes, message_id: str, others: set[str], *, following: bool) -> None:
    if following:
        changes.message_ids.add(message_id)
    elif others:
        changes.passed.setdefault(message_id, set()).update(others)


def _set(changes: Changes, links: Iterable[Link]) -> None:
    for link in links:
        changes.sets.append(link)
        changes.records.add(link.record)


def _unheld(changes: Changes, key: str, links: Sequence[Link], unheld: Unheld) -> None:
    if unheld is Unheld.REMOVE:
        changes.removed.append(key)
        _set(changes, [link.model_copy(update={"matches": ()}) for link in links])
    elif unheld is Unheld.HIDE:
        _set(changes, [link.model_copy(update={"owners": (), "shared_by": ()}) for link in links if link.owners])


def _differences(changes: Changes, links: Sequence[Link], wanted: Wanted) -> tuple[bool, set[str]]:
    """Note how an email's links differ from what they should be. Returns whether its thread has to follow, or in whose mail alone."""
    following, others = False, set[str]()
    present = {link.record: link for link in links}
    for record, additions in wanted.links.items():
        link = present.get(record)
        if link is None:
            changes.additions.extend(additions)
            changes.records.add(record)
            following = True
            continue
        matches = ordered(match for addition in additions for match in addition.matches)
        owners = {addition.owner for addition in additions}
        shared = {addition.shared for addition in additions if addition.shared}
        attestations = additions[0].attestations
        moved = (owners ^ set(link.owners)) | {one.owner for one in set(attestations) ^ set(link.attestations)}
        if set(link.matches) != set(matches):
            following = True
        elif not moved and set(link.shared_by) == shared:
            continue
        others |= moved
        grants = {"matches": matches, "owners": tuple(sorted(owners)), "shared_by": tuple(sorted(shared))}
        _set(changes, [link.model_copy(update={**grants, "attestations": attestations})])
    stale = [link for link in links if link.record not in wanted.links]
    _set(changes, [link.model_copy(update={"matches": ()}) for link in stale])
    return following or bool(stale), others
