"""What is held against what must be: everything that differs, as one of four kinds. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from deploy.chaos.observer import Observed
from deploy.chaos.reader import Held, ServerCopy
from deploy.chaos.reference import Truth
from deploy.chaos.stored import UNFINISHED, Confirmation, Stored, StoredRow, Told

LOST, DOUBLED, EARLY, UNFINISHED_WORK = "lost", "doubled", "early", "unfinished"
KINDS = (LOST, DOUBLED, EARLY, UNFINISHED_WORK)
_CLOCK_S = 0.005
"""Moments of the database are whole milliseconds."""


class Finding(NamedTuple):
    """Something that must not be."""

    kind: str
    what: str


class Seen(NamedTuple):
    """What a viewer is shown, read as a person would."""

    emails: Mapping[tuple[str, str], Collection[str]]
    """Keys by (viewer, record); a key that is listed twice is there twice."""
    bcc: Mapping[tuple[str, str], frozenset[str]]
    """By (viewer, key)."""


class Asked(NamedTuple):
    """Somebody asked for a backfill, by connecting a mailbox or later."""

    account: str
    last: int
    """The last backfill before."""
    there: frozenset[ServerCopy]
    """What was in the mailbox."""
    times: int = 1
    """The command may have failed after it had asked, and asked again."""


class Evidence(NamedTuple):
    """All that a verdict is made of."""

    held: Sequence[Held]
    truth: Truth
    stored: Stored
    seen: Seen
    confirmations: Sequence[Confirmation]
    attentions: Sequence[Told]
    observed: Observed
    asked: Sequence[Asked]
    changed_passwords: Mapping[str, int]
    """How often, by account."""
    untold: Sequence[str]
    """Accounts that were blocked, and whose owner was not told in time."""


def judge(evidence: Evidence) -> list[Finding]:
    """Return every finding; none is what is hoped for."""
    keys, findings = _keys(evidence)
    findings += _rows(evidence)
    findings += _dead(evidence)
    findings += _emails(evidence, keys)
    findings += _links(evidence, keys)
    findings += _views(evidence, keys)
    findings += _epochs(evidence)
    findings += _asked(evidence)
    findings += _accounts(evidence)
    findings += _early(evidence)
    return findings


def _keys(evidence: Evidence) -> tuple[dict[str, str], list[Finding]]:
    """Return the key of each identity as the attached rows have it; an email has one key and a key one email."""
    keys: dict[str, set[str]] = defaultdict(set)
    for row in evidence.stored.rows:
        identity = evidence.truth.identities.get(row.copy)
        if row.state == "attached" and row.email and identity:
            keys[identity].add(row.email)
    owners = Counter(key for several in keys.values() for key in several)
    findings = [Finding(DOUBLED, f"one email under {len(k)} keys: {sorted(k)}") for k in keys.values() if len(k) > 1]
    findings += [Finding(LOST, f"{count} emails under the one key {key}") for key, count in owners.items() if count > 1]
    return {identity: min(several) for identity, several in keys.items()}, findings


def _rows(evidence: Evidence) -> Iterator[Finding]:
    """I1: a row for each message of the server, in one final state, which also makes the sums of each folder; its flags."""
    truth, server = evidence.truth.states, {each.copy: each for each in evidence.held}
    rows: dict[ServerCopy, list[str]] = defaultdict(list)
    for row in evidence.stored.rows:
        rows[row.copy].append(row.id)
        wanted, there = truth.get(row.copy), server.get(row.copy)
        if row.state in UNFINISHED:
            yield Finding(UNFINISHED_WORK, f"{row.id} is {row.state}")
        elif there is None:
            if row.state != "gone":
                yield Finding(DOUBLED, f"{row.id} is {row.state}, but the server has no such message")
        elif row.state != wanted and not (wanted == "unmatched" and _fading(row, evidence)):
            kind = DOUBLED if row.state == "attached" else LOST
            yield Finding(kind, f"{row.id} is {row.state} ({row.reason or 'no reason'}), and should be {wanted}")
        elif row.flags != there.flags:
            yield Finding(LOST, f"{row.id} has the flags {sorted(row.flags)}, on the server {sorted(there.flags)}")
    for copy in server.keys() - rows.keys():
        yield Finding(LOST, f"no row for {_name(copy)}")
    for copy, several in rows.items():
        if len(several) > 1:
            yield Finding(DOUBLED, f"{len(several)} rows for {_name(copy)}: {several}")


def _fading(row: StoredRow, evidence: Evidence) -> bool:
    """Whether the email of a copy is on no record any more: for a grace it stays, without a link by which anybody sees it."""
    return row.state == "attached" and row.email in evidence.stored.fading


def _dead(evidence: Evidence) -> Iterator[Finding]:
    """I6: a dead letter for each quarantined row, and no other."""
    quarantined = {row.id for row in evidence.stored.rows if row.state == "quarantined"}
    letters = Counter(row for row in evidence.stored.dead if row is not None)
    for name in quarantined - letters.keys():
        yield Finding(LOST, f"{name} is quarantined without a dead letter")
    for name in letters.keys() - quarantined:
        yield Finding(UNFINISHED_WORK, f"a dead letter for {name}, which is not quarantined")
    for name, count in letters.items():
        if count > 1:
            yield Finding(DOUBLED, f"{count} dead letters for {name}")


def _emails(evidence: Evidence, keys: Mapping[str, str]) -> Iterator[Finding]:
    """I2 and I5: an email for each identity that is attached, and none for one that is not."""
    emails = evidence.stored.emails
    wanted = {evidence.truth.identities[copy] for copy, state in evidence.truth.states.items() if state == "attached"}
    for identity in wanted & keys.keys():
        if keys[identity] not in emails:
            yield Finding(LOST, f"{keys[identity]} is attached, but there is no such email")
    # An email whose last copy went stays for a grace, seen by nobody.
    going = {row.email for row in evidence.stored.rows if row.state == "gone"}
    for key in emails.keys() - set(keys.values()) - going:
        yield Finding(DOUBLED, f"the email {key} is nobody's")


def _links(evidence: Evidence, keys: Mapping[str, str]) -> Iterator[Finding]:
    """I8: links equal the reference's, with their reasons, owners and sharing accounts."""
    wanted = {
        (record, keys[identity]): link for (record, identity), link in evidence.truth.links.items() if identity in keys
    }
    stored = evidence.stored.links
    for name in wanted.keys() - stored.keys():
        yield Finding(LOST, f"no link of {name[1]} on {name[0]}")
    held = set(keys.values())
    for name in stored.keys() - wanted.keys():
        if name[1] in held:
            yield Finding(DOUBLED, f"a link of {name[1]} on {name[0]}: {_reasons(stored[name].reasons)}")
        elif stored[name].owners:
            yield Finding(
                DOUBLED, f"{name[1]} is held by nobody and yet on {name[0]} for {sorted(stored[name].owners)}"
            )
    for name in wanted.keys() & stored.keys():
        for field in ("reasons", "owners", "shared_by"):
            should, has = getattr(wanted[name], field), getattr(stored[name], field)
            if should != has:
                kind = LOST if should - has else DOUBLED
                yield Finding(kind, f"{name[1]} on {name[0]}: {field} are {sorted(has)}, should be {sorted(should)}")


