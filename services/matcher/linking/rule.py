"""The rule of links: what each live copy of an email contributes to which links. Pure.

Who a link lets in (``owner``, ``shared``) is a prefilter for quick look-up. Readers apply ``schemas.sharing`` again to the
present policies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.emails import Match
from schemas.mail import Content
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, LiveCopy, Subject, Verdict, internal_among, shares
from schemas.threads import ThreadClaims, ThreadLinks, is_sender, thread_links
from services.matcher.linking.matches import Known, Matches, address_matches, bcc_matches, merged
from services.matcher.linking.threads import Ancestors, attestations_of, thread_matches
from services.store import BriefEmail, LinkAddition

LinkableEmail = Content | BriefEmail
"""An email that has just arrived, or one that is stored."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rule depends on, beside an email and its copies."""

    known: Known
    company: CompanyPolicy
    accounts: Mapping[str, LiveCopy]
    """A copy without Bcc in each account that holds one of the emails; removed accounts are missing."""
    ancestors: Ancestors
    colleagues: frozenset[str]
    """Those of the addresses in question that are a user's or belong to a connected account."""
    outgoing: frozenset[str] = frozenset()
    """Ids of copies that lie in a Sent folder, or have Gmail's label for sent mail."""
    withdrawn: frozenset[tuple[str, str]] = frozenset()
    """(owner, email key) of emails that a holder keeps private."""

    def internal(self, addresses: Iterable[str]) -> frozenset[str]:
        """Return which of the addresses are the company's own people."""
        return internal_among(addresses, self.colleagues, self.company)

    def is_sent(self, email: LinkableEmail, account: str, copy: str) -> bool:
        """Whether the owner of an account sent an email, as far as this copy tells."""
        return copy in self.outgoing and is_sender(email.participants, self.accounts[account].own_addresses)


class TextLinks(NamedTuple):
    """What the text of an email says about records: what it names, or else what its thread is about. Bcc aside."""

    matches: Matches
    threads: ThreadLinks
    """In whose mail the thread says so; empty when the text names a known address."""
    named: bool
    """Whether the text names a known address."""
    people: frozenset[str]
    """The addresses of its participants."""


def text_links(email: LinkableEmail, claims: Iterable[ThreadClaims], holders: Iterable[str], facts: Facts) -> TextLinks:
    """Return what the text of an email says about records."""
    people = frozenset(person.address for person in email.participants)
    if named := address_matches(email.participants, facts.known):
        return TextLinks(named, {}, named=True, people=people)
    threads = {} if people <= facts.internal(people) else thread_links(claims, holders)
    return TextLinks(thread_matches(threads), threads, named=False, people=people)


def copy_links(
    email: LinkableEmail, text: TextLinks, account: str, copy: str, facts: Facts, *, bcc: Collection[str]
) -> list[LinkAddition]:
    """Return what a live copy contributes to each link of its email; nothing if the copy concerns no record.

    Where only a thread links the email, a copy whose owner does not attest it contributes nothing, because the poller
    leaves such a copy in the mailbox. One that is stored for its Bcc is on the email's other records, too.
    """
    holder, sent = facts.accounts[account], facts.is_sent(email, account, copy)
    if (holder.owner, email.key) in facts.withdrawn:
        holder = holder.model_copy(update={"withdrawn": True})
    if bcc and email.is_bounce:
        holder = holder.model_copy(update={"bcc": tuple(bcc)})
    blind = bcc_matches(account, bcc, facts.known) if bcc else {}
    if not (text.named or holder.owner in text.threads or blind):
        return []
    matches, ids = merged(text.matches, blind) if blind else text.matches, email.thread_ids
    return [
        LinkAddition(
            email=email.key,
            record=record,
            sent_at=email.sent_at,
            thread=email.thread,
            matches=reasons,
            owner=holder.owner,
            shared=account
            if shares_link(holder, reasons, _subject(email, text, record, reasons, facts), facts.company)
            else None,
            attestations=attestations_of(text.threads, record) if text.threads else (),
            sent=sent,
            ids=ids,
        )
        for record, reasons in matches.items()
    ]


def _subject(
    email: LinkableEmail, text: TextLinks, record: RecordRef, matches: Iterable[Match], facts: Facts
) -> Subject:
    return Subject(
        participants=text.people,
        internal=facts.internal(text.people.union(match.address for match in matches)),
        attesting=frozenset(owner for owner, thread in text.threads.items() if thread.record == record),
        bounce=email.is_bounce,
    )


def shares_link(copy: LiveCopy, matches: Iterable[Match], subject: Subject, company: CompanyPolicy) -> bool:
    """Whether a live copy shares a link of its email by any of the link's matches. A Bcc match never does."""
    return any(shares(copy, match, subject, company).verdict is Verdict.SHARED for match in matches)
