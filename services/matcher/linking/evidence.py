"""What should be stored about emails that are stored already, as a pure function of the evidence; and gathering the evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.emails import Link
from schemas.records import RecordRef
from services.matcher.linking.lookups import ancestors_of, live_copies_in
from services.matcher.linking.rule import Facts, TextLinks, copy_links, text_links
from services.store import BriefEmail, LinkAddition, LiveRow, Store


@dataclass(frozen=True, kw_only=True)
class Evidence(Facts):
    """What is true of some stored emails at the moment."""

    links: Mapping[str, Sequence[Link]]
    """By key. Read before everything else: a link is replaced by its version, so it must not be newer than the evidence."""
    emails: Mapping[str, BriefEmail]
    copies: Mapping[str, Sequence[LiveRow]]
    """Live copies by key."""


class Wanted(NamedTuple):
    """What should be stored about one email."""

    named: bool
    """Whether it names a known address itself."""
    links: Mapping[RecordRef, Sequence[LinkAddition]]
    """What each live copy contributes to each link."""
    unmatched: tuple[LiveRow, ...]
    """Live copies without a link: the email is stored because of another copy's Bcc."""


async def gather(keys: Collection[str], store: Store) -> Evidence:
    """Return the evidence about emails, in a handful of queries."""
    links = await store.links.of_emails(keys)
    emails, copies, company = await asyncio.gather(
        store.emails.briefs(keys), store.ledger.live_copies(keys), store.company.policy()
    )
    rows = [row for several in copies.values() for row in several]
    addresses = {person.address for email in emails.values() for person in email.participants}
    addresses.update(address for row in rows for address in row.bcc)
    known, accounts = await asyncio.gather(
        store.record_addresses.known(addresses), live_copies_in({row.account for row in rows}, store)
    )
    wanted = {
        name
        for email in emails.values()
        if not any(person.address in known for person in email.participants)
        for name in email.ancestors
    }
    ancestors, colleagues = await ancestors_of(wanted, store, company, addresses)
    withdrawn = await store.withdrawals.of(
        {copy.owner for copy in accounts.values()}, {key: email.thread for key, email in emails.items()}
    )
    return Evidence(
        links=links,
        emails=emails,
        copies=copies,
        accounts=accounts,
        company=company,
        known=known,
        ancestors=ancestors,
        colleagues=colleagues,
        withdrawn=withdrawn,
    )


def text_of(email: BriefEmail, evidence: Evidence) -> TextLinks:
    """Return what the text of a stored email says about records."""
    claims = [
        claimed
        for name in email.ancestors
        for key, claimed in evidence.ancestors.get(name, {}).items()
        if key != email.key
    ]
    rows = evidence.copies.get(email.key, ())
    holders = {evidence.accounts[row.account].owner for row in rows if row.account in evidence.accounts}
    return text_links(email, claims, holders, evidence)


def wanted_of(email: BriefEmail, evidence: Evidence) -> Wanted:
    """Return what should be stored about an email."""
    text = text_of(email, evidence)
    links: dict[RecordRef, list[LinkAddition]] = {}
    unmatched: list[LiveRow] = []
    for row in evidence.copies.get(email.key, ()):
        if row.account not in evidence.accounts:
            continue
        additions = copy_links(email, text, row.account, row.bcc, evidence)
        if not additions:
            unmatched.append(row)
        for addition in additions:
            links.setdefault(addition.record, []).append(addition)
    return Wanted(text.named, links, tuple(unmatched))