def _views(evidence: Evidence, keys: Mapping[str, str]) -> Iterator[Finding]:
    """I7: what each viewer sees of each record is what the reference says, no more and no less; and the counts for lists."""
    identities = {key: identity for identity, key in keys.items()}
    for (viewer, record), listed in evidence.seen.emails.items():
        should = {keys[identity] for identity in evidence.truth.visible.get((viewer, record), ()) if identity in keys}
        for key in should - set(listed):
            yield Finding(LOST, f"{viewer} does not see {key} on {record}")
        for key in set(listed) - should:
            yield Finding(DOUBLED, f"{viewer} sees {key} on {record} and must not")
        if len(listed) > len(set(listed)):
            yield Finding(DOUBLED, f"{viewer} sees an email twice on {record}")
    for (viewer, key), shown in evidence.seen.bcc.items():
        own = evidence.truth.bcc.get((viewer, identities.get(key, "")), frozenset())
        if shown - own:
            yield Finding(DOUBLED, f"{viewer} is shown a Bcc of {key} that is not his")
    shared = Counter(record for (record, _), link in evidence.truth.links.items() if link.shared_by)
    for record, count in evidence.stored.counts.items():
        if count != shared[record]:
            kind = LOST if count < shared[record] else DOUBLED
            yield Finding(kind, f"{record} says that it has {count} shared emails, and has {shared[record]}")


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
    if evidence.stored.debts:
        yield Finding(UNFINISHED_WORK, f"{evidence.stored.debts} debts")


