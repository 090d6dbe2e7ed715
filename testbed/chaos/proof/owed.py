"""Compares what owners must get with what they got: backfills, confirmations, working accounts. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from testbed.chaos.proof.findings import DOUBLED, EARLY, LOST, UNFINISHED_WORK, Evidence, Finding, in_words
from testbed.chaos.proof.reader import ServerCopy

_CLOCK_S = 0.005
"""Moments of the database are whole milliseconds."""


def judge_backfills(evidence: Evidence) -> Iterator[Finding]:
    """Return every finding about backfills, confirmations and accounts."""
    yield from _epochs(evidence)
    yield from _asked(evidence)
    yield from _accounts(evidence)
    yield from _early(evidence)


def _epochs(evidence: Evidence) -> Iterator[Finding]:
    """I3 and I4: every backfill is complete and confirmed, by one Message-ID."""
    names: dict[tuple[str, int], set[str]] = defaultdict(set)
    for mail in evidence.confirmations:
        names[mail.account, mail.epoch].add(mail.message_id)
    epochs = {(epoch.account, epoch.number): epoch for epoch in evidence.stored.epochs}
    for name, epoch in epochs.items():
        if (epoch.state, epoch.notification) != ("complete", "sent"):
            yield Finding(UNFINISHED_WORK, f"backfill {name} is {epoch.state}, its confirmation {epoch.notification}")
        elif name not in names:
            yield Finding(LOST, f"no confirmation of backfill {name}")
    for name, several in names.items():
        if name not in epochs or len(several) > 1:
            yield Finding(DOUBLED, f"confirmations of backfill {name}: {sorted(several)}")
    if pending := evidence.stored.pending_work:
        yield Finding(UNFINISHED_WORK, f"{pending} pieces of work are pending")


def _asked(evidence: Evidence) -> Iterator[Finding]:
    """A backfill follows each request; one may answer several."""
    epochs = {(epoch.account, epoch.number) for epoch in evidence.stored.epochs}
    asked = Counter[str]()
    for each in evidence.asked:
        asked[each.account] += each.times
    last = {account: max((number for whose, number in epochs if whose == account), default=0) for account in asked}
    for each in evidence.asked:
        if last[each.account] <= each.last:
            yield Finding(LOST, f"no backfill of {each.account} after number {each.last}, though one was requested")
    for account, times in asked.items():
        if last[account] > times:
            yield Finding(DOUBLED, f"{last[account]} backfills of {account}, for {times} requests")


def _accounts(evidence: Evidence) -> Iterator[Finding]:
    """Check that every account continues, was blocked no more often than it had to be, and sent one mail per block."""
    incidents = {account.id: account.incident for account in evidence.stored.accounts}
    for account in evidence.stored.accounts:
        if account.state != "active" or account.resync_requested:
            waits = ", waiting for a backfill" if account.resync_requested else ""
            yield Finding(UNFINISHED_WORK, f"{account.id} is {account.state}{waits}")
        if account.incident > (most := evidence.blocks.get(account.id, 0)):
            yield Finding(DOUBLED, f"{account.id} was blocked {account.incident} times instead of at most {most}")
        if account.trouble:
            yield Finding(UNFINISHED_WORK, f"{account.id} still shows the trouble {account.trouble}")
    for name in evidence.unshown:
        yield Finding(LOST, f"the tokens of {name} could not be refreshed, which did not show")
    for name in evidence.unnotified:
        yield Finding(LOST, f"the owner of {name} was not notified that it is blocked")
    notified: dict[tuple[str, int], set[str]] = defaultdict(set)
    for mail in evidence.attentions:
        notified[mail.account, mail.incident].add(mail.message_id)
    for (name, incident), several in notified.items():
        if incident > incidents.get(name, 0) or len(several) > 1:
            yield Finding(DOUBLED, f"mails about incident {incident} of {name}: {sorted(several)}")


def _early(evidence: Evidence) -> Iterator[Finding]:
    """No backfill completes, and no confirmation is sent, before every existing message has had a final state."""
    observed, names = evidence.observed, evidence.stored.folders
    rows = {
        ServerCopy(place.account, names.get((place.account, place.folder), b""), place.uidvalidity, place.uid): row
        for row, place in observed.places.items()
    }
    there = {each.copy for each in evidence.held}
    for account, last, copies, _ in evidence.asked:
        later = [done for (each, number), done in observed.complete.items() if each == account and number > last]
        if (done := min(later, default=None)) is None:
            continue
        for copy in copies:
            row = rows.get(copy)
            final = observed.final.get(row) if row else None
            if final is None and copy not in there:
                continue  # it was deleted before any program saw it
            if final is None or final > done.order:
                yield Finding(EARLY, f"the backfill of {account} was complete before {row or in_words(copy)} was final")
    for mail in evidence.confirmations:
        done = observed.complete.get((mail.account, mail.epoch))
        if done is None or mail.taken < done.at - _CLOCK_S:
            yield Finding(EARLY, f"{mail.message_id} was sent before the backfill was complete")
