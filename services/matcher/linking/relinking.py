"""Makes the links of stored emails what the present state says: known addresses, ancestors, live copies, policies.

Every change except the arrival of a copy comes through here: a copy is gone, a record changed, the links of a thread changed.
It reads the evidence, writes what differs (links by compare-and-set), and reads again until nothing differs. If two
processes relink the same emails at the same time, the one that writes last has also read last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from schemas.errors import TransientError
from schemas.records import RecordRef
from services.matcher.linking.changes import Changes, Orphans, compare
from services.matcher.linking.evidence import Evidence, gather, text_of
from services.matcher.linking.kept_threads import HeldMail, grow
from services.matcher.linking.lookups import ancestors_of
from services.matcher.linking.rule import copy_links
from services.matcher.linking.summaries import SummaryKeeper
from services.store import LiveRow, Store, WorkId

_AT_ONCE = 500
_ROUNDS = 10
_GENERATIONS = 1000
"""No thread is longer; only forged mails refer to one another in a circle."""


@dataclass
class _Progress:
    """What was changed so far, and which threads to update next."""

    message_ids: set[str] = field(default_factory=set)
    """Of emails whose threads are to be updated."""
    holder_changes: dict[str, set[str]] = field(default_factory=dict)
    """Message-IDs of emails whose threads are to be updated in the mail of some users."""
    emails: set[str] = field(default_factory=set)
    """Emails that name a mail which was not of a thread kept private before."""
    records: set[RecordRef] = field(default_factory=set)
    work: list[WorkId] = field(default_factory=list)
    """Pending work to mark as done after the rest."""
    unmatched: list[str] = field(default_factory=list)
    """Rows."""

    async def next_generation(self, store: Store) -> list[str]:
        """Replan unmatched copies of the threads, and return the emails to relink next."""
        ids, changes, naming = self.message_ids, self.holder_changes, self.emails
        self.message_ids, self.holder_changes, self.emails = set(), {}, set()
        related = await affected_by_threads(ids, store, keep=self.unmatched)
        owners = {owner for several in changes.values() for owner in several}
        related += await affected_by_threads(changes.keys() - ids, store, keep=self.unmatched, owners=owners)
        return list(dict.fromkeys((*related, *sorted(naming))))


async def relink(
    keys: Iterable[str],
    *,
    store: Store,
    summaries: SummaryKeeper,
    orphans: Orphans = Orphans.LEAVE,
    expire: bool = False,
) -> None:
    """Make the links of emails what they should be, then those of the emails in their threads, and so on.

    Args:
        keys: the emails.
        store: where they are.
        summaries: receives the records whose links changed.
        orphans: what to do with those of the emails that have no copy.
        expire: whether those of the emails that are on no record lose their body now, instead of after a grace period.
    """
    pending, progress = list(dict.fromkeys(keys)), _Progress()
    for _ in range(_GENERATIONS):
        for start in range(0, len(pending), _AT_ONCE):
            await _settle(pending[start : start + _AT_ONCE], store, orphans, expire, progress)
        pending = await progress.next_generation(store)
        if not pending:
            summaries.take(progress.records, progress.work)
            return
        orphans, expire = Orphans.LEAVE, False
    raise TransientError("the links of a thread keep changing")


async def affected_by_threads(
    message_ids: Iterable[str], store: Store, *, keep: Collection[str] = (), owners: Collection[str] | None = None
) -> list[str]:
    """Set unmatched copies in the threads of emails back to planned; return the stored emails to relink.

    Only copies in mailboxes whose owner sent a linked email of the thread: no other thread is open, and bodies stay where they are.

    Args:
        message_ids: of the emails.
        store: where they are.
        keep: rows to leave as they are. An email is in its own thread, and one that was unmatched just now is so rightly.
        owners: the only users whose mailboxes are concerned: nothing has changed for others.
    """
    ids = list(message_ids)
    if not ids:
        return []
    await store.matcher_ledger.replan_threads(store.record_addresses.message_id_hashes(ids), but=keep, owners=owners)
    return [email.key for email in await store.emails.referring(ids)]


async def relink_colleagues(addresses: Collection[str], *, store: Store, summaries: SummaryKeeper) -> None:
    """Relink stored mail after addresses became, or ceased to be, colleagues': the mail that names them and its answers."""
    if not addresses:
        return
    async for emails in store.emails.with_participants(addresses):
        answers = await affected_by_threads([email.message_id for email in emails if email.message_id], store)
        await relink([*(email.key for email in emails), *answers], store=store, summaries=summaries)


