"""How stored emails and links differ from what they should be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from schemas.emails import Link
from schemas.records import RecordRef
from services.matcher.linking.evidence import Evidence, Wanted, wanted_of
from services.matcher.linking.matches import ordered
from services.store import LinkAddition, LiveRow


class Orphans(Enum):
    """What to do with emails that have no copy."""

    LEAVE = "leave"
    """Nothing: a copy may be on its way in at this moment."""
    HIDE = "hide"
    """Keep the links without owners for a grace period: most copies that disappear were moved and turn up elsewhere."""
    REMOVE = "remove"


@dataclass
class Changes:
    """What to change so that the store holds what it should."""

    sets: list[Link] = field(default_factory=list)
    """Links to replace; those without matches or owners are deleted."""
    additions: list[LinkAddition] = field(default_factory=list)
    by_thread: dict[str, bool] = field(default_factory=dict)
    unmatched: list[LiveRow] = field(default_factory=list)
    """Copies without a link: their email is stored because of another copy's Bcc or thread."""
    expired: list[str] = field(default_factory=list)
    """Emails that were on no record for the grace period and now lose their body."""
    removed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Emails that are not stored and have copies."""
    unlinked: list[str] = field(default_factory=list)
    """Emails that are on no record; their grace period starts, or continues."""
    linked: dict[str, datetime] = field(default_factory=dict)
    """Emails that are on a record again, with the time at which they were marked as unlinked."""
    records: set[RecordRef] = field(default_factory=set)
    """Records whose links change."""
    message_ids: set[str] = field(default_factory=set)
    """Message-IDs of emails whose records changed: their threads must be updated."""
    holder_changes: dict[str, set[str]] = field(default_factory=dict)
    """The users who started or ceased to hold or to have sent an email, by its Message-ID: its thread must be updated in their mail."""

    @property
    def needed(self) -> bool:
        """Whether there is anything to do. Marks of grace periods do not count: they are written last."""
        links = self.sets or self.additions or self.by_thread
        return bool(links or self.unmatched or self.expired or self.removed or self.lost)

    @property
    def emails(self) -> set[str]:
        """The emails whose links change, or which are to be removed: a copy that comes meanwhile would lack its email."""
        changed = {link.email for link in self.sets} | {addition.email for addition in self.additions}
        return changed.union(self.expired, self.removed)

    def set_links(self, links: Iterable[Link]) -> None:
        """Replace links."""
        for link in links:
            self.sets.append(link)
            self.records.add(link.record)

    def update_thread(self, message_id: str, holders: set[str], *, for_all: bool) -> None:
        """Update the thread of an email, for all or only in the mail of some holders."""
        if for_all:
            self.message_ids.add(message_id)
        elif holders:
            self.holder_changes.setdefault(message_id, set()).update(holders)


def compare(keys: Sequence[str], evidence: Evidence, orphans: Orphans, *, expire: bool = False) -> Changes:
    """Return what to change about emails; ``expire``: those on no record lose their body now."""
    changes = Changes()
    for key in keys:
        email, links = evidence.emails.get(key), evidence.links.get(key, ())
        rows = [*evidence.copies.get(key, ()), *evidence.dormant.get(key, ())]
        if email is None:
            if rows:
                changes.lost.append(key)
            changes.set_links(_without_matches(links))
            continue
        if any(row.account in evidence.accounts for row in rows):
            wanted = wanted_of(email, evidence)
            for_all, holders = _compare_links(changes, links, wanted)
            if wanted.links or wanted.dormant:
                changes.unmatched.extend(wanted.unmatched)
                if email.unlinked_at:
                    changes.linked[key] = email.unlinked_at
                if email.by_thread is wanted.named:
                    changes.by_thread[key] = not wanted.named
            elif expire:
                changes.expired.append(key)
            else:
                changes.unlinked.append(key)
        else:
            # An email whose grace period has passed and that has no copy either: the process that took its copies off it died
            # before it removed the email. Its thread was updated when it lost its last link.
            _compare_orphan(changes, key, links, Orphans.REMOVE if expire and not links else orphans)
            for_all, holders = orphans is Orphans.REMOVE, set[str]()
        if email.message_id:
            changes.update_thread(email.message_id, holders, for_all=for_all)
    return changes


def _compare_orphan(changes: Changes, key: str, links: Sequence[Link], orphans: Orphans) -> None:
    if orphans is Orphans.REMOVE:
        changes.removed.append(key)
        changes.set_links(_without_matches(links))
    elif orphans is Orphans.HIDE:
        changes.set_links(
            link.model_copy(update={"owners": (), "sent_by": (), "shared_by": ()}) for link in links if link.owners
        )


def _without_matches(links: Iterable[Link]) -> list[Link]:
    return [link.model_copy(update={"matches": ()}) for link in links]


def _compare_links(changes: Changes, links: Sequence[Link], wanted: Wanted) -> tuple[bool, set[str]]:
    """Note how an email's links differ from what they should be. Returns whether to update its thread, or in whose mail only."""
    for_all, holders = False, set[str]()
    present = {link.record: link for link in links}
    for record, additions in wanted.links.items():
        link = present.get(record)
        if link is None:
            changes.additions.extend(additions)
            changes.records.add(record)
            for_all = True
            continue
        matches = ordered(match for addition in additions for match in addition.matches)
        owners = {addition.owner for addition in additions}
        sent = {addition.owner for addition in additions if addition.sent}
        shared = {addition.shared for addition in additions if addition.shared}
        attestations, ids = additions[0].attestations, additions[0].ids
        moved = (owners ^ set(link.owners)) | (sent ^ set(link.sent_by))
        moved |= {one.owner for one in set(attestations) ^ set(link.attestations)}
        if set(link.matches) != set(matches) or not (link.owners or wanted.named):
            for_all = True
        elif not moved and set(link.shared_by) == shared and link.ids == ids:
            continue
        holders |= moved
        grants = {"owners": owners, "sent_by": sent, "shared_by": shared}
        update: dict[str, object] = {name: tuple(sorted(users)) for name, users in grants.items()}
        update |= {"ids": ids, "matches": matches, "attestations": attestations}
        changes.set_links([link.model_copy(update=update)])
    for record, reasons in wanted.dormant.items():
        link = present.get(record)
        if link is not None and (link.owners or set(link.matches) != set(reasons)):
            holders |= set(link.owners)
            for_all = for_all or not wanted.named
            bare = dict.fromkeys(("owners", "sent_by", "shared_by", "attestations"), ())
            changes.set_links([link.model_copy(update={**bare, "matches": reasons})])
    stale = [link for link in links if link.record not in wanted.links and link.record not in wanted.dormant]
    changes.set_links(_without_matches(stale))
    return for_all or bool(stale), holders
