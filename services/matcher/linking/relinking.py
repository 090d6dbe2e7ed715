"""Links of stored emails made what the present state says: known addresses, ancestors, live copies, policies.

The one function behind every change but the arrival of a copy: a copy went, a record changed, a thread's links changed.
It reads, writes what differs (links by compare-and-set), and reads again until nothing differs: of two that do this to
the same emails at the same time, the one that writes last has also read last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from schemas.emails import Link
from schemas.errors import TransientError
from schemas.mail import Role
from schemas.records import RecordRef
from services.matcher.linking.changes import Changes, Unheld, compare
from services.matcher.linking.evidence import Evidence, gather, text_of
from services.matcher.linking.linking import bcc_matches
from services.matcher.linking.lookups import ancestors_of
from services.matcher.linking.summaries import SummaryKeeper
from services.store import LiveRow, Store, WorkId

_AT_ONCE = 500
_ROUNDS = 10
_GENERATIONS = 1000
"""No thread is longer; only forged ones refer to one another in a circle."""


@dataclass
class _Done:
    """What was done to emails, and what is to follow."""

    ids: set[str] = field(default_factory=set)
    """Message-IDs whose threads follow."""
    passed: dict[str, set[str]] = field(default_factory=dict)
    """Message-IDs whose threads follow in the mail of some users."""
    records: set[RecordRef] = field(default_factory=set)
    debts: list[WorkId] = field(default_factory=list)
    """To be paid after the rest."""
    unmatched: list[str] = field(default_factory=list)
    """Rows."""

    async def follow(self, store: Store) -> list[str]:
        """Let threads follow once; return the emails to relink."""
        ids, passed, self.ids, self.passed = self.ids, self.passed, set(), {}
        related = await follow_threads(ids, store, but=self.unmatched)
        owners = {owner for several in passed.values() for owner in several}
        related += await follow_threads(passed.keys() - ids, store, but=self.unmatched, owners=owners)
        return list(dict.fromkeys(related))


async def relink(
    keys: Iterable[str], *, store: Store, summaries: SummaryKeeper, unheld: Unheld = Unheld.LEAVE, fade: bool = False
) -> None:
    """Make the links of emails what they should be, then those of their threads, and so on.

    Args:
        keys: emails.
        store: where they are.
        summaries: told of the records whose links changed.
        unheld: what becomes of those of the emails that have no live copy.
        fade: whether those of the emails that are on no record any more lose their body now, not after a grace.
    """
    pending, done = list(dict.fromkeys(keys)), _Done()
    for _ in range(_GENERATIONS):
        for start in range(0, len(pending), _AT_ONCE):
            await _settle(pending[start : start + _AT_ONCE], store, unheld, fade, done)
        pending = await done.follow(store)
        if not pending:
            summaries.take(done.records, done.debts)
            return
        unheld, fade = Unheld.LEAVE, False
    raise TransientError("a thread does not come to rest")


async def follow_threads(
    message_ids: Iterable[str], store: Store, *, but: Collection[str] = (), owners: Collection[str] | None = None
) -> list[str]:
    """Set unmatched copies of the threads of emails back to planned; return the emails to relink.

    Args:
        message_ids: of the emails.
        store: where they are.
        but: rows that stay. An email is in its own thread, and one that was unmatched just now was so rightly.
        owners: whose mailboxes alone it concerns: for others nothing has changed.
    """
    ids = list(message_ids)
    if not ids:
        return []
    await store.ledger.replan_by_marks(store.records.thread_marks(ids), but=but, owners=owners)
    return [email.key for email in await store.emails.referring(ids)]


async def follow_colleagues(addresses: Collection[str], *, store: Store, summaries: SummaryKeeper) -> None:
    """Let stored mail follow addresses that became, or ceased to be, colleagues': what they are named in, and what answers it."""
    if not addresses:
        return
    async for emails in store.emails.with_participants(addresses):
        answers = await follow_threads([email.message_id for email in emails if email.message_id], store)
        await relink([*(email.key for email in emails), *answers], store=store, summaries=summaries)


async def _settle(keys: Sequence[str], store: Store, unheld: Unheld, fade: bool, done: _Done) -> None:
    """Bring emails to rest."""
    for _ in range(_ROUNDS):
        evidence = await gather(keys, store)
        changes = compare(keys, evidence, unheld, fade=fade)
        if not changes.any:
            await store.emails.mark_unlinked(changes.unlinked, changes.linked)
            return
        # The debt comes first: a crash after the links were changed leaves what follows from it to the sweeper.
        owed = changes.message_ids | changes.passed.keys()
        done.debts.append(
            await store.pending_work.enqueue(records=changes.records, message_ids=owed, emails=changes.emails)
        )
        await _apply(changes, store)
        rows = [*changes.bare, *(row for key in changes.faded for row in evidence.copies[key])]
        await _look_again(rows, evidence, store)
        done.unmatched.extend(row.id for row in rows)
        done.ids |= changes.message_ids
        for name, owners in changes.passed.items():
            done.passed.setdefault(name, set()).update(owners)
        done.records |= changes.records
    raise TransientError("others keep changing the same links")


async def _apply(changes: Changes, store: Store) -> None:
    await store.links.save_many(changes.additions)
    await store.links.compare_and_set_many(changes.sets, ownerless=True)
    for key, by_thread in changes.by_thread.items():
        await store.emails.set_by_thread(key, by_thread=by_thread)
    await store.ledger.unmatch_rows([row.id for row in changes.bare])
    if changes.faded:
        await store.orphaned_emails.expire(changes.faded)
    await store.orphaned_emails.remove(changes.removed)
    if changes.lost:
        await store.ledger.replan_emails(set(changes.lost) - await store.emails.existing(changes.lost))


async def _look_again(rows: Sequence[LiveRow], evidence: Evidence, store: Store) -> None:
    """Plan copies again that concern a record after all: it, or its thread, came while their rows were set to unmatched.

    Who makes an address or an ancestor known, or links the email by a copy of his own, writes that, then looks for unmatched
    rows; we wrote the rows, and look now.
    """
    if not rows:
        return
    emails = {row.email: evidence.emails[row.email] for row in rows}
    people = {person.address for email in emails.values() for person in email.participants}
    known = await store.records.known(people.union(*(row.bcc for row in rows)))
    ancestors, own = await ancestors_of({name for email in emails.values() for name in email.ancestors}, store, people)
    now = replace(evidence, known=known, ancestors=ancestors, own=own)
    matched = {key for key, email in emails.items() if text_of(email, now).matches}
    links = await store.links.of_emails(emails)
    matched |= {link.email for several in links.values() for link in several if _for_all(link)}
    again = [row.id for row in rows if row.email in matched or bcc_matches(row.account, row.bcc, known)]
    if again:
        await store.ledger.replan_unmatched(again)


def _for_all(link: Link) -> bool:
    return any(match.role is not Role.BCC for match in link.matches)
