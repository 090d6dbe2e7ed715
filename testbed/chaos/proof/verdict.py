"""Compares what is stored with what must be: every difference is a finding of one of four kinds. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from testbed.chaos.proof.findings import DOUBLED, LOST, UNFINISHED_WORK, Evidence, Finding, in_words
from testbed.chaos.proof.owed import judge_backfills
from testbed.chaos.proof.reader import ServerCopy
from testbed.chaos.proof.stored import UNFINISHED, StoredRow


def judge(evidence: Evidence) -> list[Finding]:
    """Return every finding."""
    keys, findings = _keys(evidence)
    findings += _rows(evidence)
    findings += _dead(evidence)
    findings += _emails(evidence, keys)
    findings += _links(evidence, keys)
    findings += _views(evidence, keys)
    findings += _named(evidence, keys)
    findings += judge_backfills(evidence)
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
    """I1: each message on the server has a row in one final state, with its flags, so the sums of each folder agree, too."""
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
        yield Finding(LOST, f"no row for {in_words(copy)}")
    for copy, several in rows.items():
        if len(several) > 1:
            yield Finding(DOUBLED, f"{len(several)} rows for {in_words(copy)}: {several}")


def _fading(row: StoredRow, evidence: Evidence) -> bool:
    """Whether the email of a copy is on no record any more. It stays for a grace period, without a link that shows it."""
    return row.state == "attached" and row.email in evidence.stored.fading


def _dead(evidence: Evidence) -> Iterator[Finding]:
    """I6: each quarantined row has one dead letter, and there is no other."""
    quarantined = {row.id for row in evidence.stored.rows if row.state == "quarantined"}
    dead_letters = Counter(row for row in evidence.stored.dead if row is not None)
    for name in quarantined - dead_letters.keys():
        yield Finding(LOST, f"{name} is quarantined without a dead letter")
    for name in dead_letters.keys() - quarantined:
        yield Finding(UNFINISHED_WORK, f"a dead letter for {name}, which is not quarantined")
    for name, count in dead_letters.items():
        if count > 1:
            yield Finding(DOUBLED, f"{count} dead letters for {name}")


def _emails(evidence: Evidence, keys: Mapping[str, str]) -> Iterator[Finding]:
    """I2 and I5: each attached identity has one email, and no other identity has one."""
    emails = evidence.stored.emails
    wanted = {evidence.truth.identities[copy] for copy, state in evidence.truth.states.items() if state == "attached"}
    for identity in wanted & keys.keys():
        if keys[identity] not in emails:
            yield Finding(LOST, f"{keys[identity]} is attached, but there is no such email")
    # An email without copies is kept for a grace period, and no one sees it.
    going = {row.email for row in evidence.stored.rows if row.state == "gone"}
    for key in emails.keys() - set(keys.values()) - going:
        yield Finding(DOUBLED, f"the email {key} has no copy")


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
                DOUBLED, f"{name[1]} has no holder and is still on {name[0]} for {sorted(stored[name].owners)}"
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
    for what in evidence.leaked:
        yield Finding(DOUBLED, f"a former member still saw {what}")
    shared = Counter(record for (record, _), link in evidence.truth.links.items() if link.shared_by)
    for record, count in evidence.stored.counts.items():
        if count != shared[record]:
            kind = LOST if count < shared[record] else DOUBLED
            yield Finding(kind, f"{record} says that it has {count} shared emails, and has {shared[record]}")


def _named(evidence: Evidence, keys: Mapping[str, str]) -> Iterator[Finding]:
    """Whom a viewer reads has an email: those whom the reference names, no more and no fewer."""
    identities = {key: identity for identity, key in keys.items()}
    for (viewer, key), named in evidence.seen.holders.items():
        known = evidence.truth.holders.get((viewer, identities.get(key, "")), frozenset())
        if named != known:
            kind = DOUBLED if named - known else LOST
            yield Finding(kind, f"{viewer} reads that {sorted(named)} have {key}, and should that {sorted(known)} do")


def _reasons(reasons: Collection[tuple[str, str, str]]) -> str:
    return ", ".join(f"{role} {address}" for address, role, _ in sorted(reasons))