async def _settle(keys: Sequence[str], store: Store, orphans: Orphans, expire: bool, progress: _Progress) -> None:
    """Compare and write until nothing differs."""
    for _ in range(_ROUNDS):
        evidence = await gather(keys, store)
        changes = compare(keys, evidence, orphans, expire=expire)
        grown = await grow(_held(changes, evidence), evidence.withdrawn, store)
        progress.emails |= grown.emails
        progress.work += grown.work
        if not changes.needed:
            await store.emails.mark_unlinked(changes.unlinked, changes.linked)
            return
        threads = changes.message_ids | changes.holder_changes.keys()
        rows = [
            *changes.unmatched,
            *(
                row
                for key in changes.expired
                for row in (*evidence.copies.get(key, ()), *evidence.dormant.get(key, ()))
            ),
        ]
        # The pending work comes first: after a crash in between, the sweeper does what follows from the changes.
        work = await store.pending_work.enqueue(
            records=changes.records, message_ids=threads, emails=changes.emails, rows=[row.id for row in rows]
        )
        progress.work.append(work)
        await _apply(changes, store)
        await _replan_matched(rows, evidence, store)
        progress.unmatched.extend(row.id for row in rows)
        progress.message_ids |= changes.message_ids
        for name, owners in changes.holder_changes.items():
            progress.holder_changes.setdefault(name, set()).update(owners)
        progress.records |= changes.records
    raise TransientError("others keep changing the same links")


def _held(changes: Changes, evidence: Evidence) -> list[HeldMail]:
    """Return the emails by those who hold them, as the changes leave it."""
    links = {link.id: link for several in evidence.links.values() for link in several}
    links |= {link.id: link for link in changes.sets}
    owned = {(link.email, owner) for link in links.values() for owner in link.owners}
    owned |= {(addition.email, addition.owner) for addition in changes.additions}
    return [
        HeldMail(owner, email.message_id, email.thread_ids)
        for key, owner in owned
        if (email := evidence.emails.get(key)) is not None
    ]


async def _apply(changes: Changes, store: Store) -> None:
    await store.links.save_many(changes.additions)
    await store.links.compare_and_set_many(changes.sets, ownerless=True)
    for key, by_thread in changes.by_thread.items():
        await store.emails.set_by_thread(key, by_thread=by_thread)
    await store.matcher_ledger.unmatch_rows([row.id for row in changes.unmatched])
    if changes.expired:
        await store.orphaned_emails.expire(changes.expired)
    await store.orphaned_emails.remove(changes.removed)
    if changes.lost:
        await store.matcher_ledger.replan_emails(set(changes.lost) - await store.emails.existing(changes.lost))


async def _replan_matched(rows: Sequence[LiveRow], evidence: Evidence, store: Store) -> None:
    """Plan copies again that concern a record after all: it, or its thread, came while their rows were set to unmatched.

    Whoever makes an address or an ancestor known writes that first and then looks for unmatched rows. Here the rows are
    written first, and the look comes now. One of the two sees the other.
    """
    if not rows:
        return
    emails = {row.email: evidence.emails[row.email] for row in rows}
    people = {person.address for email in emails.values() for person in email.participants}
    known = await store.record_addresses.known(people.union(*(row.bcc for row in rows)))
    names = {name for email in emails.values() for name in email.ancestors}
    ancestors, colleagues = await ancestors_of(names, store, evidence.company, people)
    now = replace(evidence, known=known, ancestors=ancestors, colleagues=colleagues)
    texts = {key: text_of(email, now, dormant=True) for key, email in emails.items()}
    again = [
        row.id
        for row in rows
        if row.account in now.accounts
        and copy_links(emails[row.email], texts[row.email], row.account, row.id, now, bcc=row.bcc)
    ]
    if again:
        await store.matcher_ledger.replan_unmatched(again)