def _asked(evidence: Evidence) -> Iterator[Finding]:
    """A backfill follows whenever one was asked for; one may be the answer to several."""
    epochs = {(epoch.account, epoch.number) for epoch in evidence.stored.epochs}
    asked = Counter[str]()
    for each in evidence.asked:
        asked[each.account] += each.times
    last = {account: max((number for whose, number in epochs if whose == account), default=0) for account in asked}
    for each in evidence.asked:
        if last[each.account] <= each.last:
            yield Finding(LOST, f"no backfill of {each.account} after number {each.last}, though one was asked for")
    for account, times in asked.items():
        if last[account] > times:
            yield Finding(DOUBLED, f"{last[account]} backfills of {account}, which was asked for {times} times")


def _accounts(evidence: Evidence) -> Iterator[Finding]:
    """Every account goes on; one whose password was changed was blocked for it at most once, and its owner told once."""
    incidents = {account.id: account.incident for account in evidence.stored.accounts}
    for account in evidence.stored.accounts:
        if account.state != "active" or account.resync_requested:
            waits = ", waiting for a backfill" if account.resync_requested else ""
            yield Finding(UNFINISHED_WORK, f"{account.id} is {account.state}{waits}")
        if account.incident > (changes := evidence.changed_passwords.get(account.id, 0)):
            yield Finding(DOUBLED, f"{account.id} was blocked {account.incident} times for {changes} changed passwords")
    for name in evidence.untold:
        yield Finding(LOST, f"the owner of {name} was not told that it is blocked")
    told: dict[tuple[str, int], set[str]] = defaultdict(set)
    for mail in evidence.attentions:
        told[mail.account, mail.incident].add(mail.message_id)
    for (name, incident), several in told.items():
        if incident > incidents.get(name, 0) or len(several) > 1:
            yield Finding(DOUBLED, f"mails about incident {incident} of {name}: {sorted(several)}")


def _early(evidence: Evidence) -> Iterator[Finding]:
    """No backfill is complete, and no confirmation sent, before every message that was there had been in a final state."""
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
                continue  # it was deleted before anybody saw it
            if final is None or final > done.order:
                yield Finding(EARLY, f"the backfill of {account} was complete before {row or _name(copy)} was final")
    for mail in evidence.confirmations:
        done = observed.complete.get((mail.account, mail.epoch))
        if done is None or mail.taken < done.at - _CLOCK_S:
            yield Finding(EARLY, f"{mail.message_id} was sent before the backfill was complete")


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind."""
    kinds = Counter(finding.kind for finding in findings)
    return {kind: kinds[kind] for kind in KINDS}


def _name(copy: ServerCopy) -> str:
    return f"{copy.account} {copy.folder.decode(errors='replace')} {copy.uidvalidity}/{copy.uid}"


def _reasons(reasons: Collection[tuple[str, str, str]]) -> str:
    return ", ".join(f"{role} {address}" for address, role, _ in sorted(reasons))
