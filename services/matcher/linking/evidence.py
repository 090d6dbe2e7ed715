"""What stored emails' links should be, as a pure function of the evidence; and gathering it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.emails import Link
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy
from services.matcher.linking.decisions import Ancestors
from services.matcher.linking.grants import Holder, shares_link
from services.matcher.linking.linking import (
    Known,
    Matches,
    Vouched,
    among_colleagues,
    attestations_of,
    bcc_matches,
    matches_of,
    merged,
    thread_matches,
    vouched,
)
from services.matcher.linking.lookups import ancestors_of, holders_of
from services.store import BriefEmail, LinkAddition, LiveRow, Store


@dataclass(frozen=True)
class Evidence:
    """What is true of some stored emails at the moment."""

    links: Mapping[str, Sequence[Link]]
    """By key; read before everything else, so that what is set by their versions is never older than they are."""
    emails: Mapping[str, BriefEmail]
    copies: Mapping[str, Sequence[LiveRow]]
    """Live copies by key."""
    holders: Mapping[str, Holder]
    company: CompanyPolicy
    known: Known
    ancestors: Ancestors
    own: frozenset[str]


class Text(NamedTuple):
    """What an email says of records, Bcc aside."""

    matches: Matches
    """What it names, or else what its thread says."""
    threads: Vouched
    """In whose mail; empty when it names a known address itself."""
    named: bool


@dataclass(frozen=True)
class Wanted:
    """What should be stored about one email."""

    named: bool
    """It names a known address itself."""
    links: Mapping[RecordRef, Sequence[LinkAddition]]
    """What each live copy contributes to each link."""
    bare: tuple[LiveRow, ...]
    """Live copies that have no link: another copy's Bcc is why the email is stored."""


async def gather(keys: Collection[str], store: Store) -> Evidence:
    """Return the evidence about emails, in a handful of queries."""
    links = await store.links.of_emails(keys)
    emails, copies, company = await asyncio.gather(
        store.emails.briefs(keys), store.ledger.live_copies(keys), store.company.policy()
    )
    rows = [row for several in copies.values() for row in several]
    addresses = {person.address for email in emails.values() for person in email.participants}
    addresses.update(address for row in rows for address in row.bcc)
    known, holders = await asyncio.gather(
        store.records.known(addresses), holders_of({row.account for row in rows}, store)
    )
    wanted = {
        name
        for email in emails.values()
        if not any(person.address in known for person in email.participants)
        for name in email.ancestors
        if name != email.message_id
    }
    ancestors, own = await ancestors_of(wanted, store, addresses)
    return Evidence(links, emails, copies, holders, company, known, ancestors, own)


def text_of(email: BriefEmail, evidence: Evidence) -> Text:
    """Return what an email says of records itself, or else its thread in the mail of those who hold it."""
    if named := matches_of(email.participants, evidence.known):
        return Text(named, {}, named=True)
    if among_colleagues(email.participants, evidence.own):
        return Text({}, {}, named=False)
    inherited = [
        told
        for name in email.ancestors
        if name != email.message_id
        for key, told in evidence.ancestors.get(name, {}).items()
        if key != email.key
    ]
    rows = evidence.copies.get(email.key, ())
    holders = {evidence.holders[row.account].owner for row in rows if row.account in evidence.holders}
    threads = vouched(inherited, holders)
    return Text(thread_matches(threads), threads, named=False)


def wanted_of(email: BriefEmail, evidence: Evidence) -> Wanted:
    """Return what should be stored about an email."""
    text = text_of(email, evidence)
    people = frozenset(person.address for person in email.participants)
    links: dict[RecordRef, list[LinkAddition]] = {}
    bare: list[LiveRow] = []
    for row in evidence.copies.get(email.key, ()):
        holder = evidence.holders.get(row.account)
        if holder is None:
            continue
        matches = text.matches
        if row.bcc:
            matches = merged(matches, bcc_matches(row.account, row.bcc, evidence.known))
        if not matches:
            bare.append(row)
        for addition in contributions(email, matches, holder._replace(bcc=row.bcc), evidence.company, people):
            attestations = attestations_of(text.threads, addition.record)
            links.setdefault(addition.record, []).append(addition._replace(attestations=attestations))
    return Wanted(text.named, links, tuple(bare))


def contributions(
    email: BriefEmail, matches: Matches, holder: Holder, company: CompanyPolicy, people: frozenset[str]
) -> list[LinkAddition]:
    """Return what one copy contributes to each link of its email."""
    return [
        LinkAddition(
            email=email.key,
            record=record,
            sent_at=email.sent_at,
            thread=email.thread,
            matches=reasons,
            owner=holder.owner,
            shared=holder.account if shares_link(holder, company, reasons, people) else None,
        )
        for record, reasons in matches.items()
    ]
