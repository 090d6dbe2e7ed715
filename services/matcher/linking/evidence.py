"""What should be stored about emails that are stored already, as a pure function of the evidence; and gathering the evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.emails import Link, Match
from schemas.records import RecordRef
from services.matcher.linking.lookups import ancestors_of, live_copies_in, outgoing_rows
from services.matcher.linking.matches import ordered
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
    dormant: Mapping[str, Sequence[LiveRow]]
    """Copies flagged as deleted, by key: they keep the email on its records, and grant nothing."""


class Wanted(NamedTuple):
    """What should be stored about one email."""

    named: bool
    """Whether it names a known address itself."""
    links: Mapping[RecordRef, Sequence[LinkAddition]]
    """What each live copy contributes to each link."""
    dormant: Mapping[RecordRef, tuple[Match, ...]]
    """Links that would hold if its owner removed the flag from a deleted copy: they stay, without owners."""
    unmatched: tuple[LiveRow, ...]
    """Copies without a link: the email is stored because of another copy's Bcc or thread."""


async def gather(keys: Collection[str], store: Store) -> Evidence:
    """Return the evidence about emails, in a handful of queries."""
    links = await store.links.of_emails(keys)
    emails, attached, company = await asyncio.gather(
        store.emails.briefs(keys), store.ledger.copies(keys), store.company.policy()
    )
    rows = [row for several in attached.values() for row in several]
    addresses = {person.address for email in emails.values() for person in email.participants}
    addresses.update(address for row in rows for address in row.bcc)
    known, accounts, outgoing = await asyncio.gather(
        store.record_addresses.known(addresses),
        live_copies_in({row.account for row in rows}, store),
        outgoing_rows(rows, store),
    )
    wanted = {
        name
        for email in emails.values()
        if not any(person.address in known for person in email.participants)
        for name in email.ancestors
    }
    ancestors, colleagues = await ancestors_of(wanted, store, company, addresses)
    withdrawn = await store.withdrawals.of(
        {copy.owner for copy in accounts.values()}, {key: email.thread_ids for key, email in emails.items()}
    )
    return Evidence(
        links=links,
        emails=emails,
        copies={key: live for key, several in attached.items() if (live := [row for row in several if row.live])},
        dormant={key: rest for key, several in attached.items() if (rest := [row for row in several if not row.live])},
        accounts=accounts,
        company=company,
        known=known,
        ancestors=ancestors,
        colleagues=colleagues,
        outgoing=outgoing,
        withdrawn=withdrawn,
    )


def text_of(email: BriefEmail, evidence: Evidence, *, dormant: bool = False) -> TextLinks:
    """Return what the text of a stored email says about records; ``dormant``: as if no copy was flagged as deleted."""
    claims = [
        claimed
        for name in email.ancestors
        for key, claimed in evidence.ancestors.get(name, {}).items()
        if key != email.key
    ]
    rows = [*evidence.copies.get(email.key, ()), *(evidence.dormant.get(email.key, ()) if dormant else ())]
    holders = {evidence.accounts[row.account].owner for row in rows if row.account in evidence.accounts}
    return text_links(email, claims, holders, evidence)


def wanted_of(email: BriefEmail, evidence: Evidence) -> Wanted:
    """Return what should be stored about an email."""
    text = text_of(email, evidence)
    links, unmatched = _links_of(email, text, evidence.copies.get(email.key, ()), evidence)
    dormant: dict[RecordRef, tuple[Match, ...]] = {}
    if rows := evidence.dormant.get(email.key):
        kept, bare = _links_of(email, text_of(email, evidence, dormant=True), rows, evidence)
        unmatched += bare
        dormant = {
            record: ordered(match for one in additions for match in one.matches)
            for record, additions in kept.items()
            if record not in links
        }
    return Wanted(text.named, links, dormant, tuple(unmatched))


def _links_of(
    email: BriefEmail, text: TextLinks, rows: Sequence[LiveRow], evidence: Evidence
) -> tuple[dict[RecordRef, list[LinkAddition]], list[LiveRow]]:
    """Return what copies contribute to each link, and the copies that contribute nothing."""
    links: dict[RecordRef, list[LinkAddition]] = {}
    bare: list[LiveRow] = []
    for row in rows:
        if row.account not in evidence.accounts:
            continue
        additions = copy_links(email, text, row.account, row.id, evidence, bcc=row.bcc)
        if not additions:
            bare.append(row)
        for addition in additions:
            links.setdefault(addition.record, []).append(addition)
    return links, bare
